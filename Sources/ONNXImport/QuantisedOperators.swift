/// Quantised operators, lifted to the real numbers that they stand for: weights are dequantised, the rounding of
/// activations is left out.
///
/// It is left out only where quantising and dequantising meet with the same scale and zero point: the quantised value
/// is an expression of its own until its scale is multiplied back in.
extension Interpreter {
  mutating func quantisedOperator(_ call: Call) throws(ImportError) -> [Value]? {
    switch call.node.operation {
    case "QuantizeLinear": return [try quantised(call)]
    case "DequantizeLinear": return [try dequantised(call)]
    case "DynamicQuantizeLinear": return try program.dynamicallyQuantised(call.input(0))
    case "MatMulInteger":
      let weights = try integerWeights(call)
      return [try program.matrixProduct(call.input(0), weights)]
    case "ConvInteger":
      let weights = try integerWeights(call)
      return [
        try convolution(
          Call(node: call.node, inputs: [call.input(0), weights], version: call.version), bias: nil)
      ]
    default: return nil
    }
  }

  /// The integers that a product's second input stands for, once it is clear what the first one does.
  mutating func integerWeights(_ call: Call) throws(ImportError) -> Value {
    let (x, weights) = (try call.input(0), try call.input(1))
    guard case .unary(.dynamicallyQuantised, let real) = program.operation(x), let zero = call.optional(2),
      case .quantisationZero(real) = program.operation(zero)
    else {
      throw .unsupported(
        "multiplies integers that are not a DynamicQuantizeLinear's with its own zero point; export in floating point"
      )
    }
    guard program.isConstant(weights) else { throw .unsupported("multiplies two quantised activations") }
    guard let offset = call.optional(3) else { return weights }
    guard program.isConstant(offset) else { throw .unsupported("has a zero point that depends on the input") }
    return try program.binary(
      .subtract, weights,
      perChannel(offset, of: weights, axis: call.node.operation == "ConvInteger" ? 0 : nil))
  }

  /// One number for all, or one for each channel of an axis (the last one without).
  private func perChannel(_ value: Value, of x: Value, axis: Int?) throws(ImportError) -> Value {
    if value.count == 1 { return value.with(value.layout.reshaped([])) }
    guard let axis else { return value }
    guard value.shape.count == 1, value.count == x.shape[axis] else {
      throw .malformed("has \(value.count) scales or zero points for \(x.shape[axis]) channels")
    }
    var shape = [Int](repeating: 1, count: x.shape.count)
    shape[axis] = value.count
    return value.with(value.layout.reshaped(shape))
  }

  /// Scale and zero point of QuantizeLinear and DequantizeLinear, in shapes that broadcast with `x`.
  private mutating func parameters(_ call: Call, of x: Value) throws(ImportError) -> (
    scale: Value, zero: Value?
  ) {
    guard call.integer("block_size") ?? 0 == 0 else { throw .unsupported("quantises in blocks") }
    let scale = try call.input(1)
    let zero = call.optional(2)
    guard program.isConstant(scale), zero.map({ program.isConstant($0) }) ?? true else {
      throw .unsupported("has a scale or zero point that depends on the input")
    }
    var axis = 0
    if scale.count > 1 { axis = try program.axis(call.integer("axis") ?? 1, rank: x.shape.count) }
    guard zero.map({ $0.count == scale.count }) ?? true else {
      throw .malformed("has \(scale.count) scales, but another number of zero points")
    }
    return (
      try program.cast(perChannel(scale, of: x, axis: axis), to: .float32),
      try zero.map { (z) throws(ImportError) in try perChannel(z, of: x, axis: axis) }
    )
  }

  /// round(x / scale) + zero point, to the range of the zero point's type.
  private mutating func quantised(_ call: Call) throws(ImportError) -> Value {
    let x = try call.input(0)
    let (scale, zero) = try parameters(call, of: x)
    let type = zero.flatMap { program.constant($0)?.type } ?? .uint8
    let offset = try zero.map { (z) throws(ImportError) in try program.unary(.toFloat(.float32), z) }
    if program.isConstant(x) {
      var steps = try program.unary(.round, program.binary(.divide, x, scale))
      if let offset { steps = try program.binary(.add, steps, offset) }
      return try program.unary(.toInteger(type), steps)
    }
    guard let step = try program.scalar(scale), step > 0, let range = type.integerRange else {
      throw .unsupported("quantises activations channel by channel, which is not supported")
    }
    let shift = try offset.map { (o) throws(ImportError) in try program.scalar(o) ?? 0 } ?? 0
    // A zero point at the end of the range leaves no negative numbers: that is a ReLU, and stands for one.
    let real = shift == Float(range.lowerBound) ? try program.rectified(x) : x
    return try program.unary(.quantised(scale: step, zero: shift), real)
  }

  /// (x − zero point) · scale
  private mutating func dequantised(_ call: Call) throws(ImportError) -> Value {
    let x = try call.input(0)
    let (scale, zero) = try parameters(call, of: x)
    if program.isConstant(x) { return try program.dequantised(x, scale, zero) }
    let offset = try zero.map { (z) throws(ImportError) in try program.unary(.toFloat(.float32), z) }
    let shift = try offset.map { (o) throws(ImportError) in try program.scalar(o) } ?? 0
    switch program.operation(x) {
    case .unary(.quantised(let step, let from), let real):
      guard try program.scalar(scale) == step, shift == from, let under = program.through(x, real) else {
        throw .unsupported("dequantises with another scale or zero point than the values were quantised with")
      }
      return under
    case .embedding(let table, let ids) where scale.count == 1:
      let real = try program.dequantised(table, scale, zero)
      return x.with(x.layout).at(
        try program.intern(.embedding(table: real, ids: ids), shape: [ids.count, table.shape[1]]))
    default: throw .unsupported("dequantises integers that were never quantised; export in floating point")
    }
  }
}

extension Value {
  /// The same view of another expression's equally long array.
  func at(_ other: Value) -> Value { Value(expression: other.expression, layout: layout) }
}

extension Program {
  /// (x − zero point) · scale of constants.
  mutating func dequantised(_ x: Value, _ scale: Value, _ zero: Value?) throws(ImportError) -> Value {
    var real = try unary(.toFloat(.float32), x)
    if let zero { real = try binary(.subtract, real, unary(.toFloat(.float32), zero)) }
    return try binary(.multiply, real, scale)
  }

  /// The three outputs of DynamicQuantizeLinear: integers, their scale and their zero point.
  mutating func dynamicallyQuantised(_ x: Value) throws(ImportError) -> [Value] {
    guard !isConstant(x) else { throw .unsupported("quantises a constant") }
    let integers = try unary(.dynamicallyQuantised, x)
    guard case .unary(.dynamicallyQuantised, let real) = operation(integers) else { return [] }
    return [
      integers, try intern(.quantisationScale(real), shape: []),
      try intern(.quantisationZero(real), shape: [], kind: .int),
    ]
  }

  /// max(x, 0), which is x where it cannot be negative.
  mutating func rectified(_ x: Value) throws(ImportError) -> Value {
    isNonNegative(x, depth: 0) ? x : try unary(.relu, x)
  }

  private func isNonNegative(_ x: Value, depth: Int) -> Bool {
    guard depth < 16 else { return false }
    func all(_ parts: [Value]) -> Bool { parts.allSatisfy { isNonNegative($0, depth: depth + 1) } }
    switch operation(x) {
    case .softmax: return true
    case .unary(let function, let inner):
      switch function {
      case .relu, .sigmoid, .square, .abs, .exp, .sqrt: return true
      case .reciprocal, .quantised: return all([inner])
      default: return false
      }
    case .shift(let inner, let amount):
      switch operation(inner) {
      case .unary(.erf, _), .unary(.tanh, _): return amount >= 1
      default: return amount >= 0 && all([inner])
      }
    case .scale(let inner, let factor): return factor >= 0 && all([inner])
    case .reduce(_, let rows): return all([rows])
    case .binary(.add, let a, let b), .binary(.multiply, let a, let b): return all([a, b])
    case .binary(.maximum, let a, let b): return all([a]) || all([b])
    case .concat(let parts): return all(parts)
    default: return false
    }
  }

  /// integers · scale, where the integers are a product of dynamically quantised values and the scale is theirs: the
  /// product of the real values, whose weights are still integers.
  func requantised(_ product: Value, _ scale: Value) -> Operation? {
    guard case .quantisationScale(let real) = operation(scale), isDense(product) else { return nil }
    switch operation(product) {
    case .linear(let rows, let weight, nil):
      guard operation(rows) == .unary(.dynamicallyQuantised, real), let under = through(rows, real) else {
        return nil
      }
      return .linear(under, weight: weight, bias: nil)
    case .convolution(let x, let weight, nil, nil, let stride, let padding):
      guard operation(x) == .unary(.dynamicallyQuantised, real), let under = through(x, real) else {
        return nil
      }
      return .convolution(under, weight: weight, gain: nil, bias: nil, stride: stride, padding: padding)
    default: return nil
    }
  }

  /// A layer whose integer weights get their scale: one number, or one for each output.
  mutating func rescaled(_ x: Value, _ scale: Value) throws(ImportError) -> Value? {
    guard case .linear(let rows, let weight, nil) = operation(x), kind(weight) == .int, isDense(x),
      let each = columnValues(scale, rows: rows.shape[0], columns: weight.shape[1])
    else { return nil }
    let real = try dequantised(weight, each, nil)
    return try intern(.linear(rows, weight: real, bias: nil), shape: x.shape)
  }
}
