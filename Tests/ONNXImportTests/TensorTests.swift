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
    let region = try Region.mapping(path: Fixtures.path(name))
    let model = try region.withSpan { (bytes) throws(ImportError) in
      var reader = RecordReader()
      return try reader.model(bytes)
    }
    let graph = try #require(model.graph)
    var reader = TensorReader(region: region, folder: Fixtures.folder.path)
    #expect(graph.initializers.count == golden.count)
    for record in graph.initializers {
      let (tensor, shape) = try reader.constant(record)
      let layout = Layout(dense: shape)
      let bytes: [UInt8] =
        tensor.type.kind == .float
        ? try tensor.floats(layout).flatMap { littleEndian($0.bitPattern) }
        : try tensor.integers(layout).flatMap { littleEndian(UInt64(bitPattern: Int64($0))) }
      let digest = bytes.reduce(0xCBF2_9CE4_8422_2325 as UInt64) { ($0 ^ UInt64($1)) &* 0x100_0000_01B3 }
      let hex = String(digest, radix: 16)
      let padded = String(repeating: "0", count: 16 - hex.count) + hex
      #expect(golden[record.name] == ["\(shape)", padded], "\(record.name)")
    }
  }

  private func littleEndian<T: FixedWidthInteger>(_ value: T) -> [UInt8] {
    (0..<T.bitWidth / 8).map { UInt8(truncatingIfNeeded: value >> T(8 * $0)) }
  }
}
