import Foundation
import Kernels
import Testing

@testable import SwiftCLIP

/// Small Modified ResNets as exporters write them, against what PyTorch computed (Tests/fixtures/make_onnx.py).
@Suite struct ResNetTests {
  static let folder = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
    .appending(path: "fixtures/onnx")
  static let exported = ["openai-resnet.17.image", "openai-resnet.dynamo.image", "openclip-resnet.17.image"]
  static let variants = ["variant.batchnorm", "variant.batchnorm-primitives"]
  static let imageFloats = 3 * 64 * 64

  struct Golden: Decodable {
    let image: [[Float]]?
  }

  static func golden(_ name: String) throws -> [[Float]] {
    let data = try Data(contentsOf: folder.appending(path: "golden.json"))
    return try #require(try JSONDecoder().decode([String: Golden].self, from: data)[name]?.image)
  }

  static func open(_ name: String, threads: Int = 1, _ set: InstructionSet? = nil) throws -> CLIP {
    var options = CLIP.Options()
    options.threads = threads
    options.instructions = set
    return try CLIP(path: folder.appending(path: name + ".onnx").path(), options)
  }

  /// The first pictures of the golden batch, by make_onnx.py's formula.
  static func pictures(_ count: Int) -> [Float] {
    (0..<count * imageFloats).map { Float($0 * 7919 % 1009) / 256 - 2 }
  }

  @Test(arguments: exported + variants, InstructionSet.supported)
  func agreesWithPyTorch(_ name: String, _ set: InstructionSet) throws {
    let golden = try ResNetTests.golden(name)
    let clip = try ResNetTests.open(name, threads: 2, set)
    let pixels = ResNetTests.pictures(golden.count)
    for (ours, theirs) in zip(try clip.embeddings(pixels: pixels, count: golden.count), golden) {
      #expect(relativeError(ours, theirs) < 1e-5)
    }
  }

  @Test(arguments: [1, 2, 3], InstructionSet.supported)
  func bitsDoNotDependOnBatchOrThreads(_ threads: Int, _ set: InstructionSet) throws {
    let (name, size) = (ResNetTests.exported[0], ResNetTests.imageFloats)
    let clip = try ResNetTests.open(name, threads: threads, set)
    let alone = try ResNetTests.open(name, set).embeddings(pixels: noise(size, seed: 7), count: 1)[0]
    // More pictures than one pass holds, too.
    let pass = clip.imagesPerPass
    for (batch, position) in [(1, 0), (2, 1), (5, 3), (pass + 3, pass + 1)] {
      var pixels = noise(batch * size, seed: UInt64(100 + batch))
      pixels.replaceSubrange(position * size..<(position + 1) * size, with: noise(size, seed: 7))
      let embedding = try clip.embeddings(pixels: pixels, count: batch)[position]
      #expect(embedding == alone, "batch \(batch), position \(position)")
    }
  }

  @Test func isDescribed() throws {
    let text = try ResNetTests.open(ResNetTests.exported[0]).description
    let object = try JSONSerialization.jsonObject(with: Data(text.utf8)) as? [String: Any]
    let image = object?["image"] as? [String: Any]
    #expect(image?["architecture"] as? String == "ModifiedResNet")
    #expect(image?["layers"] as? [Int] == [2, 1, 1, 1])
    #expect(image?["image_size"] as? Int == 64)
  }
}
