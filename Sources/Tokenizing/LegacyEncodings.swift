/// A single-byte encoding that UTF-8 may have been mistaken for.
struct LegacyEncoding: Sendable {
  let name: String
  /// The byte of each scalar below `limit`; 0 where it has none.
  private let direct: [UInt8]
  /// The bytes of the few scalars from `limit` on.
  private let rare: [UInt32: UInt8]
  /// Latin-1 needs no table.
  let isLatin1: Bool

  private static let limit: UInt32 = 0x2600

  /// Latin-1.
  fileprivate init() {
    (name, direct, rare, isLatin1) = ("latin-1", [], [:], true)
  }

  /// An encoding from the characters of its upper half. "Sloppy" ones write U+FFFD as the control character
  /// 1A, for a byte that is lost; the tables give bytes without a meaning the code point of their value.
  fileprivate init(name: String, upperHalf: Scalars) {
    var direct = [UInt8](repeating: 0, count: Int(Self.limit))
    var rare: [UInt32: UInt8] = [:]
    for scalar in 0..<0x80 { direct[scalar] = UInt8(scalar) }
    for (byte, scalar) in zip(UInt8(0x80)...0xFF, upperHalf) {
      if scalar < Self.limit { direct[Int(scalar)] = byte } else { rare[scalar] = byte }
    }
    if name.utf8.starts(with: "sloppy".utf8) {
      direct[0x1A] = 0
      rare[0xFFFD] = 0x1A
    }
    self.name = name
    self.direct = direct
    self.rare = rare
    isLatin1 = false
  }

  /// Whether lost bytes are written as 1A.
  var isSloppy: Bool { rare[0xFFFD] != nil }

  /// The text in this encoding, or nil if a character has no place in it.
  func encode(_ text: Scalars) -> [UInt8]? {
    var bytes: [UInt8] = []
    bytes.reserveCapacity(text.count)
    for scalar in text {
      guard let byte = byte(scalar) else { return nil }
      bytes.append(byte)
    }
    return bytes
  }

  private func byte(_ scalar: UInt32) -> UInt8? {
    if isLatin1 { return UInt8(exactly: scalar) }
    guard scalar < Self.limit else { return rare[scalar] }
    let byte = direct[Int(scalar)]
    return byte != 0 || scalar == 0 ? byte : nil
  }
}

/// The encodings that ftfy tries, in its order.
enum LegacyEncodings {
  static let all: [LegacyEncoding] = {
    let tables = TableReader.fields(TableReader.bytes(Tables.encodings), ";")
    return [LegacyEncoding()]
      + tables.compactMap { table in
        let parts = TableReader.fields(table, "=")
        guard parts.count == 2 else { return nil }
        let digits = Array(parts[1])
        let scalars = stride(from: 0, to: digits.count, by: 4).map {
          TableReader.number(digits[$0..<min($0 + 4, digits.count)])
        }
        return LegacyEncoding(name: String(decoding: parts[0], as: Unicode.UTF8.self), upperHalf: scalars)
      }
  }()

  /// Reads the tables.
  static func prepare() { _ = (all, windows1252Table) }

  /// What Windows-1252, as browsers read it, makes of a byte of 80...9F. Bytes without a meaning stay.
  static func windows1252(_ byte: UInt8) -> UInt32 {
    let index = Int(byte) - 0x80
    return windows1252Table.indices.contains(index) ? windows1252Table[index] : UInt32(byte)
  }

  private static let windows1252Table: Scalars = [
    0x20AC, 0x81, 0x201A, 0x192, 0x201E, 0x2026, 0x2020, 0x2021, 0x2C6, 0x2030, 0x160, 0x2039, 0x152, 0x8D,
    0x17D, 0x8F, 0x90, 0x2018, 0x2019, 0x201C, 0x201D, 0x2022, 0x2013, 0x2014, 0x2DC, 0x2122, 0x161, 0x203A,
    0x153, 0x9D, 0x17E, 0x178,
  ]
}
