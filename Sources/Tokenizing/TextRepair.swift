/// The official cleaning of a text before it is split into words: ftfy's `fix_text` (version 6.3.1, default
/// settings), `html.unescape` twice, white space, lower case.
enum TextRepair {
  /// The text as the splitter wants it: words between single spaces, lower case.
  static func cleaned(_ text: Scalars) throws(TokenizerError) -> Scalars {
    var effort = Effort(length: text.count)
    let entities = HTMLEntities.shared
    let unescaped = entities.unescaped(entities.unescaped(try fixed(text, effort: &effort)))
    return UnicodeProperties.lowercased(collapsingSpace(unescaped))
  }

  /// Reads all tables. Done when a tokenizer is opened, not at first use: a process that forks while another
  /// thread is at it would leave the child waiting for that thread.
  static func prepare() {
    _ = HTMLEntities.shared
    LegacyEncodings.prepare()
    _ = (Mojibake.shared, Normalization.shared)
    CharacterRepairs.prepare()
    UnicodeProperties.prepare()
    WordSplitter.prepare()
  }

  /// The longest piece that ftfy repairs at once, in characters.
  private static let maximalSegment = 1_000_000

  /// ftfy's `fix_text`: each line is repaired by itself.
  static func fixed(_ text: Scalars, effort: inout Effort) throws(TokenizerError) -> Scalars {
    var result = Scalars()
    result.reserveCapacity(text.count)
    // From the first line with a literal "<" on, the text is HTML and its entities are meant.
    var unescapes = true
    var start = 0
    while start < text.count {
      let limit = min(text.count, start + maximalSegment)
      let end = text[start..<limit].firstIndex(of: 0x0A).map { $0 + 1 } ?? limit
      let segment = Scalars(text[start..<end])
      if segment.contains(0x3C) { unescapes = false }
      result.append(contentsOf: try fixedSegment(segment, unescapes: unescapes, effort: &effort))
      start = end
    }
    return result
  }

  /// Repairs a segment until nothing changes any more.
  private static func fixedSegment(
    _ segment: Scalars, unescapes: Bool, effort: inout Effort
  ) throws(TokenizerError) -> Scalars {
    var text = segment
    while true {
      try effort.spend(text.count)
      let before = text
      if unescapes { text = HTMLEntities.shared.unescapedByFtfy(text) }
      text = try EncodingRepair.fixed(text, effort: &effort)
      text = CharacterRepairs.all(text)
      text = Normalization.shared.composed(text)
      if text == before { return text }
    }
  }

  /// White space as single spaces, none at the ends.
  static func collapsingSpace(_ text: Scalars) -> Scalars {
    var result = Scalars()
    result.reserveCapacity(text.count)
    var isPending = false
    for scalar in text {
      if UnicodeProperties.isSpace(scalar) {
        isPending = true
        continue
      }
      if isPending, !result.isEmpty { result.append(0x20) }
      isPending = false
      result.append(scalar)
    }
    return result
  }
}
