/// Operators that onnxruntime's optimiser puts in the place of several, taken apart again.
extension Interpreter {
  mutating func microsoftOperator(_ call: Call) throws(ImportError) -> [Value]? {
    switch call.node.operation {
    case "QuickGelu":
      let x = try call.input(0)
      let slope = try program.constant(float: call.float("alpha") ?? 1.702)
      return [try program.binary(.multiply, x, program.unary(.sigmoid, program.binary(.multiply, x, slope)))]
    case "Gelu": return [try gelu(call.input(0))]
    case "BiasGelu": return [try gelu(program.binary(.add, call.input(0), call.input(1)))]
    case "FastGelu":
      throw .unsupported("approximates GELU by tanh; only the exact GELU and QuickGELU are supported")
    case "FusedMatMul", "TransposeMatMul": return [try fusedProduct(call)]
    case "FusedGemm": return [try activated(gemm(call), call.string("activation") ?? "")]
    case "FusedConv":
      var sum = try convolution(call, bias: call.optional(2))
      if let other = call.optional(3) { sum = try program.binary(.add, sum, other) }
      return [try activated(sum, call.string("activation") ?? "")]
    case "SkipLayerNormalization": return try skipNorm(call)
    case "Attention": return [try fusedAttention(call)]
    case "MultiHeadAttention": return [try multiHeadAttention(call)]
    case "DynamicQuantizeMatMul": return [try quantisedProduct(call)]
    case "MatMulIntegerToFloat": return [try integerProduct(call)]
    case "QuantizeLinear", "DequantizeLinear": return try quantisedOperator(call)
    default: return nil
    }
  }

  private mutating func activated(_ x: Value, _ name: String) throws(ImportError) -> Value {
    switch name {
    case "": x
    case "Relu": try program.unary(.relu, x)
    default: throw .unsupported("ends in the activation \(quoted(name))")
    }
  }

  /// alpha · A B, either with its last two axes turned.
  private mutating func fusedProduct(_ call: Call) throws(ImportError) -> Value {
    guard call.integer("transBatchA") ?? 0 == 0, call.integer("transBatchB") ?? 0 == 0 else {
      throw .unsupported("turns batch axes; save the model at another level of optimisation")
    }
    var operands = [try call.input(0), try call.input(1)]
    for (i, name) in ["transA", "transB"].enumerated() where call.integer(name) ?? 0 != 0 {
      var order = Array(operands[i].shape.indices)
      guard order.count >= 2 else { continue }
      order.swapAt(order.count - 1, order.count - 2)
      operands[i] = try program.transposed(operands[i], order)
    }
    let result = try program.matrixProduct(operands[0], operands[1])
    return try program.binary(.multiply, result, program.constant(float: call.float("alpha") ?? 1))
  }

  /// LayerNorm(input + skip + bias): the norm, mean and 1/deviation of its rows, and the sum itself.
  private mutating func skipNorm(_ call: Call) throws(ImportError) -> [Value] {
    var sum = try program.binary(.add, call.input(0), call.input(1))
    if let bias = call.optional(4) {
      // Grouped with the layer that it belongs to: (layer + bias) + skip.
      let (x, skip) = (try call.input(0), try call.input(1))
      let layer = program.isLayer(x) ? x : skip
      let other = program.isLayer(x) ? skip : x
      sum = try program.binary(.add, program.binary(.add, layer, bias), other)
    }
    let last = sum.shape.count - 1
    let epsilon = Double(call.float("epsilon") ?? 1e-12)
    let norm = try normalised(sum, axis: last, epsilon: epsilon, gain: call.input(2), bias: call.optional(3))
    guard call.node.outputs.count > 1 else { return [norm] }
    let mean = try program.reduced(.mean, sum, axes: [last], keep: true)
    let squares = try program.unary(.square, program.binary(.subtract, sum, mean))
    let variance = try program.reduced(.mean, squares, axes: [last], keep: true)
    let shifted = try program.binary(.add, variance, program.constant(float: Float(epsilon)))
    return [norm, mean, try program.unary(.reciprocal, program.unary(.sqrt, shifted)), sum]
  }

  /// x / √(mean(x²) + ε) · gain
  mutating func rootMeanSquareNorm(_ call: Call) throws(ImportError) -> Value {
    let x = try call.input(0)
    let axis = try program.axis(call.integer("axis") ?? -1, rank: x.shape.count)
    let squares = try program.unary(.square, x)
    let mean = try program.reduced(.mean, squares, axes: Array(axis..<x.shape.count), keep: true)
    let epsilon = try program.constant(float: call.float("epsilon") ?? 1e-5)
    let root = try program.unary(.sqrt, program.binary(.add, mean, epsilon))
    return try program.binary(.multiply, program.binary(.divide, x, root), call.input(1))
  }

  /// A · (B − zero point) · scale + bias: onnxruntime quantises A for the time of the product.
  private mutating func quantisedProduct(_ call: Call) throws(ImportError) -> Value {
    let weights = try call.input(1)
    guard program.isConstant(weights) else {
      throw .unsupported("multiplies by weights that depend on the input")
    }
    let real = try program.dequantised(
      weights, program.cast(call.input(2), to: .float32), call.optional(3))
    let result = try program.matrixProduct(call.input(0), real)
    guard let bias = call.optional(4) else { return result }
    return try program.binary(.add, result, bias)
  }

  /// MatMulInteger, its scales and a bias.
  private mutating func integerProduct(_ call: Call) throws(ImportError) -> Value {
    let inputs = [try call.input(0), try call.input(1), call.optional(4), call.optional(5)]
    let integers = Call(node: call.node, inputs: inputs, version: call.version)
    var result = try program.matrixProduct(call.input(0), integerWeights(integers))
    for scale in [2, 3] { result = try program.binary(.multiply, result, call.input(scale)) }
    guard let bias = call.optional(6) else { return result }
    return try program.binary(.add, result, bias)
  }
}

extension Program {
  /// Whether a value is the result of a linear layer.
  func isLayer(_ value: Value) -> Bool {
    if case .linear = operation(value) { return true }
    return false
  }
}
