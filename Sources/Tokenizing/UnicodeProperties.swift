/// What Python and its regex module say about characters, asked from Swift's standard library wherever that
/// gives the same answer.
///
/// Versions: Swift 6.3's library has Unicode 17. Python 3.11's `str` methods, `re` and `unicodedata` have
/// Unicode 14: the properties below therefore ignore characters that are younger. Asked for every code point,
/// that leaves two differences, both of them changes of an old character's property: U+0295 is no longer cased,
/// U+1171E no longer case-ignorable. regex 2026.11.15 has Unicode 18: `Tables.newLetters` and `newNumbers`
/// hold what it adds.
enum UnicodeProperties {
  /// `str.isspace`, `\s` of `re`; that of `regex` lacks 1C...1F, which no longer occur where it is used.
  static func isSpace(_ scalar: UInt32) -> Bool {
    switch scalar {
    case 0x20, 0x09...0x0D, 0x1C...0x1F, 0x85, 0xA0: true
    case 0..<0x1680: false
    case 0x1680, 0x2000...0x200A, 0x2028, 0x2029, 0x202F, 0x205F, 0x3000: true
    default: false
    }
  }

  /// `\d` of `re`.
  static func isDecimal(_ scalar: UInt32) -> Bool {
    if scalar < 0x80 { return 0x30...0x39 ~= scalar }
    guard let properties = known(scalar) else { return false }
    return properties.numericType == .decimal
  }

  /// `\w` of `re`.
  static func isWord(_ scalar: UInt32) -> Bool {
    guard let properties = known(scalar) else { return false }
    return scalar == 0x5F || category(properties) != .other || properties.numericType != nil
  }

  /// How the official pattern of `regex`, with IGNORECASE, sees a character.
  enum Category {
    case letter, number, space, other
    /// In none of the pattern's classes: skipped.
    case nothing
  }

  /// The category that decides where words are split.
  static func category(_ scalar: UInt32) -> Category {
    if scalar < 0x80 {
      switch scalar {
      case 0x41...0x5A, 0x61...0x7A: return .letter
      case 0x30...0x39: return .number
      default: return isSpace(scalar) ? .space : .other
      }
    }
    if isSpace(scalar) { return .space }
    // Combining ypogegrammeni is no letter, but its upper case, a capital iota, is one. Ignoring case, the
    // regex module then neither counts it as a letter nor, in the negated class, as anything else.
    if scalar == 0x345 { return .nothing }
    guard let unicode = Unicode.Scalar(scalar) else { return .other }
    let known = category(unicode.properties)
    if known != .other { return known }
    if newLetters.contains(scalar) { return .letter }
    return newNumbers.contains(scalar) ? .number : .other
  }

  /// Reads the tables.
  static func prepare() { _ = (newLetters, newNumbers) }

  private static let newLetters = ScalarRanges(Tables.newLetters)
  private static let newNumbers = ScalarRanges(Tables.newNumbers)

  private static func category(_ properties: Unicode.Scalar.Properties) -> Category {
    switch properties.generalCategory {
    case .uppercaseLetter, .lowercaseLetter, .titlecaseLetter, .modifierLetter, .otherLetter: .letter
    case .decimalNumber, .letterNumber, .otherNumber: .number
    default: .other
    }
  }

  /// The properties of a character that Unicode 14 has.
  private static func known(_ scalar: UInt32) -> Unicode.Scalar.Properties? {
    guard let properties = Unicode.Scalar(scalar)?.properties, let age = properties.age, age.major <= 14
    else { return nil }
    return properties
  }

  // MARK: Lower case

  /// `str.lower`: the full mappings, with a sigma at the end of a word as final sigma.
  static func lowercased(_ text: Scalars) -> Scalars {
    var result = Scalars()
    result.reserveCapacity(text.count)
    for (i, scalar) in text.enumerated() {
      if scalar < 0x80 {
        result.append(0x41...0x5A ~= scalar ? scalar | 0x20 : scalar)
      } else if scalar == 0x3A3 {
        result.append(isFinalSigma(text, i) ? 0x3C2 : 0x3C3)
      } else if hasNoCase(scalar) {
        result.append(scalar)
      } else if let properties = known(scalar), properties.changesWhenLowercased {
        result.append(contentsOf: properties.lowercaseMapping.unicodeScalars.lazy.map(\.value))
      } else {
        result.append(scalar)
      }
    }
    return result
  }

  /// Large blocks without upper case, to save the look-up: kana, CJK, Hangul.
  private static func hasNoCase(_ scalar: UInt32) -> Bool {
    0x3000...0x9FFF ~= scalar || 0xAC00...0xD7A3 ~= scalar || 0x20000...0x3FFFF ~= scalar
  }

  /// Whether the sigma at `i` ends a word: a cased letter before it, none after it, ignorable ones skipped.
  /// Each run of ignorable characters is scanned at most twice, for the sigmas on its two sides.
  private static func isFinalSigma(_ text: Scalars, _ i: Int) -> Bool {
    var before = i - 1
    while before >= 0, isCaseIgnorable(text[before]) { before -= 1 }
    guard before >= 0, isCased(text[before]) else { return false }
    var after = i + 1
    while after < text.count, isCaseIgnorable(text[after]) { after += 1 }
    return after == text.count || !isCased(text[after])
  }

  private static func isCased(_ scalar: UInt32) -> Bool {
    scalar == 0x295 || known(scalar)?.isCased ?? false
  }

  private static func isCaseIgnorable(_ scalar: UInt32) -> Bool {
    scalar == 0x1171E || known(scalar)?.isCaseIgnorable ?? false
  }
}
