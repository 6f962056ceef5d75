import ONNXImport
import Testing

/// Every operator with inputs and attributes drawn at random: the importer answers or refuses, and never traps.
@Suite struct OperatorFuzzTests {
  typealias Node = WireBuilder.Node

  /// Operators whose shapes, axes and counts come from the file, with the domain they belong to.
  static let operators: [(String, String)] =
    [
      "Conv", "BatchNormalization", "AveragePool", "Relu", "QuantizeLinear", "DequantizeLinear",
      "DynamicQuantizeLinear", "MatMulInteger", "ConvInteger", "Attention", "LayerNormalization",
      "SimplifiedLayerNormalization", "Gemm", "MatMul", "Gather", "GatherND", "GatherElements", "Slice",
      "Split",
      "Concat", "Reshape", "Expand", "Tile", "Squeeze", "Unsqueeze", "Flatten", "Transpose", "Softmax",
      "ReduceMean",
      "ArgMax", "Trilu", "CumSum", "LpNormalization", "Where", "Pow", "Mod", "Clip",
    ].map { ($0, "") }
    + [
      "QuickGelu", "BiasGelu", "FusedMatMul", "FusedGemm", "FusedConv", "SkipLayerNormalization", "Attention",
      "MultiHeadAttention", "DynamicQuantizeMatMul", "MatMulIntegerToFloat", "DequantizeLinear",
    ].map { ($0, "com.microsoft") }

  static let attributes = [
    "axis", "group", "num_heads", "q_num_heads", "kv_num_heads", "unidirectional", "transA", "transB",
    "keepdims",
    "training_mode", "num_outputs", "batch_dims", "upper", "to", "allowzero", "block_size",
  ]
  static let lists = [
    "kernel_shape", "strides", "pads", "dilations", "perm", "axes", "split", "qkv_hidden_sizes", "starts",
    "ends",
  ]

  /// Tensors of odd shapes: floats and integers of each width.
  static let tensors: [(String, WireBuilder)] = {
    let shapes: [[Int]] = [
      [], [0], [1], [3], [7], [8, 3, 3, 3], [8, 3, 1, 1], [2, 3, 4, 4], [12, 36], [36, 12], [7, 12],
      [1, 7, 12],
      [3, 0, 2], [2, 5, 3, 3, 4], [12],
    ]
    var result: [(String, WireBuilder)] = []
    for (type, size) in [(1, 4), (2, 1), (3, 1), (7, 8), (10, 2), (9, 1)] {
      for shape in shapes {
        let count = shape.reduce(size, *)
        let name = "c\(result.count)"
        let raw = (0..<count).map {
          type == 1 || type == 10 ? UInt8($0 % size == size - 1 ? 60 : 0) : UInt8($0 % 3)
        }
        result.append((name, WireBuilder.tensor(name, type: type, shape: shape, raw: raw)))
      }
    }
    return result
  }()

  @Test(arguments: 0..<16) func neverTraps(seed: Int) throws {
    var random = SplitMix(state: UInt64(seed))
    for _ in 0..<400 {
      var names = ["image", "ids", ""] + OperatorFuzzTests.tensors.map(\.0)
      var nodes: [Node] = []
      for i in 0..<(1 + random.below(4)) {
        let (operation, domain) = OperatorFuzzTests.operators[random.below(OperatorFuzzTests.operators.count)]
        var node = Node(operation: operation, inputs: [], outputs: [], domain: domain)
        // The values made last are the likeliest inputs.
        for _ in 0..<(1 + random.below(6)) {
          node.inputs.append(random.below(2) == 0 ? names[names.count - 1] : names[random.below(names.count)])
          if random.below(4) == 0 {
            node.inputs[node.inputs.count - 1] = random.below(2) == 0 ? "image" : "ids"
          }
        }
        node.outputs = (0..<(1 + random.below(4))).map { "v\(i)_\($0)" }
        for _ in 0..<random.below(4) {
          node.integers[OperatorFuzzTests.attributes[random.below(OperatorFuzzTests.attributes.count)]] =
            random.number()
        }
        for _ in 0..<random.below(4) {
          node.lists[OperatorFuzzTests.lists[random.below(OperatorFuzzTests.lists.count)]] =
            (0..<random.below(6)).map { _ in random.number() }
        }
        nodes.append(node)
        names.append(node.outputs[0])
      }
      let output = nodes[nodes.count - 1].outputs[random.below(nodes[nodes.count - 1].outputs.count)]
      let bytes = WireBuilder.model(
        nodes: nodes, tensors: OperatorFuzzTests.tensors.map(\.1), output: output,
        opset: [9, 13, 17, 23][random.below(4)])
      #expect(refusal { _ = try importBytes(bytes) } != nil)
    }
  }
}

/// A small generator of random numbers whose sequence is the same everywhere.
struct SplitMix {
  var state: UInt64

  mutating func next() -> UInt64 {
    state &+= 0x9E37_79B9_7F4A_7C15
    var z = state
    z = (z ^ z >> 30) &* 0xBF58_476D_1CE4_E5B9
    z = (z ^ z >> 27) &* 0x94D0_49BB_1331_11EB
    return z ^ z >> 31
  }

  mutating func below(_ limit: Int) -> Int { Int(next() % UInt64(limit)) }

  /// Mostly small numbers, sometimes the ends of the range.
  mutating func number() -> Int {
    switch below(12) {
    case 0: Int(Int64.max)
    case 1: Int(Int64.min)
    case 2: 1 << (20 + below(24))
    default: below(7) - 2
    }
  }
}
