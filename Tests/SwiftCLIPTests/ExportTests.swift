import Foundation
import Testing

@testable import SwiftCLIP

/// What is exported opens again, here and as something to train.
@Suite struct ExportTests {
  static let fixtures = PocketModel.directory + "/../../Tests/fixtures/onnx"

  static func fixture(_ name: String) -> String { "\(fixtures)/\(name).onnx" }

  static func names(in folder: String) throws -> [String] {
    try FileManager.default.contentsOfDirectory(atPath: folder).sorted()
  }

  static func bytes(_ path: String) throws -> Data { try Data(contentsOf: URL(filePath: path)) }

  static func digests(_ path: String?, textual: String? = nil) throws -> [String?] {
    let text = try Inspection(path: path, textual: textual).description
    let found = try JSONSerialization.jsonObject(with: Data(text.utf8)) as? [String: Any]
    return ["image", "text"].map { (found?[$0] as? [String: Any])?["digest"] as? String }
  }

  /// A store with the values of a model.
  static func filled(_ model: PretrainedModel) throws -> ParameterStore {
    var layout = ParameterLayout()
    SyntheticModel.lay(model.architecture, &layout)
    let store = try ParameterStore(layout)
    try model.fill(store)
    return store
  }

  static func export(_ model: PretrainedModel, _ weights: StoredWeights, into folder: String) throws {
    try Export.write(
      model.architecture, filled(model), logitScale: model.logitScale ?? 100,
      vocabulary: model.vocabulary, weights, into: folder)
  }

  @Test(arguments: SyntheticModel.allCases, [StoredWeights.float32, .float16])
  func comesBackAsItWas(_ synthetic: SyntheticModel, _ weights: StoredWeights) throws {
    let store = try synthetic.store()
    let merges = Array("#version: 0.2\na b\n".utf8)
    try withFolder { (folder) throws in
      let (first, second) = ("\(folder)/first", "\(folder)/second")
      try Export.write(
        synthetic.architecture, store, logitScale: 12.3456, vocabulary: merges, weights, into: first)
      #expect(try ExportTests.names(in: first) == ["merges.txt", "textual.onnx", "visual.onnx"])
      let model = try PretrainedModel(path: first, CLIP.Options())
      #expect(model.architecture == synthetic.architecture)
      #expect(model.logitScale == 12.3456 && model.vocabulary == merges)
      let copy = try ExportTests.filled(model)
      for parameter in store.parameters + store.buffers where parameter.name != "logit_scale" {
        let (ours, _) = try #require(store.values(named: parameter.name))
        let (theirs, _) = try #require(copy.values(named: parameter.name))
        let isHalf = weights == .float16 && parameter.shape.count >= 2
        for index in 0..<parameter.count {
          #expect(theirs[index] == (isHalf ? Float(Float16(ours[index])) : ours[index]))
        }
      }
      try ExportTests.export(model, weights, into: second)
      for name in try ExportTests.names(in: first) {
        #expect(try ExportTests.bytes("\(first)/\(name)") == ExportTests.bytes("\(second)/\(name)"))
      }
    }
  }

  /// The numbers stay the same to the bit. PyTorch's exporter multiplies queries and keys by √(1/√d) each, whose product
  /// is 1/√d but for rounding: embeddings differ by that.
  @Test func defaultModelStaysTheSame() throws {
    let original = try PretrainedModel(path: PocketModel.directory, CLIP.Options())
    try withFolder { (folder) throws in
      try ExportTests.export(original, .float16, into: folder)
      try ExportTests.export(original, .float32, into: folder + "/float32")
      #expect(try ExportTests.digests(folder) == ExportTests.digests(PocketModel.directory))
      #expect(
        try ExportTests.bytes("\(folder)/merges.txt")
          == ExportTests.bytes(
            PocketModel.directory + "/merges.txt"))
      let pixels = noise(3 * 3 * 64 * 64, seed: 3)
      let (ours, theirs) = try (CLIP(path: folder, CLIP.Options()), PocketModel.open())
      let wide = try CLIP(path: folder + "/float32", CLIP.Options())
      let tokens = try ["a drawing of a cat", "two red boats at night"].map { try theirs.tokens($0) }
      let pictures = try ours.embeddings(pixels: pixels, count: 3)
      let texts = try ours.embeddings(tokens: tokens)
      #expect(try wide.embeddings(pixels: pixels, count: 3) == pictures)
      #expect(try wide.embeddings(tokens: tokens) == texts)
      #expect(ours.logitScale == theirs.logitScale)
      let originals = try theirs.embeddings(pixels: pixels, count: 3) + theirs.embeddings(tokens: tokens)
      for (a, b) in zip(pictures + texts, originals) { #expect(relativeError(a, b) < 1e-6) }
    }
  }

  /// Models of other exporters, in the official graph afterwards.
  @Test(arguments: [
    "openai.14", "openai.17", "openai.dynamo", "openclip.17", "openclip-gelu.17", "openclip-gelu.dynamo",
    "hf-eager.17", "hf-sdpa.14", "hf-sdpa.dynamo", "hf-gelu-eos2.17",
  ])
  func embedsAsTheOriginal(_ name: String) throws {
    let path = ExportTests.fixture("\(name).both")
    try withFolder { (folder) throws in
      try ExportTests.export(PretrainedModel(path: path, CLIP.Options()), .float32, into: folder)
      try ExportTests.expectSameEmbeddings(
        CLIP(path: folder, CLIP.Options()), CLIP(path: path, CLIP.Options()))
    }
  }

  static func expectSameEmbeddings(_ ours: CLIP, _ theirs: CLIP) throws {
    let size = try #require(theirs.imageSize)
    let pixels = noise(2 * 3 * size * size, seed: 5)
    let pictures = try zip(
      ours.embeddings(pixels: pixels, count: 2), theirs.embeddings(pixels: pixels, count: 2))
    let tokens: [[Int32]] = [[38, 5, 39, 0, 0, 0, 0], [38, 1, 2, 3, 4, 5, 39]]
    let texts = try zip(ours.embeddings(tokens: tokens), theirs.embeddings(tokens: tokens))
    for (a, b) in Array(pictures) + Array(texts) { #expect(relativeError(unit(a), unit(b)) < 1e-6) }
  }

  /// Some of the fixtures normalise their embeddings; what is exported never does.
  static func unit(_ row: [Float]) -> [Float] {
    let length = row.reduce(0) { $0 + $1 * $1 }.squareRoot()
    return row.map { $0 / length }
  }

  // MARK: What cannot be trained

  static func refusal(visual: String, textual: String) -> String? {
    do {
      _ = try PretrainedModel(
        visual: fixture(visual), textual: fixture(textual), CLIP.Options())
      return nil
    } catch { return error.message }
  }

  @Test(arguments: [
    ("openclip-resnet.17.image", "openai.17.text", "TrainingMode.PRESERVE"),
    ("openai-resnet.dynamo.image", "openai.17.text", "visual.bn1 into visual.conv1"),
    // Its convolutions have biases besides.
    ("variant.batchnorm", "openai.17.text", "TrainingMode.PRESERVE"),
    ("variant.batchnorm-primitives", "openai.17.text", "TrainingMode.PRESERVE"),
    ("openai.17.image", "near.mask-empty", "not causal"),
    ("openclip-gelu.17.both", "openai.17.text", "another activation"),
  ])
  func isRefused(_ visual: String, _ textual: String, _ reason: String) {
    #expect(ExportTests.refusal(visual: visual, textual: textual)?.contains(reason) == true)
  }

  @Test func oneTowerIsNotEnough() {
    #expect {
      _ = try PretrainedModel(path: ExportTests.fixture("openai.17.image"), CLIP.Options())
    } throws: { ($0 as? CLIPError)?.kind == .missingPart }
  }

  // MARK: Files

  private func failure(
    _ store: ParameterStore, _ weights: StoredWeights = .float32, into folder: String
  ) -> CLIPError? {
    do {
      try Export.write(
        SyntheticModel.gelu.architecture, store, logitScale: 1, vocabulary: [1], weights, into: folder)
      return nil
    } catch { return error }
  }

  @Test func nothingIsLeftWhereAFileCannotTakeItsPlace() throws {
    let store = try SyntheticModel.gelu.store()
    try withFolder { (folder) throws in
      let blocked = "\(folder)/blocked"
      try FileManager.default.createDirectory(
        atPath: blocked + "/textual.onnx/full", withIntermediateDirectories: true)
      let error = try #require(failure(store, into: blocked))
      #expect(error.kind == .io && error.message.contains("textual.onnx cannot be replaced"))
      #expect(try ExportTests.names(in: blocked).allSatisfy { !$0.contains("partial") })

      try Data([7]).write(to: URL(filePath: "\(folder)/file"))
      #expect(failure(store, into: "\(folder)/file")?.kind == .io)
      #expect(failure(store, into: "\(folder)/not/there")?.kind == .io)
      #expect(try ExportTests.bytes("\(folder)/file") == Data([7]))
    }
  }

  @Test func numbersThatCannotBeKeptAreRefused() throws {
    let store = try SyntheticModel.gelu.store()
    let parameter = try #require(store.named("transformer.resblocks.1.mlp.c_fc.weight"))
    try withFolder { (folder) throws in
      store.value(parameter)[5] = 65520
      #expect(failure(store, .float16, into: folder)?.message.contains("c_fc.weight holds 65520") == true)
      store.value(parameter)[5] = .nan
      #expect(failure(store, into: folder)?.message.contains("not finite") == true)
      let left = try ExportTests.names(in: folder)
      #expect(left.isEmpty)
      store.value(parameter)[5] = 65519
      #expect(failure(store, .float16, into: folder) == nil)
    }
  }
}
