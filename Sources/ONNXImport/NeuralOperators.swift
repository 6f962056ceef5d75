/// Operators of neural networks. Fused ones are taken apart into the primitives they stand for, so that one set of
/// rules recognises both.
extension Interpreter {
  mutating func neuralOperator(_ call: Call) throws(ImportError) -> Value? {
    switch call.node.operation {
    case "MatMul": return try program.matrixProduct(call.input(0), call.input(1))
    case "Gemm": return try gemm(call)
    case "Einsum": return try einsum(call)
    case "Softmax": return try softmax(call)
    case "LayerNormalization": return try layerNormalisation(call)
    case "LpNormalization":
      guard call.integer("p") ?? 2 == 2 else {
        throw .unsupported("divides by another norm than the Euclidean")
      }
      let value = try call.input(0)
      let axis = try program.axis(call.integer("axis") ?? -1, rank: value.shape.count)
      return try program.alongColumns(value, columns: [axis]) { .normalised($0) }
    case "Gelu":
      guard call.string("approximate") ?? "none" == "none" else {
        throw .unsupported("approximates GELU by tanh; only the exact GELU and QuickGELU are supported")
      }
      return try gelu(call.input(0))
    case "Attention": return try attention(call)
    // onnxruntime's optimiser puts it into the standard's domain.
    case "SimplifiedLayerNormalization", "RMSNormalization": return try rootMeanSquareNorm(call)
    default: return nil
    }
  }

  mutating func gemm(_ call: Call) throws(ImportError) -> Value {
    var (a, b) = (try call.input(0), try call.input(1))
    guard a.shape.count == 2, b.shape.count == 2 else {
      throw .malformed("multiplies shapes \(a.shape), \(b.shape)")
    }
    if call.integer("transA") ?? 0 != 0 { a = try program.transposed(a, [1, 0]) }
    if call.integer("transB") ?? 0 != 0 { b = try program.transposed(b, [1, 0]) }
    var result = try program.matrixProduct(a, b)
    if let alpha = call.float("alpha"), alpha != 1 {
      result = try program.binary(.multiply, result, program.constant(float: alpha))
    }
    guard var bias = call.optional(2) else { return result }
    if let beta = call.float("beta"), beta != 1 {
      bias = try program.binary(.multiply, bias, program.constant(float: beta))
    }
    let sum = try program.binary(.add, result, bias)
    guard sum.shape == result.shape else { throw .malformed("adds a bias of shape \(bias.shape)") }
    return sum
  }

  private mutating func softmax(_ call: Call) throws(ImportError) -> Value {
    let value = try call.input(0)
    let axis = try program.axis(
      call.integer("axis") ?? (call.version < 13 ? 1 : -1), rank: value.shape.count)
    // Before version 13 the axes from `axis` on were one.
    let columns = call.version < 13 ? Array(axis..<value.shape.count) : [axis]
    return try program.alongColumns(value, columns: columns) { .softmax($0) }
  }

  private mutating func layerNormalisation(_ call: Call) throws(ImportError) -> Value {
    let value = try call.input(0)
    return try normalised(
      value, axis: program.axis(call.integer("axis") ?? -1, rank: value.shape.count),
      epsilon: Double(call.float("epsilon") ?? 1e-5), gain: call.input(1), bias: call.optional(2))
  }

  /// (x − mean) / √(variance + ε) · gain + bias over the axes from `axis` on.
  mutating func normalised(
    _ value: Value, axis: Int, epsilon: Double, gain: Value, bias: Value?
  ) throws(ImportError) -> Value {
    let unit = try program.alongColumns(value, columns: Array(axis..<value.shape.count)) {
      .standardised($0, epsilon: epsilon)
    }
    var result = try program.binary(.multiply, unit, gain)
    if let bias { result = try program.binary(.add, result, bias) }
    guard result.shape == value.shape else {
      throw .malformed("has a gain or bias that does not fit \(value.shape)")
    }
    return result
  }

  mutating func gelu(_ x: Value) throws(ImportError) -> Value {
    let inner = try program.binary(.multiply, x, program.constant(float: Float(0.5.squareRoot())))
    let gate = try program.binary(.add, program.unary(.erf, inner), program.constant(float: 1))
    return try program.binary(
      .multiply, program.binary(.multiply, x, gate), program.constant(float: 0.5))
  }

  /// Two operands summed over what the output leaves out.
  private mutating func einsum(_ call: Call) throws(ImportError) -> Value {
    let equation = (call.string("equation") ?? "").filter { $0 != " " }
    // By its one ">", not by searching for "->": string searching would link a regular expression engine.
    let sides = equation.split(separator: ">", omittingEmptySubsequences: false)
    guard sides.count == 2, sides[0].last == "-" else { throw .unsupported("has no explicit output") }
    let terms = sides[0].dropLast().split(separator: ",", omittingEmptySubsequences: false).map(Array.init)
    let output = Array(sides[1])
    guard terms.count == 2, call.inputs.count == 2,
      (terms + [output]).allSatisfy({ term in
        term.allSatisfy(\.isLetter) && Set(term).count == term.count
      })
    else { throw .unsupported("the equation \(quoted(equation)) is not a product of two") }
    let (a, b) = (try call.input(0), try call.input(1))
    guard terms[0].count == a.shape.count, terms[1].count == b.shape.count else {
      throw .malformed("does not fit its inputs")
    }
    let batch = output.filter { terms[0].contains($0) && terms[1].contains($0) }
    let rows = output.filter { terms[0].contains($0) && !terms[1].contains($0) }
    let columns = output.filter { !terms[0].contains($0) && terms[1].contains($0) }
    let inner = terms[0].filter { terms[1].contains($0) && !output.contains($0) }
    var sizes: [Character: Int] = [:]
    for (term, value) in zip(terms, [a, b]) {
      for (letter, size) in zip(term, value.shape) {
        guard sizes[letter] ?? size == size else { throw .malformed("has two sizes for one letter") }
        sizes[letter] = size
      }
    }
    guard Set(terms[0]) == Set(batch + rows + inner), Set(terms[1]) == Set(batch + columns + inner),
      Set(output) == Set(batch + rows + columns)
    else { throw .unsupported("the equation \(quoted(equation)) is not a product of two") }
    func turned(_ value: Value, _ term: [Character], _ groups: [[Character]]) throws(ImportError) -> Value {
      let order = groups.flatMap { $0 }.compactMap { term.firstIndex(of: $0) }
      let moved = try program.transposed(value, order)
      let shape =
        groups[0].map { sizes[$0] ?? 1 } + groups.dropFirst().map { $0.reduce(1) { $0 &* (sizes[$1] ?? 1) } }
      return moved.with(moved.layout.reshaped(shape))
    }
    let product = try program.matrixProduct(
      turned(a, terms[0], [batch, rows, inner]), turned(b, terms[1], [batch, inner, columns]))
    let natural = batch + rows + columns
    let spread = product.with(product.layout.reshaped(natural.map { sizes[$0] ?? 1 }))
    return try program.transposed(spread, output.compactMap { natural.firstIndex(of: $0) })
  }
}
