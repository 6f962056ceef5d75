/// A text as the repair sees it: Unicode scalar values, never a surrogate.
typealias Scalars = [UInt32]

/// UTF-8 as Python's codec reads and writes it.
enum UTF8Text {
  /// The sequence at `start`: its scalar and length, or nil and the length of the longest piece that could
  /// have begun one (what Python's `errors="replace"` turns into one U+FFFD).
  static func sequence(in bytes: [UInt8], at start: Int) -> (scalar: UInt32?, length: Int) {
    let lead = bytes[start]
    if lead < 0x80 { return (UInt32(lead), 1) }
    let length: Int
    // The second byte's range keeps overlong forms, surrogates and values above 10FFFF out.
    var second: ClosedRange<UInt8> = 0x80...0xBF
    switch lead {
    case 0xC2...0xDF: length = 2
    case 0xE0: (length, second) = (3, 0xA0...0xBF)
    case 0xED: (length, second) = (3, 0x80...0x9F)
    case 0xE1...0xEF: length = 3
    case 0xF0: (length, second) = (4, 0x90...0xBF)
    case 0xF4: (length, second) = (4, 0x80...0x8F)
    case 0xF1...0xF3: length = 4
    default: return (nil, 1)
    }
    var scalar = UInt32(lead) & (0x7F >> UInt32(length))
    for offset in 1..<length {
      let index = start + offset
      let allowed = offset == 1 ? second : 0x80...0xBF
      guard index < bytes.count, allowed.contains(bytes[index]) else { return (nil, offset) }
      scalar = scalar << 6 | UInt32(bytes[index] & 0x3F)
    }
    return (scalar, length)
  }

  /// Decodes all of `bytes`; invalid pieces become U+FFFD, or the offset of the first is the error.
  static func decode(_ bytes: [UInt8], replaceInvalid: Bool) throws(TokenizerError) -> Scalars {
    var scalars = Scalars()
    scalars.reserveCapacity(bytes.count)
    var i = 0
    while i < bytes.count {
      let (scalar, length) = sequence(in: bytes, at: i)
      if let scalar {
        scalars.append(scalar)
      } else if replaceInvalid {
        scalars.append(0xFFFD)
      } else {
        throw .invalidUTF8(
          "the text is not UTF-8 at byte \(i) (value \(bytes[i])). Decode it first, or ask for invalid bytes to"
            + " be replaced.")
      }
      i += length
    }
    return scalars
  }

  /// Decodes `bytes[range]` strictly onto the end of `scalars`; false where it is not UTF-8.
  static func append(_ bytes: [UInt8], _ range: Range<Int>, to scalars: inout Scalars) -> Bool {
    var i = range.lowerBound
    while i < range.upperBound {
      let (scalar, length) = sequence(in: bytes, at: i)
      guard let scalar, i + length <= range.upperBound else { return false }
      scalars.append(scalar)
      i += length
    }
    return true
  }

  /// Appends the UTF-8 form of one scalar.
  static func encode(_ scalar: UInt32, to bytes: inout [UInt8]) {
    func continuation(_ shift: UInt32) -> UInt8 { UInt8(truncatingIfNeeded: scalar >> shift & 0x3F | 0x80) }
    switch scalar {
    case 0..<0x80:
      bytes.append(UInt8(truncatingIfNeeded: scalar))
    case 0x80..<0x800:
      bytes.append(UInt8(truncatingIfNeeded: scalar >> 6 | 0xC0))
      bytes.append(continuation(0))
    case 0x800..<0x10000:
      bytes.append(UInt8(truncatingIfNeeded: scalar >> 12 | 0xE0))
      bytes.append(continuation(6))
      bytes.append(continuation(0))
    default:
      bytes.append(UInt8(truncatingIfNeeded: scalar >> 18 | 0xF0))
      bytes.append(continuation(12))
      bytes.append(continuation(6))
      bytes.append(continuation(0))
    }
  }
}
