import Foundation
import Testing

@testable import ONNXImport

/// Every tensor of every fixture, read as libonnx (through the onnx package) reads it.
@Suite struct TensorTests {
  struct Golden: Codable {
    let tensors: [String: [String]]
  }

  @Test(arguments: Fixtures.golden.keys.sorted())
  func readsTensorsAsLibonnx(name: String) throws {
    let data = try Data(contentsOf: Fixtures.folder.appendingPathComponent("golden.json"))
    let golden = try #require(JSONDecoder().decode([String: Golden].self, from: data)[name]).tensors
    #expect(try digests(Fixtures.path(name)) == golden)
  }

  /// The same by libonnx itself, for every file there is, near misses too.
  @Test(.enabled(if: Libonnx.isInstalled)) func readsTensorsAsLibonnxInCxx() throws {
    let files = try FileManager.default.contentsOfDirectory(atPath: Fixtures.folder.path)
      .filter { $0.hasSuffix(".onnx") }.sorted().map { Fixtures.folder.appendingPathComponent($0).path }
    #expect(files.count > 50)
    let expected = try Libonnx.digests(files)
    for file in files { #expect(try digests(file) == expected[file] ?? [:], "\(file)") }
  }

  /// Shape and digest of every initialiser as our reader has them.
  private func digests(_ path: String) throws -> [String: [String]] {
    let files = ModelFiles()
    let region = try files.open(path)
    let model = try region.withSpan { (bytes) throws(ImportError) in
      var reader = RecordReader()
      return try reader.model(bytes)
    }
    let graph = try #require(model.graph)
    let reader = TensorReader(region: region, external: (Fixtures.folder.path, files))
    var result: [String: [String]] = [:]
    for record in graph.initializers {
      let (tensor, shape) = try reader.constant(record)
      let layout = Layout(dense: shape)
      let bytes: [UInt8] =
        tensor.type.kind == .float
        ? try tensor.floats(layout).flatMap { littleEndian($0.bitPattern) }
        : try tensor.integers(layout).flatMap { littleEndian(UInt64(bitPattern: Int64($0))) }
      let digest = bytes.reduce(0xCBF2_9CE4_8422_2325 as UInt64) { ($0 ^ UInt64($1)) &* 0x100_0000_01B3 }
      let hex = String(digest, radix: 16)
      result[record.name] = ["\(shape)", String(repeating: "0", count: 16 - hex.count) + hex]
    }
    return result
  }

  private func littleEndian<T: FixedWidthInteger>(_ value: T) -> [UInt8] {
    (0..<T.bitWidth / 8).map { UInt8(truncatingIfNeeded: value >> T(8 * $0)) }
  }
}

/// Tests/abi/onnx_digests.cpp, compiled where Debian's libonnx-dev and libprotobuf-dev are installed.
private enum Libonnx {
  static let isInstalled =
    FileManager.default.fileExists(atPath: "/usr/include/onnx/onnx_pb.h")
    && FileManager.default.fileExists(atPath: "/usr/include/google/protobuf/message.h")

  /// File -> tensor -> shape and digest.
  static func digests(_ files: [String]) throws -> [String: [String: [String]]] {
    let program = FileManager.default.temporaryDirectory.appendingPathComponent("onnx_digests-\(getpid())")
    defer { try? FileManager.default.removeItem(at: program) }
    let source = Fixtures.repository.appendingPathComponent("Tests/abi/onnx_digests.cpp").path
    _ = try run(
      "/usr/bin/env",
      [
        "c++", "-std=c++17", "-O1", "-DONNX_ML=1", "-DONNX_NAMESPACE=onnx", source, "-lonnx_proto",
        "-lprotobuf",
        "-o", program.path,
      ])
    var result: [String: [String: [String]]] = [:]
    for line in try run(program.path, files).split(separator: "\n") {
      let parts = line.split(separator: "\t", omittingEmptySubsequences: false).map(String.init)
      try #require(parts.count == 4)
      result[parts[0], default: [:]][parts[1]] = [parts[2], parts[3]]
    }
    return result
  }

  private static func run(_ program: String, _ arguments: [String]) throws -> String {
    let process = Process()
    let output = Pipe()
    process.executableURL = URL(fileURLWithPath: program)
    process.arguments = arguments
    process.standardOutput = output
    try process.run()
    let data = output.fileHandleForReading.readDataToEndOfFile()
    process.waitUntilExit()
    try #require(process.terminationStatus == 0, "\(program) failed")
    return String(decoding: data, as: UTF8.self)
  }
}
