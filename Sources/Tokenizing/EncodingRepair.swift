/// ftfy's `fix_encoding`: finds the encoding that UTF-8 was mistaken for, and takes the mistake back.
enum EncodingRepair {
  /// Text with its mojibake fixed, as far as ftfy does.
  ///   depth  how many times the repair is inside itself
  static func fixed(_ text: Scalars, depth: Int = 0, effort: inout Effort) throws(TokenizerError) -> Scalars {
    guard depth < Effort.maximalDepth else { throw Effort.exhausted }
    var text = text
    while true {
      try effort.spend(text.count)
      let next = try step(text, depth: depth, effort: &effort)
      if next == text { return text }
      text = next
    }
  }

  /// One repair, or the same text if there is none to do.
  private static func step(
    _ text: Scalars, depth: Int, effort: inout Effort
  ) throws(TokenizerError) -> Scalars {
    if text.allSatisfy({ $0 < 0x80 }) || !Mojibake.shared.isBad(text) { return text }
    for encoding in LegacyEncodings.all {
      if let bytes = encoding.encode(text), let decoded = decoded(bytes, from: encoding) { return decoded }
    }
    let consistent = try decodingInconsistentUTF8(text, depth: depth, effort: &effort)
    if consistent != text { return consistent }
    // Latin-1 that was meant to be Windows-1252. Where that has no character, the control characters are
    // replaced one by one, with the same result for the others.
    return CharacterRepairs.replacingC1Controls(text)
  }

  /// UTF-8 out of the bytes that the text was, some of them restored; nil if they are not UTF-8.
  private static func decoded(_ bytes: [UInt8], from encoding: LegacyEncoding) -> Scalars? {
    var bytes = bytes
    // Not in MacRoman, where it would take an en dash and a space for a letter.
    if encoding.name != "macroman" { bytes = ByteRepairs.restoringA0(bytes) }
    if encoding.isSloppy { bytes = ByteRepairs.replacingLossySequences(bytes) }
    if bytes.contains(0xED) || bytes.contains(0xC0) { return UTF8Variants.decode(bytes) }
    var scalars = Scalars()
    scalars.reserveCapacity(bytes.count)
    return UTF8Text.append(bytes, bytes.indices, to: &scalars) ? scalars : nil
  }

  /// ftfy's `decode_inconsistent_utf8`: repairs each run that looks like UTF-8 and is bad by itself, where
  /// the whole is not of one encoding.
  static func decodingInconsistentUTF8(
    _ text: Scalars, depth: Int, effort: inout Effort
  ) throws(TokenizerError) -> Scalars {
    var result = Scalars()
    var copied = 0
    for range in Mojibake.shared.utf8LikeRanges(text)
    where range.count < text.count && Mojibake.shared.isBad(text[range]) {
      result.append(contentsOf: text[copied..<range.lowerBound])
      result.append(contentsOf: try fixed(Scalars(text[range]), depth: depth + 1, effort: &effort))
      copied = range.upperBound
    }
    if copied == 0 { return text }
    result.append(contentsOf: text[copied...])
    return result
  }
}

/// A bound on the work that one text may cause. Some texts, such as `&amp;amp;amp;...`, change a little in
/// every round of the repair, so that the time grows with the square of their length; ordinary ones need two
/// or three rounds.
struct Effort {
  private var left: Int
  static let maximalDepth = 64

  /// In proportion to the text, with enough besides for any text of 8,000 characters.
  init(length: Int) {
    left = 64 * length + 8_000_000
  }

  /// Accounts for a pass over `length` characters.
  mutating func spend(_ length: Int) throws(TokenizerError) {
    left -= length + 1
    if left < 0 { throw Self.exhausted }
  }

  static var exhausted: TokenizerError {
    .unsupported(
      "the text needs too many rounds of repair: its HTML escapes or misread encodings are nested too deeply."
        + " Decode it before tokenizing.")
  }
}
