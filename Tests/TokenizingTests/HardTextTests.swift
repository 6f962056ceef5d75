import Testing

@testable import Tokenizing

/// Texts that make a careless tokenizer slow: the answer, ids or an error, must come in about linear time.
struct HardTextTests {
  private static let length = 60_000

  private static let texts: [(String, [UInt8])] = {
    func repeated(_ text: String) -> [UInt8] {
      Array(String(repeating: text, count: length / text.utf8.count).utf8)
    }
    var generator = SeededGenerator(seed: 1)
    let marks = (0..<length / 2).map { _ in
      Unicode.Scalar(UInt16.random(in: 0x300...0x36F, using: &generator))
    }
    var combining = "a"
    combining.unicodeScalars.append(contentsOf: marks.compactMap { $0 })
    return [
      ("one word", repeated("a")), ("a word of many pairs", repeated("abcdefgh")), ("letters", repeated("é")),
      ("ampersands", repeated("&")), ("nested entities", Array("&".utf8) + repeated("amp;")),
      ("unfinished entities", repeated("&aaaaaaaa")),
      ("unfinished numbers", Array("&#".utf8) + repeated("9")),
      ("mojibake", repeated("Ã©")), ("mojibake of mojibake", repeated("ÃƒÂ©")),
      ("inconsistent", repeated("Ã© я â€œ")),
      ("continuations", repeated("â\u{a0}\u{80}")), ("combining marks", Array(combining.utf8)),
      ("decomposing marks", repeated("\u{f73}")), ("escapes", repeated("\u{1b}[1;")),
      ("newlines", repeated("\n")),
      ("sigmas", repeated("Σ'")), ("apostrophes", repeated("'")), ("specials", repeated("<|startoftext|")),
      ("spaces", repeated(" ")), ("NUL", repeated("\0")), ("replacement", repeated("\u{fffd}")),
      ("A0 words", repeated("Ã ")), ("invalid", [UInt8](repeating: 0x80, count: length)),
    ]
  }()

  @Test(.timeLimit(.minutes(10)), arguments: texts) func answersInTime(name: String, text: [UInt8]) throws {
    let tokenizer = try Tokenizer.pocket77.get()
    do {
      let ids = try tokenizer.ids(text, truncate: true, replaceInvalid: true)
      #expect(ids.first == 4094)
      #expect(ids.contains(4095))
    } catch let error as TokenizerError {
      guard case .unsupported(let message) = error else { throw error }
      #expect(message.contains("nested"))
    }
  }

  @Test func nestingOfOrdinaryLengthIsFollowed() throws {
    let tokenizer = try Tokenizer.pocket77.get()
    let text = "&" + String(repeating: "amp;", count: 1_000)
    #expect(try tokenizer.ids(text) == tokenizer.ids("&"))
  }

  /// Any bytes give ids or an error.
  @Test(arguments: 0..<8) func anyBytes(seed: Int) throws {
    let tokenizer = try Tokenizer.pocket77.get()
    var generator = SeededGenerator(seed: UInt64(seed))
    for _ in 0..<300 {
      let length = Int.random(in: 0...60, using: &generator)
      var text = (0..<length).map { _ in UInt8.random(in: 0...255, using: &generator) }
      _ = try? tokenizer.ids(text, truncate: true)
      // Bytes that are rather UTF-8.
      text = text.flatMap { $0 < 0x80 ? [$0] : [0xC0 | $0 >> 6, 0x80 | $0 & 0x3F] }
      #expect(try tokenizer.ids(text, truncate: true, replaceInvalid: true).first == 4094)
    }
  }
}
