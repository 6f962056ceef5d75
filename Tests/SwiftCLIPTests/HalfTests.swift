import Kernels
import Testing

@testable import SwiftCLIP

/// The default model's matrices are halves, as the official ones are.
@Suite struct HalfTests {
  private func open(_ set: InstructionSet, keepsHalves: Bool) throws -> CLIP {
    var options = CLIP.Options()
    options.threads = 2
    options.instructions = set
    options.keepsHalves = keepsHalves
    return try CLIP(path: PocketModel.directory, options)
  }

  @Test(arguments: InstructionSet.supported)
  func embeddingsHaveTheSameBits(_ set: InstructionSet) throws {
    let (halves, floats) = (try open(set, keepsHalves: true), try open(set, keepsHalves: false))
    for count in [1, 7] {
      let pixels = noise(count * 3 * 64 * 64, seed: 3)
      #expect(
        try halves.embeddings(pixels: pixels, count: count) == floats.embeddings(pixels: pixels, count: count)
      )
    }
    let tokens = try EncodingTests.captions.map(halves.tokens)
    #expect(try halves.embeddings(tokens: tokens) == floats.embeddings(tokens: tokens))
  }

  @Test func parametersAreCounted() throws {
    let (halves, floats) = (try open(.best, keepsHalves: true), try open(.best, keepsHalves: false))
    let counts = halves.weightCounts
    // 64 pixels in patches of 8, width 192, 6 blocks; 32 tokens of 4096, width 128, 4 blocks; 256 numbers out.
    let image = 192 * 192 + 192 * 256 + 6 * 12 * 192 * 192
    let text = 4096 * 128 + 128 * 256 + 4 * 12 * 128 * 128
    #expect(counts.float16 == image + text)
    let small = (65 + 1 + 4) * 192 + 6 * 13 * 192 + (32 + 2) * 128 + 4 * 13 * 128
    #expect(counts.float32 == small)
    #expect(floats.weightCounts == WeightCounts(float32: image + text + small))
    #expect(
      halves.description.hasSuffix(
        "\"weight_storage\": {\"float16\": \(image + text), \"float32\": \(small), \"bfloat16\": 0, \"int8\": 0}}"
      ))
  }
}
