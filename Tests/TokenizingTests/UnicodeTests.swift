@_spi(_Unicode) import Swift
import Testing

@testable import Tokenizing

struct UnicodeTests {
  /// Characters of Unicode 14, which the tables hold and the standard library knows.
  private func randomScalars(_ count: Int, _ generator: inout SeededGenerator) -> Scalars {
    let blocks: [ClosedRange<UInt32>] = [
      0x41...0x7A, 0xC0...0x24F, 0x300...0x36F, 0x370...0x3FF, 0x5B0...0x5EA, 0x900...0x94D, 0xF40...0xF84,
      0x1100...0x11FF, 0x1E00...0x1FFF, 0x3041...0x309A, 0xAC00...0xD7A3, 0xF900...0xFA6D, 0x11099...0x110BA,
      0x1D15E...0x1D1C0, 0x2F800...0x2FA1D,
    ]
    return (0..<count).compactMap { _ in
      let block = blocks.randomElement(using: &generator) ?? 0x41...0x5A
      let scalar = UInt32.random(in: block, using: &generator)
      // The library's NFC (Swift 6.3) does not put these marks, which decompose, in order with those before.
      if [0xF73, 0xF75, 0xF81].contains(scalar) { return nil }
      guard let age = Unicode.Scalar(scalar)?.properties.age, age.major <= 14 else { return nil }
      return scalar
    }
  }

  @Test(arguments: 0..<20) func compositionEqualsTheStandardLibrary(seed: Int) {
    var generator = SeededGenerator(seed: UInt64(seed))
    for _ in 0..<200 {
      let text = randomScalars(12, &generator)
      #expect(Normalization.shared.composed(text) == string(text)._nfc.map(\.value), "\(text)")
    }
  }

  @Test func finalSigma() {
    for (upper, lower) in [
      ("ΑΣ", "ας"), ("ΑΣΑ", "ασα"), ("Σ", "σ"), ("Α'Σ'", "α'ς'"), ("Α.Σ. Α", "α.ς. α"), ("ΣΣ", "σς"),
      ("İ", "i̇"),
    ] {
      #expect(UnicodeProperties.lowercased(scalars(upper)) == scalars(lower), "\(upper)")
    }
  }

  /// The combining iota is in none of the official pattern's classes.
  @Test func iotaBelowIsSkipped() {
    let text = scalars("a\u{345}b !\u{345}!")
    var position = 0
    var words: [String] = []
    while case .word(let range)? = WordSplitter.next(text, &position) {
      words.append(string(Array(text[range])))
    }
    #expect(words == ["a", "b", "!", "!"])
  }

  @Test(
    arguments: [
      (Array("\u{1F4A9}".utf8), [0x1F4A9]), ([0xED, 0xA0, 0xBD, 0xED, 0xB2, 0xA9], [0x1F4A9]),
      ([0xC0, 0x80, 0x61], [0, 0x61]),
      ([0xED, 0xA0, 0xBD], nil), ([0xC0], nil), ([0xC0, 0x61], nil), ([0xED, 0x95, 0x9C], [0xD55C]),
      ([0xED], nil),
      // A line feed at the very end counts as the end in the codec's expressions.
      ([0x61, 0xC0, 0x0A], [0x61, 0]), ([0xED, 0xA0, 0x80, 0xED, 0xB0, 0x0A], [0x1000A]),
    ] as [([UInt8], Scalars?)])
  func variantsOfUTF8(bytes: [UInt8], expected: Scalars?) {
    #expect(UTF8Variants.decode(bytes) == expected)
  }
}
