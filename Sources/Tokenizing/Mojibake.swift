/// ftfy's two ways of seeing mojibake, UTF-8 that was read in another encoding: a heuristic for unlikely
/// neighbours (`isBad`), and a pattern of what UTF-8 bytes look like in single-byte encodings (`utf8LikeRanges`).
///
/// ftfy writes both as regular expressions. scripts/make_tokenizer_tables.py compiled the first into an
/// automaton over character classes, the second needs five sets of characters only.
struct Mojibake: Sendable {
  static let shared = Mojibake()

  /// What a character can stand for in UTF-8 that was misread.
  private struct Clue: OptionSet {
    let rawValue: UInt8
    static let firstOf2 = Clue(rawValue: 1)
    static let firstOf3 = Clue(rawValue: 2)
    static let firstOf4 = Clue(rawValue: 4)
    static let continuation = Clue(rawValue: 8)
    /// One that rarely stands for itself next to mojibake.
    static let strictContinuation = Clue(rawValue: 16)
  }

  private static let limit: UInt32 = 0x3100
  /// The class of each scalar below `limit`; `unlisted` where no table lists it.
  private let direct: [UInt8]
  private let rare: [UInt32: UInt8]
  private let clues: [Clue]
  /// Per state and class the next state, `bad` once mojibake has been seen.
  private let transitions: [UInt8]
  private let classCount: Int
  private static let unlisted: UInt8 = 0xFF
  private static let bad: UInt8 = 0xFF

  private init() {
    var direct = [UInt8](repeating: Self.unlisted, count: Int(Self.limit))
    var rare: [UInt32: UInt8] = [:]
    let classes = TableReader.fields(TableReader.bytes(Tables.mojibakeClasses), ";")
    for (number, list) in zip(UInt8(0)..., classes) {
      for range in TableReader.fields(list, ",").map(TableReader.range) {
        for scalar in range {
          if scalar < Self.limit { direct[Int(scalar)] = number } else { rare[scalar] = number }
        }
      }
    }
    self.direct = direct
    self.rare = rare
    clues = Self.octets(Tables.mojibakeClues).map { Clue(rawValue: $0) }
    transitions = Self.octets(Tables.mojibakeStates)
    classCount = classes.count + 2
  }

  /// Two digits each.
  private static func octets(_ table: StaticString) -> [UInt8] {
    let digits = TableReader.bytes(table)
    return stride(from: 0, to: digits.count - 1, by: 2).map {
      UInt8(truncatingIfNeeded: TableReader.number(digits[$0...$0 + 1]))
    }
  }

  /// The heuristic's class of a character.
  private func characterClass(_ scalar: UInt32) -> Int {
    let listed = scalar < Self.limit ? direct[Int(scalar)] : rare[scalar] ?? Self.unlisted
    if listed != Self.unlisted { return Int(listed) }
    return UnicodeProperties.isWord(scalar) ? classCount - 2 : classCount - 1
  }

  /// ftfy's `is_bad`: whether some neighbours are more likely mojibake than meant.
  func isBad(_ text: some Sequence<UInt32>) -> Bool {
    var state = 0
    for scalar in text {
      let next = transitions[state * classCount + characterClass(scalar)]
      if next == Self.bad { return true }
      state = Int(next)
    }
    return false
  }

  /// What ftfy's UTF8_DETECTOR_RE finds: maximal runs of characters that would be UTF-8 sequences in some
  /// encoding, not preceded by a character that looks like the rest of a longer one.
  func utf8LikeRanges(_ text: Scalars) -> [Range<Int>] {
    var ranges: [Range<Int>] = []
    var i = 0
    while i < text.count {
      if i > 0, clue(text[i - 1]).contains(.strictContinuation) {
        i += 1
        continue
      }
      var end = i
      while let length = sequenceLength(text, end) { end += length }
      if end > i {
        ranges.append(i..<end)
        i = end
      } else {
        i += 1
      }
    }
    return ranges
  }

  private func clue(_ scalar: UInt32) -> Clue {
    // ASCII but the space stands for itself; sparing the look-up.
    if scalar < 0x80 && scalar != 0x20 { return [] }
    let number = scalar < Self.limit ? direct[Int(scalar)] : rare[scalar] ?? Self.unlisted
    return number == Self.unlisted ? [] : clues[Int(number)]
  }

  /// Length of the UTF-8-like sequence at `i`. No character may begin sequences of two lengths.
  private func sequenceLength(_ text: Scalars, _ i: Int) -> Int? {
    guard i < text.count else { return nil }
    let first = clue(text[i])
    let length = first.contains(.firstOf2) ? 2 : first.contains(.firstOf3) ? 3 : first.contains(.firstOf4) ? 4 : 0
    guard length > 0, i + length <= text.count else { return nil }
    for k in i + 1..<i + length where !clue(text[k]).contains(.continuation) { return nil }
    return length
  }
}
