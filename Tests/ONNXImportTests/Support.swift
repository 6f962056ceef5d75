import Foundation
import ONNXImport

func exponential(_ x: Double) -> Double { exp(x) }
func errorFunction(_ x: Double) -> Double { erf(x) }

/// Where the fixtures are.
enum Fixtures {
  static let repository = URL(fileURLWithPath: #filePath)
    .deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()
  static let folder =
    ProcessInfo.processInfo.environment["ONNX_FIXTURES"].map { URL(fileURLWithPath: $0) }
    ?? repository.appendingPathComponent("Tests/fixtures/onnx")

  static func path(_ name: String) -> String { folder.appendingPathComponent(name + ".onnx").path }

  static let pocketVisual = repository.appendingPathComponent("models/pocket/visual.onnx").path
  static let pocketTextual = repository.appendingPathComponent("models/pocket/textual.onnx").path

  /// What make_onnx.py noted about each file.
  struct Golden: Codable, Sendable {
    let image: [[Double]]?
    let text: [[Double]]?
    let normalised: Bool
    let logitScale: Double?
    let activation: String
    /// Largest relative error; without one, that of single precision.
    let tolerance: Double?
  }

  static let golden: [String: Golden] = {
    guard let data = try? Data(contentsOf: folder.appendingPathComponent("golden.json")) else { return [:] }
    return (try? JSONDecoder().decode([String: Golden].self, from: data)) ?? [:]
  }()

  /// A near miss: whether it must be honoured (or may be either), and what onnxruntime answers.
  struct NearMiss: Codable, Sendable {
    let part: String
    let honoured: Bool?
    let expected: [[Double]]
  }

  static let nearMisses: [String: NearMiss] = {
    guard let data = try? Data(contentsOf: folder.appendingPathComponent("near.json")) else { return [:] }
    return (try? JSONDecoder().decode([String: NearMiss].self, from: data)) ?? [:]
  }()

  static func bytes(_ path: String) throws -> [UInt8] {
    [UInt8](try Data(contentsOf: URL(fileURLWithPath: path)))
  }

  static let tokens = [[38, 5, 39, 0, 0, 0, 0], [38, 1, 2, 3, 4, 5, 39], [38, 4, 39, 7, 39, 0, 0]]

  /// The picture of the batch with this index, by make_onnx.py's formula.
  static func picture(_ index: Int, size: Int = 12) -> [Float] {
    let count = 3 * size * size
    return (index * count..<(index + 1) * count).map { Float($0 * 7919 % 1009) / 256 - 2 }
  }
}

/// |a − b| / |b|
func relativeError(_ a: [Double], _ b: [Double]) -> Double {
  let difference = zip(a, b).reduce(0) { $0 + ($1.0 - $1.1) * ($1.0 - $1.1) }
  return (difference / b.reduce(0) { $0 + $1 * $1 }).squareRoot()
}

/// Divided by its length.
func unit(_ x: [Double]) -> [Double] {
  let length = x.reduce(0) { $0 + $1 * $1 }.squareRoot()
  return x.map { $0 / length }
}

/// The message of the error that importing throws, or nil where it throws none.
func refusal(_ body: () throws -> Void) -> String? {
  do {
    try body()
    return nil
  } catch let error as ImportError {
    return error.message
  } catch {
    return "\(error)"
  }
}

/// Imports bytes.
func importBytes(_ bytes: [UInt8]) throws -> ImportedModel {
  try unsafe bytes.withUnsafeBytes { (buffer) throws(ImportError) in
    unsafe try importModel(bytes: buffer, name: "bytes")
  }
}
