/// Where the merges are in the text of a vocabulary file: a header line, then a merge per line, two symbols
/// with white space between them.
struct MergeLines {
  let text: [UInt8]
  private var lefts: [Range<Int>] = []
  private var rights: [Range<Int>] = []

  var count: Int { lefts.count }
  func left(_ merge: Int) -> Range<Int> { lefts[merge] }
  func right(_ merge: Int) -> Range<Int> { rights[merge] }
  /// The number of a merge's line, counted from 1.
  func number(_ merge: Int) -> Int { merge + 2 }

  /// Finds the first `limit` merges.
  init(text: [UInt8], name: String, limit: Int) throws(TokenizerError) {
    self.text = text
    let headerEnd = text.firstIndex(of: 0x0A) ?? text.count
    guard Self.hasVersion(text[..<headerEnd]) else {
      throw .invalidData(
        "\(name), line 1: a BPE vocabulary begins with a line that ends in \"#version: 0.2\". Give a merges.txt"
          + " or bpe_simple_vocab_16e6.txt.gz.")
    }
    lefts.reserveCapacity(min(limit, text.count / 4))
    rights.reserveCapacity(min(limit, text.count / 4))
    var start = headerEnd + 1
    while start < text.count, count < limit {
      let end = text[start...].firstIndex(of: 0x0A) ?? text.count
      if let (left, right) = Self.fields(text, start..<end) {
        lefts.append(left)
        rights.append(right)
      } else if Self.isBlank(text[start...]) {
        break  // blank lines at the end
      } else {
        throw .invalidData(
          "\(name), line \(count + 2): a merge is two symbols with a space between them. The file is damaged, or"
            + " no BPE vocabulary.")
      }
      start = end + 1
    }
  }

  private static func hasVersion(_ line: ArraySlice<UInt8>) -> Bool {
    let mark = Array("#version".utf8)
    guard line.count < 256, line.count >= mark.count else { return false }
    return line.indices.dropLast(mark.count - 1).contains { line[$0...].starts(with: mark) }
  }

  private static func isSpace(_ byte: UInt8) -> Bool { byte == 0x20 || 0x09...0x0D ~= byte }

  private static func isBlank(_ rest: ArraySlice<UInt8>) -> Bool { rest.allSatisfy { isSpace($0) } }

  /// The line's fields, if there are two.
  private static func fields(_ text: [UInt8], _ line: Range<Int>) -> (Range<Int>, Range<Int>)? {
    func skip(_ from: Int, while wanted: Bool) -> Int {
      var i = from
      while i < line.upperBound, isSpace(text[i]) == wanted { i += 1 }
      return i
    }
    let left = skip(line.lowerBound, while: true)
    let leftEnd = skip(left, while: false)
    let right = skip(leftEnd, while: true)
    let rightEnd = skip(right, while: false)
    guard left < leftEnd, right < rightEnd, skip(rightEnd, while: true) == line.upperBound else { return nil }
    return (left..<leftEnd, right..<rightEnd)
  }
}
