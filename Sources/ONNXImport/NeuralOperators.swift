/// Operators of neural networks. Fused ones are taken apart into the primitives they stand for, so that one set of
/// rules recognises both.
extension Interpreter {
  mutating func neuralOperator(_ call: Call) throws(ImportError) -> Value? {
    switch call.node.operation {
    case "MatMul": return try program.matrixProduct(call.input(0), call.input(1))
    case "Gemm": return try gemm(call)
    case "Einsum": return try einsum(call)
    case "Conv": return try convolution(call)
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
    default: return nil
    }
  }

  private mutating func gemm(_ call: Call) throws(ImportError) -> Value {
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
    let axis = try program.axis(call.integer("axis") ?? -1, rank: value.shape.count)
    let epsilon = Double(call.float("epsilon") ?? 1e-5)
    let unit = try program.alongColumns(value, columns: Array(axis..<value.shape.count)) {
      .standardised($0, epsilon: epsilon)
    }
    let scaled = try program.binary(.multiply, unit, call.input(1))
    guard let bias = call.optional(2) else { return scaled }
    let result = try program.binary(.add, scaled, bias)
    guard result.shape == value.shape else {
      throw .malformed("has a gain or bias that does not fit \(value.shape)")
    }
    return result
  }

  private mutating func gelu(_ x: Value) throws(ImportError) -> Value {
    let inner = try program.binary(.multiply, x, program.constant(float: Float(0.5.squareRoot())))
    let gate = try program.binary(.add, program.unary(.erf, inner), program.constant(float: 1))
    return try program.binary(
      .multiply, program.binary(.multiply, x, gate), program.constant(float: 0.5))
  }

  /// A convolution whose windows tile the picture is a linear map of patches.
  private mutating func convolution(_ call: Call) throws(ImportError) -> Value {
    let (x, weight) = (try call.input(0), try call.input(1))
    guard x.shape.count == 4, weight.shape.count == 4, program.isConstant(weight), weight.count > 0 else {
      throw .unsupported("is not a two-dimensional convolution with constant weights")
    }
    let kernel = Array(weight.shape[2...])
    let strides = call.integers("strides") ?? [1, 1]
    let padding = call.string("auto_pad") ?? "NOTSET"
    guard x.shape[1] == weight.shape[1], call.integer("group") ?? 1 == 1 else {
      throw .unsupported("convolves \(x.shape[1]) channels with a kernel for \(weight.shape[1])")
    }
    guard strides == kernel, call.integers("dilations")?.allSatisfy({ $0 == 1 }) ?? true,
      call.integers("pads")?.allSatisfy({ $0 == 0 }) ?? true, x.shape[2] % kernel[0] == 0,
      x.shape[3] % kernel[1] == 0,
      ["NOTSET", "VALID", "SAME_UPPER", "SAME_LOWER"].contains(padding)
    else {
      throw .unsupported(
        "is a convolution with kernel \(kernel), strides \(strides) over \(x.shape[2...].map { $0 }) pixels; only the "
          + "patch embedding of a Vision Transformer is understood")
    }
    let (rows, columns) = (x.shape[2] / kernel[0], x.shape[3] / kernel[1])
    let tiled = x.with(x.layout.reshaped([x.shape[0], x.shape[1], rows, kernel[0], columns, kernel[1]]))
    let patches = try program.transposed(tiled, [0, 2, 4, 1, 3, 5])
    let inputs = weight.shape[1] &* kernel[0] &* kernel[1]
    let matrix = try program.transposed(
      weight.with(weight.layout.reshaped([weight.shape[0], inputs])), [1, 0])
    var result = try program.linear(
      patches.with(patches.layout.reshaped([x.shape[0], rows, columns, inputs])), weight: matrix)
    if let bias = call.optional(2) { result = try program.binary(.add, result, bias) }
    return try program.transposed(result, [0, 3, 1, 2])
  }

  /// The Attention operator of operator set 23.
  private mutating func attention(_ call: Call) throws(ImportError) -> Value {
    var heads = [try call.input(0), try call.input(1), try call.input(2)]
    let flat = heads[0].shape.count == 3
    guard call.optional(4) == nil, call.optional(5) == nil, call.float("softcap") ?? 0 == 0 else {
      throw .unsupported("has a cache or a soft cap")
    }
    for i in heads.indices {
      guard heads[i].shape.count == (flat ? 3 : 4) else { throw .malformed("has inputs of different ranks") }
      guard flat else { continue }
      let count = call.integer(i == 0 ? "q_num_heads" : "kv_num_heads") ?? 0
      let shape = heads[i].shape
      guard count > 0, shape[2] % count == 0 else {
        throw .malformed("has \(count) heads for width \(shape[2])")
      }
      heads[i] = try program.transposed(
        heads[i].with(heads[i].layout.reshaped([shape[0], shape[1], count, shape[2] / count])), [0, 2, 1, 3])
    }
    let (q, k, v) = (heads[0], heads[1], heads[2])
    guard q.shape[1] == k.shape[1], q.shape[3] == k.shape[3] else {
      throw .unsupported("shares keys among heads")
    }
    let scale = call.float("scale").flatMap { $0 == 0 ? nil : $0 } ?? 1 / Float(q.shape[3]).squareRoot()
    var scores = try program.matrixProduct(q, program.transposed(k, [0, 1, 3, 2]))
    scores = try program.binary(.multiply, scores, program.constant(float: scale))
    if let mask = call.optional(3) {
      scores =
        program.kind(mask) == .bool
        ? try program.choose(mask, scores, program.constant(float: -.infinity))
        : try program.binary(.add, scores, mask)
    }
    if call.integer("is_causal") ?? 0 != 0 {
      let (m, s) = (q.shape[2], k.shape[2])
      try program.spend(m &* s)
      let visible = (0..<m &* s).map { $0 % s <= $0 / s ? 1 : 0 }
      let mask = try program.constant(ConstantTensor(visible, type: .bool), shape: [m, s])
      scores = try program.choose(mask, scores, program.constant(float: -.infinity))
    }
    let weights = try program.alongColumns(scores, columns: [3]) { .softmax($0) }
    let result = try program.matrixProduct(weights, v)
    guard flat else { return result }
    let merged = try program.transposed(result, [0, 2, 1, 3])
    return merged.with(
      merged.layout.reshaped([merged.shape[0], merged.shape[1], merged.shape[2] &* merged.shape[3]]))
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
