import Foundation
import Testing

@testable import SwiftCLIP

@Suite struct OpeningTests {
  /// A folder that is gone after the test.
  func withFolder(_ body: (String) throws -> Void) throws {
    let folder = FileManager.default.temporaryDirectory.appending(path: "swiftclip-\(UUID().uuidString)")
      .path()
    try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(atPath: folder) }
    try body(folder)
  }

  /// Common layouts: where the towers and the merges are put.
  static let layouts: [(visual: String, textual: String, merges: String)] = [
    ("visual.onnx", "textual.onnx", "merges.txt"),
    ("onnx/vision_model.onnx", "onnx/text_model.onnx", "merges.txt"),
    ("vision_model.onnx", "text_model.onnx", "bpe_simple_vocab_16e6.txt"),
    ("visual/model.onnx", "textual/model.onnx", "textual/merges.txt"),
  ]

  @Test(arguments: layouts)
  func layoutsAreFound(_ layout: (visual: String, textual: String, merges: String)) throws {
    try withFolder { folder in
      for (from, to) in [
        ("visual.onnx", layout.visual), ("textual.onnx", layout.textual), ("merges.txt", layout.merges),
      ] {
        let target = URL(filePath: folder).appending(path: to)
        try FileManager.default.createDirectory(
          at: target.deletingLastPathComponent(), withIntermediateDirectories: true)
        try FileManager.default.copyItem(atPath: PocketModel.directory + "/" + from, toPath: target.path())
      }
      let clip = try CLIP(path: folder, CLIP.Options())
      #expect(clip.imageSize == 64 && clip.contextLength == 32)
      #expect(clip.tokenizer != nil)
    }
  }

  @Test func oneTowerAnswersForItself() throws {
    let clip = try CLIP(path: PocketModel.directory + "/visual.onnx", CLIP.Options())
    #expect(clip.contextLength == nil)
    let error = #expect(throws: CLIPError.self) { try clip.embeddings(tokens: []) }
    #expect(error?.kind == .missingPart)
  }

  @Test func swappedTowersAreTold() throws {
    let error = #expect(throws: CLIPError.self) {
      try CLIP(
        visual: PocketModel.directory + "/textual.onnx", textual: PocketModel.directory + "/visual.onnx",
        CLIP.Options())
    }
    #expect(error?.kind == .unsupported)
  }

  @Test(arguments: ["", "/nonexistent/model.onnx", "/dev/null", "/tmp"])
  func pathsWithoutAModelAreTold(_ path: String) throws {
    let error = #expect(throws: CLIPError.self) { try CLIP(path: path, CLIP.Options()) }
    #expect(error.map { [.io, .invalidData].contains($0.kind) } == true)
  }

  @Test func vocabularyMustFitTheModel() throws {
    try withFolder { folder in
      let path = folder + "/merges.txt"
      try "#version: 0.2\na b\nc d\n".write(toFile: path, atomically: true, encoding: .utf8)
      var options = CLIP.Options()
      options.vocabularyPath = path
      let error = #expect(throws: CLIPError.self) { try CLIP(path: PocketModel.directory, options) }
      #expect(error?.kind == .invalidData)
    }
  }

  @Test func descriptionIsJSON() throws {
    let text = try PocketModel.open().description
    let object = try JSONSerialization.jsonObject(with: Data(text.utf8)) as? [String: Any]
    #expect(object?["embed_dim"] as? Int == 256)
    #expect((object?["image"] as? [String: Any])?["activation"] as? String == "QuickGELU")
  }
}
