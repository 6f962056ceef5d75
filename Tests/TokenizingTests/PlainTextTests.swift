import Testing

@testable import Tokenizing

struct PlainTextTests {
  /// The fast path's tokens, or nil where it does not apply.
  private func fast(_ text: [UInt8], _ tokenizer: Tokenizer) -> [Int32]? {
    unsafe text.withUnsafeBytes { unsafe PlainText.lowercased($0) }.map { tokenizer.encodePlain($0) }
  }

  private func full(_ text: [UInt8], _ tokenizer: Tokenizer) throws -> [Int32] {
    tokenizer.encodeCleaned(try TextRepair.cleaned(try UTF8Text.decode(text, replaceInvalid: false)))
  }

  @Test(arguments: 0..<10) func fastEqualsFull(seed: Int) throws {
    let tokenizer = try Tokenizer.pocket77.get()
    var generator = SeededGenerator(seed: UInt64(seed))
    let pieces = [
      "'s", "'t", "'re", "'ve", "'m", "'ll", "'d", "'l", "'r", "'", "''", "<|startoftext|>", "<|EndOfText|>",
      "<|endoftext|", "<", "|", ">", " ", "\t", "\r\n", "\u{c}", "1", "23", "cat", "Dog", "don't", "!", "?!",
    ]
    for _ in 0..<150 {
      var text = ""
      for _ in 0..<Int.random(in: 0...12, using: &generator) {
        if Bool.random(using: &generator) {
          text += pieces.randomElement(using: &generator) ?? ""
        } else {
          text.unicodeScalars.append(Unicode.Scalar(UInt8.random(in: 0x20...0x7E, using: &generator)))
        }
      }
      let bytes = Array(text.utf8)
      guard let tokens = fast(bytes, tokenizer) else {
        #expect(text.contains("&"))
        continue
      }
      #expect(try tokens == full(bytes, tokenizer), "\(text.debugDescription)")
    }
  }

  /// Each byte alone and between letters: either the fast path refuses it, or both agree.
  @Test(arguments: UInt8.min...UInt8.max) func everyByte(byte: UInt8) throws {
    let tokenizer = try Tokenizer.pocket77.get()
    for text in [[byte], [0x61, byte, 0x62], [byte, byte, 0x27, 0x73]] {
      guard let tokens = fast(text, tokenizer) else {
        #expect(byte >= 0x7F || byte == 0x26 || byte < 0x20)
        continue
      }
      #expect(try tokens == full(text, tokenizer))
    }
  }
}
