import Testing

@testable import Tokenizing

struct EncodeTests {
  @Test func shapeOfTheResult() throws {
    let tokenizer = try Tokenizer.pocket(contextLength: 8)
    #expect(try tokenizer.ids("") == [4094, 4095, 0, 0, 0, 0, 0, 0])
    #expect(try tokenizer.ids("a cat").first == 4094)
  }

  @Test func tooLongSaysHowLongAndWritesNothing() throws {
    let tokenizer = try Tokenizer.pocket(contextLength: 5)
    let text = Array("1 2 3 4".utf8)
    var ids: [Int32] = [7, 7, 7, 7, 7]
    let error = #expect(throws: TokenizerError.self) {
      try unsafe text.withUnsafeBytes { utf8 in
        try unsafe ids.withUnsafeMutableBufferPointer {
          try unsafe tokenizer.encode(utf8, truncate: false, replaceInvalid: false, into: $0)
        }
      }
    }
    guard case .tooLong(let message) = try #require(error) else {
      Issue.record("another error")
      return
    }
    #expect(message.contains("6 tokens") && message.contains("5"))
    #expect(ids == [7, 7, 7, 7, 7])
  }

  @Test func truncationEndsWithTheEndToken() throws {
    let full = try Tokenizer.pocket(contextLength: 6).ids("1 2 3 4")
    for length in 2...6 {
      let ids = try Tokenizer.pocket(contextLength: length).ids("1 2 3 4", truncate: true)
      #expect(ids == full.prefix(length - 1) + [4095])
    }
  }

  @Test(
    arguments: [
      ([0xFF], 0), ([0x61, 0xC3], 1), ([0xED, 0xA0, 0x80], 0), ([0x61, 0x62, 0xF4, 0x90, 0x80, 0x80], 2),
      ([0xC0, 0x80], 0), ([0xC3, 0xA9, 0xE2, 0x82], 2), ([0xF0, 0x9F, 0x98, 0x80, 0x80], 4),
    ] as [([UInt8], Int)])
  func invalidUTF8NamesTheByte(text: [UInt8], offset: Int) throws {
    let tokenizer = try Tokenizer.pocket77.get()
    let error = #expect(throws: TokenizerError.self) { try tokenizer.ids(text) }
    guard case .invalidUTF8(let message) = try #require(error) else {
      Issue.record("another error")
      return
    }
    #expect(message.contains("byte \(offset) "))
    #expect(try tokenizer.ids(text, replaceInvalid: true).first == 4094)
  }

  @Test func textsHaveALimit() throws {
    let tokenizer = try Tokenizer.pocket77.get()
    let text = [UInt8](repeating: 0x20, count: Tokenizer.maximalText + 1)
    #expect(throws: TokenizerError.self) { try tokenizer.ids(text, truncate: true) }
  }

  @Test func smallBufferIsAnError() throws {
    let tokenizer = try Tokenizer.pocket(contextLength: 10)
    var ids = [Int32](repeating: 0, count: 9)
    #expect(throws: TokenizerError.self) {
      try unsafe ids.withUnsafeMutableBufferPointer {
        try unsafe tokenizer.encode(
          UnsafeRawBufferPointer(start: nil, count: 0), truncate: true, replaceInvalid: true, into: $0)
      }
    }
  }

  @Test func manyThreadsGiveTheSameIds() async throws {
    let tokenizer = try Tokenizer.pocket77.get()
    let texts = Golden.all.prefix(200).map(\.text)
    let expected = try texts.map { try tokenizer.ids($0, truncate: true, replaceInvalid: true) }
    try await withThrowingTaskGroup(of: [[Int32]].self) { group in
      for _ in 0..<8 {
        group.addTask { try texts.map { try tokenizer.ids($0, truncate: true, replaceInvalid: true) } }
      }
      for try await ids in group { #expect(ids == expected) }
    }
  }
}
