import Foundation
import Testing

@testable import ONNXImport

/// Files that are read into memory, that change meanwhile, and that are larger than they may be.
@Suite struct FileTests {
  /// A copy of a fixture with external data, in a folder of its own.
  private func copied() throws -> URL {
    let folder = FileManager.default.temporaryDirectory.appendingPathComponent(UUID().uuidString)
    try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    for name in [Self.name, Self.weights] {
      try FileManager.default.copyItem(
        at: Fixtures.folder.appendingPathComponent(name), to: folder.appendingPathComponent(name))
    }
    return folder
  }

  private static let name = "hf-sdpa.17.text.onnx"
  private static let weights = "hf-sdpa.weights"

  private func sizes(_ folder: URL) throws -> [Int] {
    try FileManager.default.contentsOfDirectory(atPath: folder.path).map {
      try Data(contentsOf: folder.appendingPathComponent($0)).count
    }
  }

  @Test func whatWasReadStaysWhenTheFileIsCut() throws {
    let folder = try copied()
    defer { try? FileManager.default.removeItem(at: folder) }
    let path = folder.appendingPathComponent(Self.name).path
    let expected = try #require(try importModel(path: path).text).tokenEmbedding.floats()
    let model = try importModel(path: path, ModelFiles(readsIntoMemory: true))
    for name in [Self.name, Self.weights] {
      try #require(truncate(folder.appendingPathComponent(name).path, 0) == 0)
    }
    // A page of a mapped file that is gone ends the process.
    #expect(try #require(model.text).tokenEmbedding.floats() == expected)
    #expect(
      refusal { _ = try importModel(path: path, ModelFiles(readsIntoMemory: true)) }?.contains("empty")
        == true)
  }

  @Test(arguments: [false, true])
  func limitsCountAllFiles(readsIntoMemory: Bool) throws {
    let folder = try copied()
    defer { try? FileManager.default.removeItem(at: folder) }
    let path = folder.appendingPathComponent(Self.name).path
    let size = try sizes(folder).reduce(0, +)
    let exact = ModelFiles(readsIntoMemory: readsIntoMemory, limit: size)
    #expect(try importModel(path: path, exact).text != nil)
    // Known already: it is opened, and counted, once.
    #expect(try importModel(path: path, exact).text != nil)
    let other = folder.appendingPathComponent("other.onnx").path
    try FileManager.default.copyItem(atPath: path, toPath: other)
    for (file, files) in [
      (other, exact), (path, ModelFiles(readsIntoMemory: readsIntoMemory, limit: size - 1)),
    ] {
      #expect(throws: ImportError.self) { try importModel(path: file, files) }
      #expect(refusal { _ = try importModel(path: file, files) }?.contains("max_model_bytes") == true)
    }
  }

  @Test func readingCanBeStopped() throws {
    let path = Fixtures.folder.appendingPathComponent(Self.name).path
    #expect(throws: ImportError.stopped) {
      try importModel(path: path, ModelFiles(readsIntoMemory: true, isStopped: { true }))
    }
  }
}
