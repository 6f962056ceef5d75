/// What each ONNX operator means, in terms of the program. An operator that is not here is refused by name.
extension Interpreter {
  mutating func apply(_ call: Call) throws(ImportError) -> [Value] {
    switch call.node.domain {
    case "", "ai.onnx": break
    case "com.microsoft":
      if let values = try microsoftOperator(call) { return values }
      throw .unsupported("this operator of onnxruntime's is not part of any CLIP that is understood")
    case "com.microsoft.nchwc", "com.ms.internal.nhwc":
      throw .unsupported(
        "operators of domain \(quoted(call.node.domain)) fit one kind of processor; save the optimised model with "
          + "ORT_ENABLE_EXTENDED instead, or open the original")
    default: throw .unsupported("operators of domain \(quoted(call.node.domain)) are not supported")
    }
    if let value = try layoutOperator(call) { return value }
    if let values = try quantisedOperator(call) { return values }
    if let value = try constantOperator(call) { return [value] }
    if let value = try arithmeticOperator(call) { return [value] }
    if let value = try neuralOperator(call) { return [value] }
    if let value = try convolutionOperator(call) { return [value] }
    throw .unsupported("this operator is not part of any CLIP that is understood")
  }

  /// Constants and what shapes are computed with.
  private mutating func constantOperator(_ call: Call) throws(ImportError) -> Value? {
    switch call.node.operation {
    case "Constant": return try literal(call.node)
    case "Shape":
      let shape = try call.input(0).shape
      func end(_ i: Int) -> Int { min(max(i < 0 ? i + shape.count : i, 0), shape.count) }
      let first = end(max(call.integer("start") ?? 0, -shape.count))
      let last = end(min(max(call.integer("end") ?? shape.count, -shape.count), shape.count))
      let sizes = first < last ? Array(shape[first..<last]) : []
      return try program.constant(ConstantTensor(sizes), shape: [sizes.count])
    case "Size": return try program.constant(integer: try call.input(0).count)
    case "ConstantOfShape":
      let shape = try program.integers(call.input(0))
      guard try checkedCount(shape) > 0 else {
        return try program.constant(ConstantTensor([Int](), type: .int64), shape: shape)
      }
      let one: Value
      if let record = call.node.attributes["value"]?.tensor {
        let value = try constant(record)
        guard value.count == 1 else { throw .malformed("fills with \(value.count) values instead of one") }
        one = value.with(value.layout.reshaped([]))
      } else {
        one = try program.constant(float: 0)
      }
      return try expanded(one, to: shape)
    case "Range": return try range(call)
    case "Trilu": return try triangle(call)
    case "EyeLike":
      let shape = try call.input(0).shape
      guard shape.count == 2, call.integer("k") ?? 0 == 0 else {
        throw .unsupported("is not a plain unit matrix")
      }
      let count = try checkedCount(shape)
      try program.spend(count)
      let ones = (0..<count).map { $0 / max(shape[1], 1) == $0 % max(shape[1], 1) ? Float(1) : 0 }
      return try program.constant(ConstantTensor(ones), shape: shape)
    case "Cast": return try cast(call.input(0), to: call.integer("to") ?? 0)
    case "CastLike":
      let like = try call.input(1)
      if let tensor = program.constant(like) { return try cast(call.input(0), to: tensor.type.rawValue) }
      switch program.kind(like) {
      case .float: return try cast(call.input(0), to: ElementType.float32.rawValue)
      case .int: return try cast(call.input(0), to: ElementType.int64.rawValue)
      case .bool: return try cast(call.input(0), to: ElementType.bool.rawValue)
      }
    default: return nil
    }
  }

  private mutating func literal(_ node: NodeRecord) throws(ImportError) -> Value {
    let attributes = node.attributes
    if let record = attributes["value"]?.tensor { return try constant(record) }
    if let float = attributes["value_float"]?.float { return try program.constant(float: float) }
    if let integer = attributes["value_int"]?.integer { return try program.constant(integer: integer) }
    if let floats = attributes["value_floats"]?.floats {
      return try program.constant(ConstantTensor(floats), shape: [floats.count])
    }
    if let integers = attributes["value_ints"]?.integers {
      return try program.constant(ConstantTensor(integers), shape: [integers.count])
    }
    throw .unsupported("holds neither numbers nor a dense tensor")
  }

  private mutating func range(_ call: Call) throws(ImportError) -> Value {
    let (start, limit, step) = (try call.input(0), try call.input(1), try call.input(2))
    if program.constant(start)?.type.kind == .float {
      guard let a = try program.floats(start).first, let b = try program.floats(limit).first,
        let d = try program.floats(step).first, d != 0
      else { throw .malformed("has no start, limit or step") }
      let count = max(0, clampedInt(((b - a) / d).rounded(.up)))
      try program.spend(count)
      return try program.constant(ConstantTensor((0..<count).map { a + Float($0) * d }), shape: [count])
    }
    guard let a = try program.integers(start).first, let b = try program.integers(limit).first,
      let d = try program.integers(step).first, d != 0, d != Int.min
    else { throw .malformed("has no start, limit or step") }
    let (span, overflow) = b.subtractingReportingOverflow(a)
    guard !overflow, span != Int.min else { throw .malformed("spans impossible numbers") }
    let forward = (span > 0) == (d > 0) && span != 0
    let count = forward ? (span.magnitude - 1) / d.magnitude + 1 : 0
    guard count <= UInt(Limit.elements) else { throw .malformed("spans impossible numbers") }
    try program.spend(Int(count))
    return try program.constant(ConstantTensor((0..<Int(count)).map { a &+ $0 &* d }), shape: [Int(count)])
  }

  /// Zeros above or below a diagonal of a constant: masks.
  private mutating func triangle(_ call: Call) throws(ImportError) -> Value {
    let value = try call.input(0)
    guard value.shape.count >= 2, let tensor = program.constant(value) else {
      throw .unsupported("cuts a triangle out of something that depends on the input")
    }
    let diagonal =
      try call.optional(1).map { (v) throws(ImportError) in try program.integers(v).first ?? 0 } ?? 0
    let (rows, columns) = (value.shape[value.shape.count - 2], value.shape[value.shape.count - 1])
    let upper = call.integer("upper") ?? 1 != 0
    guard diagonal.magnitude <= UInt(Limit.elements) else { throw .malformed("has an impossible diagonal") }
    func keeps(_ i: Int) -> Bool {
      let (row, column) = (i / columns % rows, i % columns)
      return upper ? column - row >= diagonal : column - row <= diagonal
    }
    try program.spend(value.count)
    if tensor.type.kind == .float {
      let floats = try tensor.floats(value.layout)
      return try program.constant(
        ConstantTensor(floats.indices.map { keeps($0) ? floats[$0] : 0 }, type: tensor.type),
        shape: value.shape)
    }
    let integers = try tensor.integers(value.layout)
    return try program.constant(
      ConstantTensor(integers.indices.map { keeps($0) ? integers[$0] : 0 }, type: tensor.type),
      shape: value.shape)
  }

  private mutating func cast(_ value: Value, to number: Int) throws(ImportError) -> Value {
    guard let type = ElementType(rawValue: number) else {
      throw .unsupported("casts to element type \(number)")
    }
    return try program.cast(value, to: type)
  }

  /// The value broadcast with `shape`, as ONNX's Expand does.
  mutating func expanded(_ value: Value, to shape: [Int]) throws(ImportError) -> Value {
    _ = try checkedCount(shape)
    guard let target = Layout.broadcastShape(value.shape, shape) else {
      throw .malformed("cannot expand shape \(value.shape) to \(shape)")
    }
    guard try checkedCount(target) > 0, let layout = value.layout.broadcast(to: target) else {
      throw .unsupported("expands to an empty tensor or a view without clear axes")
    }
    return value.with(layout)
  }
}

extension Program {
  /// Another element type. Constants that lose nothing stay where they are; activations are computed in single
  /// precision whatever the graph's own is.
  mutating func cast(_ value: Value, to type: ElementType) throws(ImportError) -> Value {
    guard let tensor = constant(value) else {
      switch (kind(value), type.kind) {
      case (.float, .float), (.int, .int), (.bool, _), (.int, .float): return value
      case (.int, .bool) where expressions[value.expression].range == 0...1: return value
      default:
        throw .unsupported("casts a value that depends on the input to element type \(type.rawValue)")
      }
    }
    if tensor.type == type { return value }
    if tensor.type.kind == .float, type == .float32 || type == .float64, tensor.type != .float64 {
      let same = try constant(
        ConstantTensor(type: type, count: tensor.count, elements: tensor.elements), shape: [tensor.count])
      return same.with(value.layout)
    }
    return try unary(type.kind == .float ? .toFloat(type) : .toInteger(type), value)
  }
}
