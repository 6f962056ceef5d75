/// ftfy's codec "utf-8-variants": UTF-8 that may hold CESU-8 (a surrogate pair, each half written as three
/// bytes) and Java's two-byte NUL.
///
/// Its regular expressions use `$`, which also matches before a line feed at the very end; so does this.
enum UTF8Variants {
  /// The decoded text, or nil where the codec raises an error.
  static func decode(_ bytes: [UInt8]) -> Scalars? {
    var scalars = Scalars()
    scalars.reserveCapacity(bytes.count)
    var plain = 0  // start of the bytes not decoded yet
    var i = 0
    while i < bytes.count {
      guard isSpecial(bytes, i) else {
        i += 1
        continue
      }
      guard UTF8Text.append(bytes, plain..<i, to: &scalars) else { return nil }
      guard let (scalar, length) = special(bytes, i) else { return nil }
      scalars.append(scalar)
      i += length
      plain = i
    }
    return UTF8Text.append(bytes, plain..<bytes.count, to: &scalars) ? scalars : nil
  }

  /// `$`: the end, or before a line feed that is the last byte.
  private static func isEnd(_ bytes: [UInt8], _ i: Int) -> Bool {
    i == bytes.count || (i == bytes.count - 1 && bytes[i] == 0x0A)
  }

  private static func has(_ bytes: [UInt8], _ i: Int, _ range: ClosedRange<UInt8>) -> Bool {
    i < bytes.count && range.contains(bytes[i])
  }

  /// Whether one of the codec's special sequences, or the beginning of one at the end, is at `i`.
  private static func isSpecial(_ bytes: [UInt8], _ i: Int) -> Bool {
    switch bytes[i] {
    case 0xC0: has(bytes, i + 1, 0x80...0x80) || isEnd(bytes, i + 1)
    case 0xED:
      isEnd(bytes, i + 1)
        || (has(bytes, i + 1, 0xA0...0xBF) && (has(bytes, i + 2, 0x80...0xBF) || isEnd(bytes, i + 2)))
    default: false
    }
  }

  /// The scalar of the special sequence at `i` and its length; nil where the codec raises an error, as for
  /// a surrogate without its other half.
  private static func special(_ bytes: [UInt8], _ i: Int) -> (UInt32, Int)? {
    if bytes[i] == 0xC0 { return i + 1 < bytes.count ? (0, 2) : nil }
    guard i + 6 <= bytes.count, has(bytes, i + 1, 0xA0...0xAF), has(bytes, i + 2, 0x80...0xBF),
      has(bytes, i + 3, 0xED...0xED), has(bytes, i + 4, 0xB0...0xBF),
      has(bytes, i + 5, 0x80...0xBF) || isEnd(bytes, i + 5)
    else { return nil }
    let high = UInt32(bytes[i + 1] & 0x0F) << 16 | UInt32(bytes[i + 2] & 0x3F) << 10
    let low = UInt32(bytes[i + 4] & 0x0F) << 6 | UInt32(bytes[i + 5] & 0x3F)
    return (0x10000 + (high | low), 6)
  }
}
