/// The symbols and merges of a byte-level BPE vocabulary.
///
/// Ids are positions in the official order: the 256 bytes, the 256 bytes that end a word, the merges, start of
/// text, end of text. The official code finds ids by the symbols' strings, so where two merges make the same
/// string, the last one's id counts; pairs that occur twice have the last one's rank.
struct Vocabulary: Sendable {
  /// All ids, the two special ones included.
  let size: Int
  /// Id of each byte, then of each byte at the end of a word.
  let byteSymbols: [Int32]
  let merges: MergeTable
  private(set) var words = WordTable(count: 0)

  var startToken: Int32 { Int32(size - 2) }
  var endToken: Int32 { Int32(size - 1) }

  /// The official vocabulary uses so many of the 262,144 merges in its file.
  static let officialMerges = 49152 - 256 - 2
  static let otherSymbols = 512 + 2

  /// Reads the text of a merges file.
  ///   size  the model's number of ids; nil: the file's, cut to the official one
  init(text: [UInt8], name: String, size: Int?) throws(TokenizerError) {
    let wanted: Int?
    if let size {
      guard size > Self.otherSymbols, Int32(exactly: size) != nil else {
        throw .invalidData(
          "\(name): the model has \(size) token ids; a byte-level vocabulary has at least"
            + " \(Self.otherSymbols + 1). Give the vocabulary that the model was trained with.")
      }
      wanted = size - Self.otherSymbols
    } else {
      wanted = nil
    }
    let lines = try MergeLines(text: text, name: name, limit: wanted ?? Self.officialMerges)
    if let wanted, let size, lines.count < wanted {
      throw .invalidData(
        "\(name) has \(lines.count) merges, but a model of \(size) token ids needs \(wanted)."
          + " Give the vocabulary that the model was trained with.")
    }
    self.size = lines.count + Self.otherSymbols
    (byteSymbols, merges) = try Self.table(lines, name: name)
    words = frequentWords(lines)
  }

  /// The words that the first merges make and that byte pair encoding arrives at: a vocabulary may hold
  /// symbols that other merges keep from coming about.
  private func frequentWords(_ lines: MergeLines) -> WordTable {
    let count = min(lines.count, WordTable.mergesUsed)
    var table = WordTable(count: count)
    var encoder = BytePairEncoder()
    var word: [UInt8] = []
    let endOfWord = Array("</w>".utf8)
    for merge in 0..<count {
      word.removeAll(keepingCapacity: true)
      word.append(contentsOf: lines.text[lines.left(merge)])
      word.append(contentsOf: lines.text[lines.right(merge)])
      guard word.count > endOfWord.count, word.suffix(endOfWord.count).elementsEqual(endOfWord) else {
        continue
      }
      word.removeLast(endOfWord.count)
      guard let key = WordTable.key(word, word.indices) else { continue }
      encoder.encode(word, word.indices, self)
      if encoder.symbols.count == 1, let token = encoder.symbols.first { table.insert(key, token) }
    }
    return table
  }

  /// Numbers every symbol, then every merge.
  private static func table(
    _ lines: MergeLines, name: String
  ) throws(TokenizerError) -> ([Int32], MergeTable) {
    var symbols = SymbolTable(count: lines.count + otherSymbols, bytes: lines.text.count * 2)
    let alphabet = byteAlphabet()
    let endOfWord = Array("</w>".utf8)
    for byte in alphabet.order { symbols.append(alphabet.letters[byte]) }
    for byte in alphabet.order { symbols.append(alphabet.letters[byte] + endOfWord) }
    for merge in 0..<lines.count { symbols.append(lines.text, lines.left(merge), lines.right(merge)) }
    symbols.append(Array("<|startoftext|>".utf8))
    symbols.append(Array("<|endoftext|>".utf8))

    var table = MergeTable(count: lines.count)
    for merge in 0..<lines.count {
      guard let left = symbols.id(lines.text, lines.left(merge)),
        let right = symbols.id(lines.text, lines.right(merge))
      else {
        throw .invalidData(
          "\(name), line \(lines.number(merge)): the merge joins a symbol that is neither a byte nor made by"
            + " another merge. Give a byte-level BPE vocabulary such as bpe_simple_vocab_16e6.txt.gz.")
      }
      table.append(left, right, makes: symbols.canonical(512 + merge))
    }
    var byteSymbols = [Int32](repeating: 0, count: 512)
    for (position, byte) in alphabet.order.enumerated() {
      byteSymbols[byte] = symbols.canonical(position)
      byteSymbols[256 + byte] = symbols.canonical(256 + position)
    }
    return (byteSymbols, table)
  }

  /// How BPE files write bytes: visible Latin-1 characters as themselves, the others from U+0100 on. Ids follow
  /// `order`: the visible ones first.
  static func byteAlphabet() -> (order: [Int], letters: [[UInt8]]) {
    let visible = [0x21...0x7E, 0xA1...0xAC, 0xAE...0xFF].flatMap { Array($0) }
    let hidden = (0..<256).filter { !visible.contains($0) }
    var letters = [[UInt8]](repeating: [], count: 256)
    for byte in visible { UTF8Text.encode(UInt32(byte), to: &letters[byte]) }
    for (index, byte) in hidden.enumerated() { UTF8Text.encode(UInt32(256 + index), to: &letters[byte]) }
    return (visible + hidden, letters)
  }
}
