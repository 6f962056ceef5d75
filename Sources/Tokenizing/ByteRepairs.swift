/// Repairs of the bytes between encoding and decoding, ftfy's "transcoding" steps.
enum ByteRepairs {
  private static func byte(_ bytes: [UInt8], _ i: Int) -> UInt8? { i < bytes.count ? bytes[i] : nil }

  // MARK: A0 that became a space

  /// ftfy's `restore_byte_a0`: puts A0 back where a space stands in what would be UTF-8 with it. Does nothing
  /// unless one such place is there.
  static func restoringA0(_ bytes: [UInt8]) -> [UInt8] {
    guard bytes.contains(0x20), bytes.indices.contains(where: { alteredLength(bytes, $0) != nil })
    else { return bytes }
    var bytes = restoringGraveWords(bytes)
    var i = 0
    while i < bytes.count {
      guard let length = alteredLength(bytes, i) else {
        i += 1
        continue
      }
      for k in i..<i + length where bytes[k] == 0x20 { bytes[k] = 0xA0 }
      i += length
    }
    return bytes
  }

  /// The word "à": C3 and a space, followed by what is not the rest of a longer word. The space stays.
  private static func restoringGraveWords(_ bytes: [UInt8]) -> [UInt8] {
    let exceptions = [" ", "quele", "quela", "quilo", "s "].map { Array($0.utf8) }
    var result: [UInt8] = []
    result.reserveCapacity(bytes.count)
    var i = 0
    while i < bytes.count {
      if bytes[i] == 0xC3, byte(bytes, i + 1) == 0x20,
        !exceptions.contains(where: { bytes[(i + 2)...].starts(with: $0) })
      {
        result.append(contentsOf: [0xC3, 0xA0, 0x20])
        i += 2
      } else {
        result.append(bytes[i])
        i += 1
      }
    }
    return result
  }

  /// Length of the sequence at `i` that would be UTF-8 if its one space were A0, for the lead bytes that ftfy
  /// finds likely enough.
  private static func alteredLength(_ bytes: [UInt8], _ i: Int) -> Int? {
    let lead = bytes[i]
    guard lead >= 0xC2, let second = byte(bytes, i + 1) else { return nil }
    switch lead {
    case 0xC2, 0xC3, 0xC5, 0xCE, 0xD0, 0xD9:
      return second == 0x20 ? 2 : nil
    case 0xE0...0xE3:
      guard let third = byte(bytes, i + 2) else { return nil }
      if second == 0x20 { return lead >= 0xE2 && isLikely(third) ? 3 : nil }
      return isLikely(second) && third == 0x20 ? 3 : nil
    case 0xF0:
      guard let third = byte(bytes, i + 2), let fourth = byte(bytes, i + 3) else { return nil }
      let rest = [second, third, fourth]
      let isOneSpace = rest.lazy.filter { $0 == 0x20 }.count == 1
      return isOneSpace && rest.allSatisfy { $0 == 0x20 || isContinuation($0) } ? 4 : nil
    default:
      return nil
    }
  }

  private static func isContinuation(_ byte: UInt8) -> Bool { 0x80...0xBF ~= byte }

  /// A continuation byte that is neither an ellipsis nor a no-break space in Windows-1252.
  private static func isLikely(_ byte: UInt8) -> Bool { isContinuation(byte) && byte != 0x85 && byte != 0xA0 }

  // MARK: Bytes that are lost

  /// ftfy's `replace_lossy_sequences`: UTF-8 sequences with a lost byte (1A, in places `?`) become U+FFFD.
  static func replacingLossySequences(_ bytes: [UInt8]) -> [UInt8] {
    guard bytes.contains(0x1A) || bytes.contains(0x3F) else { return bytes }
    var result: [UInt8] = []
    result.reserveCapacity(bytes.count)
    var i = 0
    while i < bytes.count {
      if let length = lossyLength(bytes, i) {
        result.append(contentsOf: [0xEF, 0xBF, 0xBD])
        i += length
      } else {
        result.append(bytes[i])
        i += 1
      }
    }
    return result
  }

  /// Length of the lossy sequence at `i`.
  private static func lossyLength(_ bytes: [UInt8], _ i: Int) -> Int? {
    switch bytes[i] {
    case 0x1A:
      return 1
    case 0xC2...0xDF:
      let second = byte(bytes, i + 1)
      return second == 0x1A || (second == 0x3F && bytes[i] <= 0xC3) ? 2 : nil
    case 0xED:
      return isLossySurrogatePair(bytes, i) ? 6 : isLossy(bytes, i, 3) ? 3 : nil
    case 0xE0...0xEF:
      return isLossy(bytes, i, 3) ? 3 : nil
    case 0xF0...0xF4:
      return isLossy(bytes, i, 4) ? 4 : nil
    default:
      return nil
    }
  }

  /// Whether a sequence of `length` bytes has continuations or lost bytes only, one at least lost, and at most
  /// one `?`.
  private static func isLossy(_ bytes: [UInt8], _ i: Int, _ length: Int) -> Bool {
    guard i + length <= bytes.count else { return false }
    let rest = bytes[i + 1..<i + length]
    let questions = rest.lazy.filter { $0 == 0x3F }.count
    return rest.allSatisfy { isContinuation($0) || $0 == 0x1A || $0 == 0x3F }
      && questions <= 1 && (questions == 1 || rest.contains(0x1A))
  }

  /// A surrogate pair in CESU-8 with one or both of its last bytes lost.
  private static func isLossySurrogatePair(_ bytes: [UInt8], _ i: Int) -> Bool {
    guard i + 6 <= bytes.count, 0xA0...0xAF ~= bytes[i + 1], bytes[i + 3] == 0xED, 0xB0...0xBF ~= bytes[i + 4]
    else { return false }
    func isLost(_ byte: UInt8) -> Bool { byte == 0x1A || byte == 0x3F }
    let (high, low) = (bytes[i + 2], bytes[i + 5])
    return (isLost(high) || isContinuation(high)) && (isLost(low) || isContinuation(low))
      && (isLost(high) || isLost(low))
  }
}
