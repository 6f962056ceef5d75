import Testing

@testable import Tokenizing

struct BytePairTests {
  private func random(_ alphabet: [UInt8], _ length: Int, _ generator: inout SeededGenerator) -> [UInt8] {
    (0..<length).map { _ in alphabet.randomElement(using: &generator) ?? 0x61 }
  }

  private func tokens(_ word: [UInt8], _ vocabulary: Vocabulary, long: Bool) -> [Int32] {
    var encoder = BytePairEncoder()
    encoder.start(word, word.indices, vocabulary)
    if long { encoder.mergeLong(vocabulary.merges) } else { encoder.merge(vocabulary.merges) }
    return Array(encoder.symbols)
  }

  private static let pocket = Result {
    try Vocabulary(text: Repository.bytes("models/pocket/merges.txt"), name: "merges.txt", size: nil)
  }

  @Test(arguments: 1...200) func heapEqualsReference(length: Int) throws {
    let vocabulary = try Self.pocket.get()
    var generator = SeededGenerator(seed: UInt64(length))
    for alphabet in ["ab", "etaoinshr", "abcdefghijklmnopqrstuvwxyz"] {
      let word = random(Array(alphabet.utf8), length, &generator)
      #expect(tokens(word, vocabulary, long: true) == tokens(word, vocabulary, long: false), "\(word)")
    }
  }

  /// Vocabularies that no training makes: merges in random order, so that a merge can bring about a pair of
  /// lower rank than its own. The official code still finishes a pair everywhere first.
  @Test(arguments: 0..<100) func heapEqualsReferenceForAnyVocabulary(seed: Int) throws {
    var generator = SeededGenerator(seed: UInt64(seed))
    var symbols = ["a", "b", "c", "a</w>", "b</w>", "c</w>"]
    var merges: [String] = []
    for _ in 0..<30 {
      let left = symbols.filter { !$0.hasSuffix("</w>") }.randomElement(using: &generator) ?? "a"
      let right = symbols.randomElement(using: &generator) ?? "b"
      if (left + right).utf8.count > 12 { continue }
      merges.append("\(left) \(right)")
      symbols.append(left + right)
    }
    merges.shuffle(using: &generator)
    let text = TokenizingTests.vocabulary(merges)
    let vocabulary = try Vocabulary(text: text, name: "test", size: nil)
    for length in 1...60 {
      let word = random(Array("abc".utf8), length, &generator)
      #expect(tokens(word, vocabulary, long: true) == tokens(word, vocabulary, long: false), "\(word)")
    }
  }

  /// Words that the table knows have the tokens that merging gives.
  @Test func wordTableEqualsMerging() throws {
    let vocabulary = try Self.pocket.get()
    let lines = try MergeLines(text: Repository.bytes("models/pocket/merges.txt"), name: "", limit: .max)
    var found = 0
    for merge in 0..<lines.count {
      let symbol = lines.text[lines.left(merge)] + lines.text[lines.right(merge)]
      guard symbol.suffix(4).elementsEqual("</w>".utf8) else { continue }
      let word = Array(symbol.dropLast(4))
      guard let key = WordTable.key(word, word.indices), let token = vocabulary.words.token(key) else {
        continue
      }
      found += 1
      #expect(tokens(word, vocabulary, long: false) == [token], "\(word)")
    }
    #expect(found > 1_000)
  }
}
