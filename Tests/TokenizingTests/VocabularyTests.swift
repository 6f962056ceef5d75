import Testing

@testable import Tokenizing

struct VocabularyTests {
  private func message(_ body: () throws -> Tokenizer) -> String {
    do {
      _ = try body()
      return "no error"
    } catch let error as TokenizerError {
      return error.message
    } catch {
      return "another error: \(error)"
    }
  }

  @Test func pocketVocabulary() throws {
    let file = try Repository.bytes("models/pocket/merges.txt")
    for size in [nil, 4096] {
      let tokenizer = try Tokenizer(file, vocabularySize: size)
      #expect(tokenizer.vocabularySize == 4096)
      #expect(tokenizer.startToken == 4094)
      #expect(tokenizer.endToken == 4095)
    }
  }

  @Test func surplusMergesAreLeftOut() throws {
    let file = try Repository.bytes("models/pocket/merges.txt")
    #expect(try Tokenizer(file, vocabularySize: 1000).vocabularySize == 1000)
    // More merges than the official vocabulary uses: as in its own file, the rest is not looked at.
    let merges = (0..<Vocabulary.officialMerges + 5).map { _ in "a b" }
    #expect(try Tokenizer(vocabulary(merges + ["damaged"])).vocabularySize == 49_408)
  }

  @Test func tooFewMergesNameBothNumbers() throws {
    let file = try Repository.bytes("models/pocket/merges.txt")
    let text = message { try Tokenizer(file, vocabularySize: 49_408) }
    #expect(text.contains("3582") && text.contains("48894"))
  }

  @Test(arguments: [-1, 0, 513, 514, Int.min, Int.max, Int(Int32.max) + 1])
  func impossibleSizes(size: Int) throws {
    let file = try Repository.bytes("models/pocket/merges.txt")
    #expect(throws: TokenizerError.self) { try Tokenizer(file, vocabularySize: size) }
  }

  @Test(arguments: [-5, 0, 1]) func impossibleContexts(length: Int) throws {
    #expect(throws: TokenizerError.self) { try Tokenizer(vocabulary(["a b"]), contextLength: length) }
  }

  @Test(arguments: [
    (["a b", "c"], "line 3"), (["a b c"], "line 2"), (["a b", "", "c d"], "line 3"), (["zz b"], "line 2"),
    (["a b", "a zz"], "line 3"),
  ])
  func damagedLinesAreNumbered(merges: [String], line: String) {
    #expect(message { try Tokenizer(vocabulary(merges)) }.contains(line))
  }

  @Test(arguments: ["", "\n", "a b\nc d\n", "{\"a\": 1}", "\0\0\0\0", "version 0.2\na b\n"])
  func otherFilesAreRefused(text: String) {
    #expect(message { try Tokenizer(Array(text.utf8)) }.contains("line 1"))
  }

  @Test func vocabulariesHaveALimit() {
    let file = vocabulary(["a b"]) + [UInt8](repeating: 0x0A, count: Gzip.maximalSize)
    #expect(message { try Tokenizer(file) }.contains("64 MB"))
  }

  @Test func lineEndingsAndBlankLinesAtTheEnd() throws {
    let plain = try Tokenizer(vocabulary(["a b</w>", "c d</w>"]))
    for ending in ["\r\n", "\n"] {
      let text = ["#version: 0.2", "a b</w>", "c d</w>", "", ""].joined(separator: ending)
      let other = try Tokenizer(Array(text.utf8))
      #expect(other.vocabularySize == plain.vocabularySize)
      #expect(try other.ids("ab cd") == plain.ids("ab cd"))
    }
  }

  /// The official code finds ids by string: of two merges that make the same one, the last counts.
  @Test func equalSymbolsHaveTheLastId() throws {
    let tokenizer = try Tokenizer(vocabulary(["a b", "b c</w>", "ab c</w>", "a bc</w>"]), contextLength: 8)
    #expect(try Array(tokenizer.ids("abc").prefix(3)) == [516, 515, 517])
  }

  /// A pair that is listed twice has the rank of its last place.
  @Test func repeatedPairsHaveTheLastRank() throws {
    let tokenizer = try Tokenizer(vocabulary(["a b", "b c</w>", "a b"]), contextLength: 8)
    let a = try tokenizer.ids("a!")[1] - 256
    #expect(try Array(tokenizer.ids("abc").prefix(4)) == [515, a, 513, 516])
  }
}

struct GzipTests {
  /// "#version: 0.2\na b</w>\n" by Python's gzip.compress(…, mtime=0).
  private let member: [UInt8] = [
    0x1F, 0x8B, 0x08, 0x00, 0x00, 0x00, 0x00, 0x00, 0x02, 0x03, 0x53, 0x2E, 0x4B, 0x2D, 0x2A, 0xCE,
    0xCC, 0xCF, 0xB3, 0x52, 0x30, 0xD0, 0x33, 0xE2, 0x4A, 0x54, 0x48, 0xB2, 0xD1, 0x2F, 0xB7, 0xE3,
    0x02, 0x00, 0x52, 0x95, 0x0B, 0xEF, 0x16, 0x00, 0x00, 0x00,
  ]

  @Test func membersAndZerosBehindThem() throws {
    for file in [member, member + [0, 0, 0]] {
      #expect(try Tokenizer(file).vocabularySize == 515)
    }
    // A second member continues the text; this one's header is no merge.
    #expect(throws: TokenizerError.self) { try Tokenizer(member + member) }
  }

  @Test func everyTruncationIsAnError() {
    for length in 2..<member.count {
      #expect(throws: TokenizerError.self, "\(length) bytes") { try Tokenizer(Array(member[..<length])) }
    }
  }

  @Test func changedBytesAreAnErrorOrHarmless() {
    // Apart from the header's time, flags of no effect and system, every byte is checked.
    for index in 10..<member.count {
      var file = member
      file[index] ^= 0x55
      #expect(throws: TokenizerError.self, "byte \(index)") { try Tokenizer(file) }
    }
  }

  @Test func garbageBehindTheEndIsAnError() {
    #expect(throws: TokenizerError.self) { try Tokenizer(member + [1, 2, 3]) }
  }

  /// A deflate block of fixed codes: one zero, then copies of it, 258 bytes each in 13 bits.
  @Test func bombsAreStopped() throws {
    var bits: [UInt8] = [1, 1, 0, 0, 0, 1, 1, 0, 0, 0, 0]
    let copy: [UInt8] = [1, 1, 0, 0, 0, 1, 0, 1, 0, 0, 0, 0, 0]
    for _ in 0..<(Gzip.maximalSize / 258 + 100) { bits.append(contentsOf: copy) }
    var bomb: [UInt8] = [0x1F, 0x8B, 8, 0, 0, 0, 0, 0, 0, 3]
    for start in stride(from: 0, to: bits.count - 8, by: 8) {
      bomb.append((0..<8).reduce(0) { $0 | bits[start + $1] << UInt8($1) })
    }
    do {
      _ = try Tokenizer(bomb)
      Issue.record("no error")
    } catch let error as TokenizerError {
      #expect(error.message.contains("64 MB"))
    }
  }
}
