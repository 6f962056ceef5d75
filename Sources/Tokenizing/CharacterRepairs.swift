/// ftfy's repairs of single characters. Each leaves a text without such characters as it is, without a copy.
enum CharacterRepairs {
  /// All of them, in ftfy's order. Surrogates, its `fix_surrogates`, cannot occur in UTF-8.
  static func all(_ text: Scalars) -> Scalars {
    var text = text
    if text.contains(where: { $0 >= 0x80 }) {
      text = replacingC1Controls(text)
      text = translated(text, from: 0x132, ligatures)
      text = translated(text, from: 0x3000, widths)
      text = uncurlingQuotes(text)
    }
    text = unifyingLineBreaks(text)
    text = removingTerminalEscapes(text)
    return removingControlCharacters(text)
  }

  /// C1 control characters as Windows-1252, like browsers.
  static func replacingC1Controls(_ text: Scalars) -> Scalars {
    mapped(text, where: { 0x80...0x9F ~= $0 }, to: { LegacyEncodings.windows1252(UInt8($0)) })
  }

  /// Reads the tables.
  static func prepare() { _ = (ligatures, widths) }

  private static let ligatures = TableReader.map(Tables.ligatures)
  private static let widths = TableReader.map(Tables.widths)

  /// Curly quotes and their like as straight ones.
  private static func uncurlingQuotes(_ text: Scalars) -> Scalars {
    mapped(text, where: { $0 == 0x2BC || 0x2018...0x201F ~= $0 }, to: { $0 < 0x201C ? 0x27 : 0x22 })
  }

  private static func mapped(
    _ text: Scalars, where applies: (UInt32) -> Bool, to replacement: (UInt32) -> UInt32
  ) -> Scalars {
    guard let first = text.firstIndex(where: applies) else { return text }
    var text = text
    for i in first..<text.count where applies(text[i]) { text[i] = replacement(text[i]) }
    return text
  }

  /// Replaces characters by what `map` says; it says nothing about those below `lowest`.
  private static func translated(_ text: Scalars, from lowest: UInt32, _ map: [UInt32: Scalars]) -> Scalars {
    func replacement(_ scalar: UInt32) -> Scalars? { scalar < lowest ? nil : map[scalar] }
    guard let first = text.firstIndex(where: { replacement($0) != nil }) else { return text }
    var result = Scalars(text[..<first])
    for scalar in text[first...] {
      if let replacement = replacement(scalar) {
        result.append(contentsOf: replacement)
      } else {
        result.append(scalar)
      }
    }
    return result
  }

  /// CRLF, CR, NEL and Unicode's separators as line feeds.
  private static func unifyingLineBreaks(_ text: Scalars) -> Scalars {
    func isOther(_ scalar: UInt32) -> Bool {
      switch scalar {
      case 0x0D, 0x85, 0x2028, 0x2029: true
      default: false
      }
    }
    guard let first = text.firstIndex(where: isOther) else { return text }
    var result = Scalars(text[..<first])
    for i in first..<text.count {
      // The CR of a CRLF gives nothing, its LF the line feed.
      if text[i] == 0x0D, i + 1 < text.count, text[i + 1] == 0x0A { continue }
      result.append(isOther(text[i]) ? 0x0A : text[i])
    }
    return result
  }

  /// Terminal escapes such as those for colours: ESC, `[`, decimal digits of any script and semicolons, a
  /// Latin letter.
  private static func removingTerminalEscapes(_ text: Scalars) -> Scalars {
    guard let first = text.firstIndex(of: 0x1B) else { return text }
    var result = Scalars(text[..<first])
    var i = first
    while i < text.count {
      if text[i] == 0x1B, let end = terminalEscapeEnd(text, i) {
        i = end
      } else {
        result.append(text[i])
        i += 1
      }
    }
    return result
  }

  private static func terminalEscapeEnd(_ text: Scalars, _ start: Int) -> Int? {
    guard start + 1 < text.count, text[start + 1] == 0x5B else { return nil }
    var i = start + 2
    while i < text.count, text[i] == 0x3B || UnicodeProperties.isDecimal(text[i]) { i += 1 }
    guard i < text.count, 0x41...0x5A ~= text[i] || 0x61...0x7A ~= text[i] else { return nil }
    return i + 1
  }

  /// Removes control characters without an effect on text, and a few format characters.
  private static func removingControlCharacters(_ text: Scalars) -> Scalars {
    text.contains(where: isControl) ? text.filter { !isControl($0) } : text
  }

  private static func isControl(_ scalar: UInt32) -> Bool {
    switch scalar {
    case 0x20..<0x7F: false
    case 0x00...0x08, 0x0B, 0x0E...0x1F, 0x7F, 0x206A...0x206F, 0xFEFF, 0xFFF9...0xFFFC: true
    default: false
    }
  }
}
