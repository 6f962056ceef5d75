import Testing

@testable import Tokenizing

/// Strings with what the official tokenizer and ftfy make of them (Tests/fixtures/make_tokenizer_golden.py).
struct Golden {
  let text: [UInt8]
  let ids: [Int32]
  /// A hash of each stage's result.
  let stages: [UInt32]

  /// The stages in the order of the file, each from the text as it was.
  static let stageNames = [
    "unescape_html", "fix_encoding", "is_bad", "decode_inconsistent_utf8", "characters", "normalize",
    "fix_text",
    "html_unescape", "lower",
  ]

  static let all: [Golden] = {
    do { return try read() } catch { return [] }
  }()

  private static func read() throws -> [Golden] {
    let file = try Repository.bytes("Tests/fixtures/tokenizer_golden.bin.gz")
    let bytes = try unsafe file.withUnsafeBytes {
      try unsafe Gzip.inflate($0, name: "tokenizer_golden.bin.gz")
    }
    var position = 0
    func number(_ size: Int) -> UInt32 {
      defer { position += size }
      return bytes[position..<position + size].reversed().reduce(0) { $0 << 8 | UInt32($1) }
    }
    var records: [Golden] = []
    while position < bytes.count {
      let length = Int(number(4))
      let text = Array(bytes[position..<position + length])
      position += length
      let ids = (0..<number(2)).map { _ in Int32(number(2)) }
      records.append(Golden(text: text, ids: ids, stages: stageNames.map { _ in number(4) }))
    }
    return records
  }

  /// The result of a stage by this package.
  static func run(_ stage: String, _ text: Scalars) throws -> Scalars {
    var effort = Effort(length: text.count)
    return switch stage {
    case "unescape_html": HTMLEntities.shared.unescapedByFtfy(text)
    case "fix_encoding": try EncodingRepair.fixed(text, effort: &effort)
    case "is_bad": scalars(Mojibake.shared.isBad(text) ? "True" : "False")
    case "decode_inconsistent_utf8":
      try EncodingRepair.decodingInconsistentUTF8(text, depth: 0, effort: &effort)
    case "characters": CharacterRepairs.all(text)
    case "normalize": Normalization.shared.composed(text)
    case "fix_text": try TextRepair.fixed(text, effort: &effort)
    case "html_unescape": HTMLEntities.shared.unescaped(text)
    default: UnicodeProperties.lowercased(text)
    }
  }

  /// FNV-1a of a text in UTF-8.
  static func hash(_ text: Scalars) -> UInt32 {
    var bytes: [UInt8] = []
    for scalar in text { UTF8Text.encode(scalar, to: &bytes) }
    return bytes.reduce(0x811C_9DC5) { ($0 ^ UInt32($1)) &* 0x0100_0193 }
  }
}

struct GoldenTests {
  @Test func fixtureIsThere() {
    #expect(Golden.all.count > 2_700)
  }

  @Test(arguments: 0..<8) func idsEqualTheOfficialOnes(part: Int) throws {
    let tokenizer = try Tokenizer.pocket(contextLength: 4096)
    for index in stride(from: part, to: Golden.all.count, by: 8) {
      let golden = Golden.all[index]
      let ids = try tokenizer.ids(golden.text, replaceInvalid: true)
      let expected = [tokenizer.startToken] + golden.ids + [tokenizer.endToken]
      #expect(Array(ids.prefix(expected.count)) == expected, "string \(index): \(golden.text)")
      #expect(ids.dropFirst(expected.count).allSatisfy { $0 == 0 })
    }
  }

  @Test(arguments: Golden.stageNames) func stageEqualsItsOrigin(stage: String) throws {
    let position = try #require(Golden.stageNames.firstIndex(of: stage))
    for (index, golden) in Golden.all.enumerated() {
      let text = try UTF8Text.decode(golden.text, replaceInvalid: true)
      let result = try Golden.run(stage, text)
      #expect(
        Golden.hash(result) == golden.stages[position],
        "string \(index): \(string(text).debugDescription) gave \(string(result).debugDescription)")
    }
  }
}
