import Kernels
import ONNXExport

/// How an exported model keeps its matrices.
public enum StoredWeights: Sendable {
  case float32
  /// Rounded to half precision, in half the space; vectors stay float32.
  case float16
}

/// The graph of a tower while it is put together: CLIP's layers in ONNX's operators, with the weights of a store under
/// their official names and in their official shapes.
struct TowerGraph {
  typealias Value = Graph.Value

  var graph: Graph
  let store: ParameterStore
  let weights: StoredWeights
  let quickGELU: Bool
  static let batchNormEpsilon: Float = 1e-5

  init(_ name: String, _ store: ParameterStore, _ weights: StoredWeights, quickGELU: Bool) {
    graph = Graph(name: name)
    (self.store, self.weights, self.quickGELU) = (store, weights, quickGELU)
  }

  /// A parameter or a buffer of the store.
  mutating func parameter(_ name: String, _ shape: Int...) throws(CLIPError) -> Value {
    guard let (values, stored) = unsafe store.values(named: name), stored == shape else {
      throw CLIPError(.invalidData, "The model has no \(name) of shape \(shape), so it cannot be exported.")
    }
    let isHalf = weights == .float16 && shape.count >= 2
    let count = shape.reduce(1, *)
    unsafe try check(name, UnsafeBufferPointer(start: values, count: count), isHalf: isHalf)
    return graph.constant(name, shape, unsafe Numbers(values, count: count, isHalf: isHalf))
  }

  private func check(_ name: String, _ values: UnsafeBufferPointer<Float>, isHalf: Bool) throws(CLIPError) {
    var largest: Float = 0
    for index in values.indices {
      let value = unsafe values[index]
      // Not a number compares as false.
      guard abs(value) <= Float.greatestFiniteMagnitude else {
        throw CLIPError(
          .invalidData,
          "\(name) holds a value that is not finite, so nothing was exported. Go back to the last good checkpoint."
        )
      }
      largest = max(largest, abs(value))
    }
    // From here on numbers round to infinity.
    guard isHalf, largest >= 65520 else { return }
    throw CLIPError(
      .invalidData,
      "\(name) holds \(largest), which is too large for float16, so nothing was exported. Export with float32 weights."
    )
  }

  // MARK: Layers

  mutating func shape(_ sizes: Int...) -> Value { graph.constant(sizes) }

  mutating func add(_ a: Value, _ b: Value) -> Value { graph.node("Add", [a, b]) }

  mutating func reshape(_ x: Value, _ sizes: Int...) -> Value {
    graph.node("Reshape", [x, graph.constant(sizes)])
  }

  mutating func transpose(_ x: Value, _ order: Int...) -> Value {
    graph.node("Transpose", [x], ["perm": .integers(order)])
  }

  /// x·Wᵀ + b, for a weight (outputs, inputs).
  mutating func linear(
    _ x: Value, weight: String, bias: String, inputs: Int, outputs: Int
  ) throws(CLIPError) -> Value {
    let matrix = transpose(try parameter(weight, outputs, inputs), 1, 0)
    return add(graph.node("MatMul", [x, matrix]), try parameter(bias, outputs))
  }

  mutating func linear(_ x: Value, _ name: String, inputs: Int, outputs: Int) throws(CLIPError) -> Value {
    try linear(x, weight: "\(name).weight", bias: "\(name).bias", inputs: inputs, outputs: outputs)
  }

  mutating func layerNorm(_ x: Value, _ name: String, width: Int) throws(CLIPError) -> Value {
    let inputs = try [x, parameter("\(name).weight", width), parameter("\(name).bias", width)]
    return graph.node(
      "LayerNormalization", inputs, ["axis": .integer(-1), "epsilon": .float(TrainedLayerNorm.epsilon)])
  }

  mutating func activation(_ x: Value) -> Value {
    if quickGELU {
      let gate = graph.node("Sigmoid", [graph.node("Mul", [x, graph.constant(1.702)])])
      return graph.node("Mul", [x, gate])
    }
    let erf = graph.node("Erf", [graph.node("Mul", [x, graph.constant(Float(0.5.squareRoot()))])])
    let gate = add(erf, graph.constant(1))
    return graph.node("Mul", [graph.node("Mul", [x, gate]), graph.constant(0.5)])
  }

  /// Attention of q (batch, queries, width) over k and v (batch, tokens, width); (batch, queries, width).
  mutating func attention(
    _ q: Value, _ k: Value, _ v: Value, queries: Int, tokens: Int, width: Int, heads: Int, mask: Value?
  ) -> Value {
    let headWidth = width / heads
    let scaled = graph.node("Mul", [q, graph.constant(1 / Float(headWidth).squareRoot())])
    let query = transpose(reshape(scaled, 0, queries, heads, headWidth), 0, 2, 1, 3)
    let key = transpose(reshape(k, 0, tokens, heads, headWidth), 0, 2, 3, 1)
    let value = transpose(reshape(v, 0, tokens, heads, headWidth), 0, 2, 1, 3)
    var scores = graph.node("MatMul", [query, key])
    if let mask { scores = add(scores, mask) }
    let weights = graph.node("Softmax", [scores], ["axis": .integer(-1)])
    let attended = transpose(graph.node("MatMul", [weights, value]), 0, 2, 1, 3)
    return reshape(attended, 0, queries, width)
  }

  /// The residual attention blocks of a Transformer, on x (batch, tokens, width).
  mutating func transformer(
    _ x: Value, _ name: String, layers: Int, tokens: Int, width: Int, heads: Int, mask: Value? = nil
  ) throws(CLIPError) -> Value {
    var x = x
    for layer in 0..<layers {
      let block = "\(name).resblocks.\(layer)"
      let normed = try layerNorm(x, "\(block).ln_1", width: width)
      let all = try linear(
        normed, weight: "\(block).attn.in_proj_weight", bias: "\(block).attn.in_proj_bias", inputs: width,
        outputs: 3 * width)
      let parts = graph.node("Split", [all], outputs: 3, ["axis": .integer(2)])
      let attended = attention(
        parts[0], parts[1], parts[2], queries: tokens, tokens: tokens, width: width, heads: heads, mask: mask)
      x = add(x, try linear(attended, "\(block).attn.out_proj", inputs: width, outputs: width))
      let second = try layerNorm(x, "\(block).ln_2", width: width)
      let hidden = activation(try linear(second, "\(block).mlp.c_fc", inputs: width, outputs: 4 * width))
      x = add(x, try linear(hidden, "\(block).mlp.c_proj", inputs: 4 * width, outputs: width))
    }
    return x
  }
}

extension ParameterStore {
  /// The values of a parameter or a buffer, and its shape.
  func values(named name: String) -> (UnsafePointer<Float>, [Int])? {
    if let parameter = parameters.first(where: { $0.name == name }) {
      return unsafe (UnsafePointer(value(parameter)), parameter.shape)
    }
    guard let found = buffers.first(where: { $0.name == name }) else { return nil }
    return unsafe (UnsafePointer(buffer(found)), found.shape)
  }
}
