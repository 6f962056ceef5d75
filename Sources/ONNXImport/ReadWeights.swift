/// From constants of the program to the weights that are handed out.
extension Interpreter {
  /// A refusal that names the node which made an expression.
  func refusal(_ expression: Int, _ reason: String) -> ImportError {
    located(.unsupported(reason), program[expression].origin)
  }

  /// A constant as a weight of `shape`: the file's own bytes where they are floats in a strided order.
  mutating func weight(_ value: Value, _ shape: [Int], for expression: Int) throws(ImportError) -> Weight {
    guard let tensor = program.constant(value) else {
      throw refusal(expression, "has weights that depend on the input")
    }
    guard try checkedCount(shape) == value.count, value.count > 0 else {
      throw refusal(expression, "has \(value.count) weights where \(shape) are needed")
    }
    let layout = value.layout.reshaped(shape)
    if case .stored(let region, let start, let stored) = tensor.elements, let kind = stored.weightKind,
      let axes = layout.axes(), axes.allSatisfy({ $0.count <= 1 && $0.allSatisfy { $0.stride >= 0 } })
    {
      return Weight(
        kind: kind, shape: shape, strides: axes.map { $0.first?.stride ?? 0 },
        byteOffset: start + layout.offset * stored.size, region: region)
    }
    return try copied(try program.floats(value), shape)
  }

  /// A weight with memory of its own.
  func copied(_ values: [Float], _ shape: [Int]) throws(ImportError) -> Weight {
    // Both have values.count elements.
    let region = try unsafe Region.floats(count: values.count) { (memory) in
      _ = unsafe memory.initialize(from: values)
    }
    var strides = [Int](repeating: 1, count: shape.count)
    for i in shape.indices.reversed().dropFirst() { strides[i] = strides[i + 1] * shape[i + 1] }
    return Weight(kind: .float32, shape: shape, strides: strides, byteOffset: 0, region: region)
  }

  /// A layer of which all outputs are used: [inputs, outputs].
  mutating func linear(
    weight matrix: Value, bias: Value?, inputs: Int, outputs: Int, for expression: Int
  ) throws(ImportError) -> Linear {
    guard matrix.shape == [inputs, outputs] else {
      throw refusal(expression, "multiplies by \(matrix.shape) where [\(inputs), \(outputs)] is expected")
    }
    let weight = try weight(matrix, [inputs, outputs], for: expression)
    guard let bias else { return Linear(weight: weight, bias: nil) }
    return Linear(weight: weight, bias: try self.weight(bias, [outputs], for: expression))
  }

  /// A layer normalisation over rows of `width`, with what it is applied to, or nil if the expression is none.
  mutating func norm(_ expression: Int, width: Int) throws(ImportError) -> (norm: Norm, rows: Value)? {
    let parts: (rows: Value, gain: Value?, bias: Value?, epsilon: Double)
    switch program[expression].operation {
    case .layerNorm(let rows, let gain, let bias, let epsilon): parts = (rows, gain, bias, epsilon)
    case .standardised(let rows, let epsilon): parts = (rows, nil, nil, epsilon)
    case .binary(.multiply, let unit, let factor):
      guard case .standardised(let rows, let epsilon) = program.operation(unit), program.isDense(unit),
        let gain = program.columnValues(factor, rows: rows.shape[0], columns: rows.shape[1]),
        program.isConstant(gain)
      else { return nil }
      parts = (rows, gain, nil, epsilon)
    default: return nil
    }
    guard parts.rows.shape[1] == width else {
      throw refusal(expression, "normalises rows of \(parts.rows.shape[1]) where \(width) is expected")
    }
    let epsilon = Float(parts.epsilon)
    guard epsilon >= 0, epsilon.isFinite else {
      throw refusal(expression, "has the impossible epsilon \(epsilon)")
    }
    let gain =
      if let gain = parts.gain { try weight(gain, [width], for: expression) } else {
        try copied([Float](repeating: 1, count: width), [width])
      }
    let bias =
      if let bias = parts.bias { try weight(bias, [width], for: expression) } else {
        try copied([Float](repeating: 0, count: width), [width])
      }
    return (Norm(gain: gain, bias: bias, epsilon: epsilon), parts.rows)
  }
}

extension ElementType {
  /// How a weight of this type can be handed out as it is stored, or nil where it must be converted.
  var weightKind: ElementKind? {
    switch self {
    case .float32: .float32
    case .float16: .float16
    case .bfloat16: .bfloat16
    default: nil
    }
  }
}
