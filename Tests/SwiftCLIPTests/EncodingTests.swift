import Kernels
import Testing

@testable import SwiftCLIP

@Suite struct EncodingTests {
  static let captions = [
    "a penguin", "a photo of a cat", "balloons", "clip art of a christmas tree and a small house", "the moon",
  ]

  @Test func sizesAreRead() throws {
    let clip = try PocketModel.open()
    #expect(clip.embedDim == 256)
    #expect(clip.imageSize == 64)
    #expect(clip.contextLength == 32)
    #expect(clip.vocabularySize == 4096)
    #expect(abs(clip.logitScale - 23.0732) < 1e-3)
  }

  @Test(arguments: InstructionSet.allCases)
  func instructionSetsAgree(_ set: InstructionSet) throws {
    guard InstructionSet.supported.contains(set) else {
      print("Skipped: this processor has no \(set.name).")
      return
    }
    let reference = try PocketModel.open(.portable)
    let clip = try PocketModel.open(set)
    let pixels = noise(2 * 3 * 64 * 64, seed: 1)
    let tokens = try EncodingTests.captions.map(clip.tokens)
    for (ours, theirs) in zip(
      try clip.embeddings(pixels: pixels, count: 2), try reference.embeddings(pixels: pixels, count: 2))
    {
      #expect(relativeError(ours, theirs) < 1e-5)
    }
    for (ours, theirs) in zip(try clip.embeddings(tokens: tokens), try reference.embeddings(tokens: tokens)) {
      #expect(relativeError(ours, theirs) < 1e-5)
    }
  }

  @Test(arguments: [1, 2, 3], InstructionSet.supported)
  func bitsDoNotDependOnBatchOrThreads(_ threads: Int, _ set: InstructionSet) throws {
    let size = 3 * 64 * 64
    let clip = try PocketModel.open(threads: threads, set)
    let alone = try PocketModel.open(threads: 1, set).embeddings(pixels: noise(size, seed: 7), count: 1)[0]
    for (batch, position) in [(1, 0), (2, 1), (5, 0), (5, 3), (33, 32)] {
      var pixels = noise(batch * size, seed: UInt64(100 + batch))
      pixels.replaceSubrange(position * size..<(position + 1) * size, with: noise(size, seed: 7))
      let embedding = try clip.embeddings(pixels: pixels, count: batch)[position]
      #expect(embedding == alone, "batch \(batch), position \(position)")
    }
  }

  /// Texts are brought into another order some thousands at a time: a text's place in the call changes nothing.
  @Test func manyTextsAreThatOfOneEach() throws {
    let clip = try PocketModel.open(threads: 2)
    let kinds = try EncodingTests.captions.map(clip.tokens)
    let alone = try clip.embeddings(tokens: kinds)
    let many = (0..<4200).map { kinds[$0 % kinds.count] }
    let embeddings = try clip.embeddings(tokens: many)
    #expect(embeddings.indices.allSatisfy { embeddings[$0] == alone[$0 % kinds.count] })
    var broken = many
    broken[4100][3] = 4096
    let message = #expect(throws: CLIPError.self) { try clip.embeddings(tokens: broken) }?.message
    #expect(message?.hasPrefix("Text 4100: Token 4096 at position 3") == true)
  }

  @Test func textsOfOneBatchDoNotMix() throws {
    let clip = try PocketModel.open(threads: 2)
    let tokens = try EncodingTests.captions.map(clip.tokens)
    let together = try clip.embeddings(tokens: tokens)
    for (text, embedding) in zip(tokens, together) {
      #expect(try clip.embeddings(tokens: [text])[0] == embedding)
    }
  }

  @Test func nothingAfterEOTIsRead() throws {
    let clip = try PocketModel.open()
    var tokens = try clip.tokens("a penguin")
    let embedding = try clip.embeddings(tokens: [tokens])
    tokens[20] = 17
    #expect(try clip.embeddings(tokens: [tokens]) == embedding)
    tokens[1] = 17
    #expect(try clip.embeddings(tokens: [tokens]) != embedding)
  }

  @Test(arguments: [Int32(-1), 4096, .max, .min])
  func idsOutsideTheVocabularyAreRefused(_ id: Int32) throws {
    let clip = try PocketModel.open()
    var tokens = try clip.tokens("a penguin")
    tokens[1] = id
    let error = #expect(throws: CLIPError.self) { try clip.embeddings(tokens: [tokens]) }
    #expect(error?.kind == .invalidArgument)
    #expect(error?.message.contains("position 1") == true)
  }

  @Test(arguments: [Float.nan, .infinity, -.infinity])
  func pixelsMustBeFinite(_ value: Float) throws {
    let clip = try PocketModel.open()
    var pixels = noise(2 * 3 * 64 * 64, seed: 1)
    pixels[3 * 64 * 64 + 5] = value
    let error = #expect(throws: CLIPError.self) { try clip.embeddings(pixels: pixels, count: 2) }
    #expect(error?.message.contains("picture 1") == true)
  }
}
