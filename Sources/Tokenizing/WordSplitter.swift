/// The official pattern, which takes a cleaned text apart:
///
///     <\|startoftext\|>|<\|endoftext\|>|'s|'t|'re|'ve|'m|'ll|'d|[\p{L}]+|[\p{N}]|[^\s\p{L}\p{N}]+
///
/// without regard to case, which after lower-casing leaves one character to think of: the long s counts as s.
enum WordSplitter {
  /// A piece of text that the pattern matches.
  enum Piece: Equatable {
    case word(Range<Int>)
    case start, end
  }

  /// The piece at or after `position`, which moves behind it; nil at the end of the text.
  static func next(_ text: Scalars, _ position: inout Int) -> Piece? {
    while position < text.count {
      let start = position
      if text[start] == 0x3C, let (piece, length) = special(text, start) {
        position += length
        return piece
      }
      if text[start] == 0x27, let length = contraction(text, start) {
        position += length
        return .word(start..<position)
      }
      let category = UnicodeProperties.category(text[start])
      position += 1
      switch category {
      case .space, .nothing: continue
      case .number: return .word(start..<position)
      case .letter, .other:
        while position < text.count, UnicodeProperties.category(text[position]) == category { position += 1 }
        return .word(start..<position)
      }
    }
    return nil
  }

  /// Makes the constants.
  static func prepare() { _ = (startMark, endMark, contractions) }

  private static let startMark = Array("<|startoftext|>".unicodeScalars.map(\.value))
  private static let endMark = Array("<|endoftext|>".unicodeScalars.map(\.value))
  private static let contractions = ["'s", "'t", "'re", "'ve", "'m", "'ll", "'d"].map {
    Array($0.unicodeScalars.map(\.value))
  }

  /// A special token written out. Only the exact spelling is one; with a long s it is split off all the same,
  /// as a word.
  private static func special(_ text: Scalars, _ start: Int) -> (Piece, Int)? {
    if text[start...].starts(with: endMark) { return (.end, endMark.count) }
    guard text[start...].starts(with: startMark, by: isSame) else { return nil }
    let range = start..<start + startMark.count
    return (text[range].elementsEqual(startMark) ? .start : .word(range), startMark.count)
  }

  private static func contraction(_ text: Scalars, _ start: Int) -> Int? {
    contractions.first { text[start...].starts(with: $0, by: isSame) }?.count
  }

  private static func isSame(_ scalar: UInt32, _ letter: UInt32) -> Bool {
    scalar == letter || (scalar == 0x17F && letter == 0x73)
  }
}
