/// One row of a table, or why there is none.
enum Row {
  case fields([[UInt8]])
  case bad(String)
}

/// Reads rows of text, one at a time, from files of any size.
struct RowReader {
  enum Format: Sendable { case tsv, csv, jsonl }

  private let format: Format
  private var feed: ByteFeed
  /// The line on which the row last read began, counted from 1.
  private(set) var line = 0
  private var linesRead = 0

  /// Longest row in bytes.
  static let maximalRow = 1 << 25

  init(_ file: InputFile, _ format: Format) throws(DatasetError) {
    self.format = format
    feed = ByteFeed(file)
    // A byte order mark is no part of the first field.
    let mark: [UInt8] = [0xEF, 0xBB, 0xBF]
    if try file.bytes(3, at: 0) == mark { feed.move(to: 3) }
  }

  /// The next row that is not blank; of JSONL the whole line as one field. nil at the end.
  mutating func next() throws(DatasetError) -> Row? {
    while true {
      line = linesRead + 1
      guard let row = format == .csv ? try csvRow() : try lineRow() else { return nil }
      if case .fields(let fields) = row, fields.count == 1, fields[0].allSatisfy(isSpace) { continue }
      return row
    }
  }

  // MARK: TSV and JSONL: a row is a line

  private mutating func lineRow() throws(DatasetError) -> Row? {
    guard let first = try feed.byte() else { return nil }
    var text: [UInt8] = []
    var byte: UInt8? = first
    var isTooLong = false
    while let value = byte, value != 0x0A {
      if text.count < Self.maximalRow { text.append(value) } else { isTooLong = true }
      byte = try feed.byte()
    }
    linesRead += 1
    if isTooLong { return .bad("the row is longer than \(Self.maximalRow) bytes") }
    if text.last == 0x0D { text.removeLast() }
    if format == .jsonl { return .fields([text]) }
    return .fields(text.split(separator: 0x09, omittingEmptySubsequences: false).map(Self.unquoted))
  }

  /// A field without the quotes that some programs put around it; others write quotes as they are.
  private static func unquoted(_ field: ArraySlice<UInt8>) -> [UInt8] {
    let quote: UInt8 = 0x22
    guard field.count >= 2, field.first == quote, field.last == quote else { return Array(field) }
    var result: [UInt8] = []
    var isPending = false
    for byte in field.dropFirst().dropLast() {
      if isPending {
        guard byte == quote else { return Array(field) }
        isPending = false
        continue
      }
      isPending = byte == quote
      result.append(byte)
    }
    return isPending ? Array(field) : result
  }

  // MARK: CSV

  private enum State { case fieldStart, plain, quoted, quoteSeen }

  /// RFC 4180: quoted fields may hold commas, doubled quotes and line ends.
  private mutating func csvRow() throws(DatasetError) -> Row? {
    var fields: [[UInt8]] = [[]]
    var state = State.fieldStart
    var length = 0
    // Where to go on if a quote is never closed: behind the first line.
    var firstLineEnd: Int?
    while let byte = try feed.byte() {
      length += 1
      if byte == 0x0A {
        linesRead += 1
        firstLineEnd = firstLineEnd ?? feed.offset
      }
      guard length <= Self.maximalRow else {
        return try skipLine(byte, "the row is longer than \(Self.maximalRow) bytes")
      }
      let last = fields.count - 1
      switch (state, byte) {
      case (.quoted, 0x22): state = .quoteSeen
      case (.quoted, _): fields[last].append(byte)
      case (.fieldStart, 0x22): state = .quoted
      case (.quoteSeen, 0x22):
        fields[last].append(byte)
        state = .quoted
      case (_, 0x2C):
        fields.append([])
        state = .fieldStart
      case (_, 0x0A):
        if state == .plain, fields[last].last == 0x0D { fields[last].removeLast() }
        return .fields(fields)
      case (.quoteSeen, 0x0D): continue
      case (.quoteSeen, _):
        return try skipLine(byte, "a quoted field goes on after its closing quote")
      default:
        fields[last].append(byte)
        state = .plain
      }
    }
    guard length > 0 else { return nil }
    guard state == .quoted else {
      linesRead += 1
      return .fields(fields)
    }
    if let firstLineEnd {
      // What follows such a quote holds only pairs of quotes, so that no later one is unclosed.
      feed.move(to: firstLineEnd)
      linesRead = line
    }
    return .bad("a quote is never closed")
  }

  private mutating func skipLine(_ byte: UInt8, _ why: String) throws(DatasetError) -> Row {
    var byte: UInt8? = byte
    while let value = byte, value != 0x0A { byte = try feed.byte() }
    if byte != nil { linesRead += 1 }
    return .bad(why)
  }
}

func isSpace(_ byte: UInt8) -> Bool { byte == 0x20 || 0x09...0x0D ~= byte }
