/// Readers of the ASCII text in `Tables`. The text is made by a script, so what it does not expect is skipped
/// rather than reported; the tests compare every table's effect with its origin.
enum TableReader {
  /// The bytes of a table.
  static func bytes(_ table: StaticString) -> [UInt8] {
    // The literal lives as long as the program, and its length is its own.
    unsafe Array(UnsafeBufferPointer(start: table.utf8Start, count: table.utf8CodeUnitCount))
  }

  /// The pieces of `bytes` between `separator`s.
  static func fields(_ bytes: some Collection<UInt8>, _ separator: Character) -> [ArraySlice<UInt8>] {
    Array(bytes).split(separator: separator.asciiValue ?? 0)
  }

  /// The value of a hexadecimal number of capital digits.
  static func number(_ digits: some Sequence<UInt8>) -> UInt32 {
    digits.reduce(0) { $0 << 4 | UInt32($1 < 0x41 ? $1 &- 0x30 : $1 &- 0x37) & 15 }
  }

  /// Calls `body` with each number of a table and the character behind it, a space at the end.
  static func forEachNumber(_ table: StaticString, _ body: (UInt32, Character) -> Void) {
    var number: UInt32 = 0
    for byte in bytes(table) + [0x20] {
      if 0x30...0x39 ~= byte || 0x41...0x46 ~= byte {
        number = number << 4 | Self.number(CollectionOfOne(byte))
      } else {
        body(number, Character(Unicode.Scalar(byte)))
        number = 0
      }
    }
  }

  /// The code points of "41+301".
  static func scalars(_ field: some Collection<UInt8>) -> Scalars {
    fields(field, "+").map { number($0) }
  }

  /// The inclusive ranges of "41-5A" or "41".
  static func range(_ field: some Collection<UInt8>) -> ClosedRange<UInt32> {
    let ends = fields(field, "-")
    let first = ends.first.map { number($0) } ?? 0
    return first...max(first, ends.last.map { number($0) } ?? first)
  }

  /// A map written as "FF01=21 FFE3=20+304".
  static func map(_ table: StaticString) -> [UInt32: Scalars] {
    var map: [UInt32: Scalars] = [:]
    for field in fields(bytes(table), " ") {
      let parts = fields(field, "=")
      if parts.count == 2 { map[number(parts[0])] = scalars(parts[1]) }
    }
    return map
  }
}

/// A sorted set of code point ranges.
struct ScalarRanges: Sendable {
  private let ranges: [ClosedRange<UInt32>]

  init(_ table: StaticString) {
    ranges = TableReader.fields(TableReader.bytes(table), " ").map { TableReader.range($0) }
  }

  func contains(_ scalar: UInt32) -> Bool {
    var low = 0
    var high = ranges.count
    while low < high {
      let middle = (low + high) / 2
      if ranges[middle].upperBound < scalar { low = middle + 1 } else { high = middle }
    }
    return low < ranges.count && ranges[low].contains(scalar)
  }
}
