/// Writes protobuf's wire format, so that tests can make hostile models byte by byte.
struct WireBuilder {
  var bytes: [UInt8] = []

  static func varint(_ value: UInt64) -> [UInt8] {
    var rest = value
    var result: [UInt8] = []
    repeat {
      result.append(UInt8(rest & 0x7F) | (rest > 0x7F ? 0x80 : 0))
      rest >>= 7
    } while rest > 0
    return result
  }

  mutating func integer(_ field: Int, _ value: Int) {
    bytes += WireBuilder.varint(UInt64(field << 3)) + WireBuilder.varint(UInt64(bitPattern: Int64(value)))
  }

  mutating func data(_ field: Int, _ value: [UInt8]) {
    bytes += WireBuilder.varint(UInt64(field << 3 | 2)) + WireBuilder.varint(UInt64(value.count)) + value
  }

  mutating func text(_ field: Int, _ value: String) { data(field, Array(value.utf8)) }

  mutating func message(_ field: Int, _ build: (inout WireBuilder) -> Void) {
    var inner = WireBuilder()
    build(&inner)
    data(field, inner.bytes)
  }

  // MARK: ONNX

  struct Node {
    var operation: String
    var inputs: [String]
    var outputs: [String]
    var domain = ""
    var integers: [String: Int] = [:]
    var lists: [String: [Int]] = [:]
  }

  static func node(_ node: Node) -> WireBuilder {
    var builder = WireBuilder()
    for input in node.inputs { builder.text(1, input) }
    for output in node.outputs { builder.text(2, output) }
    builder.text(3, "the-\(node.operation)")
    builder.text(4, node.operation)
    for (name, value) in node.integers {
      builder.message(5) {
        $0.text(1, name)
        $0.integer(3, value)
        $0.integer(20, 2)
      }
    }
    for (name, values) in node.lists {
      builder.message(5) {
        $0.text(1, name)
        for value in values { $0.integer(8, value) }
        $0.integer(20, 7)
      }
    }
    builder.text(7, node.domain)
    return builder
  }

  /// A tensor; `external` is location, offset and length.
  static func tensor(
    _ name: String, type: Int, shape: [Int], raw: [UInt8]?, external: [(String, String)] = []
  ) -> WireBuilder {
    var builder = WireBuilder()
    for size in shape { builder.integer(1, size) }
    builder.integer(2, type)
    builder.text(8, name)
    if let raw { builder.data(9, raw) }
    for (key, value) in external {
      builder.message(13) {
        $0.text(1, key)
        $0.text(2, value)
      }
    }
    if !external.isEmpty { builder.integer(14, 1) }
    return builder
  }

  /// A model with tokens [batch, 7] "ids" and a picture [batch, 3, 12, 12] "image" as inputs.
  static func model(
    nodes: [Node], tensors: [WireBuilder] = [], output: String = "y", opset: Int = 17,
    functions: [WireBuilder] = []
  ) -> [UInt8] {
    var builder = WireBuilder()
    builder.integer(1, 8)
    builder.message(7) { graph in
      for node in nodes { graph.data(1, WireBuilder.node(node).bytes) }
      for tensor in tensors { graph.data(5, tensor.bytes) }
      graph.data(11, input("ids", type: 7, shape: [7]))
      graph.data(11, input("image", type: 1, shape: [3, 12, 12]))
      graph.message(12) { $0.text(1, output) }
    }
    builder.message(8) { $0.integer(2, opset) }
    for domain in ["local", "com.microsoft"] {
      builder.message(8) {
        $0.text(1, domain)
        $0.integer(2, 1)
      }
    }
    for function in functions { builder.data(25, function.bytes) }
    return builder.bytes
  }

  private static func input(_ name: String, type: Int, shape: [Int]) -> [UInt8] {
    var builder = WireBuilder()
    builder.text(1, name)
    builder.message(2) { kind in
      kind.message(1) { tensor in
        tensor.integer(1, type)
        tensor.message(2) { dimensions in
          dimensions.message(1) { $0.text(2, "batch") }
          for size in shape { dimensions.message(1) { $0.integer(1, size) } }
        }
      }
    }
    return builder.bytes
  }
}
