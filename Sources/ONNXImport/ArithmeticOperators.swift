/// Elementwise operators and reductions.
extension Interpreter {
  mutating func arithmeticOperator(_ call: Call) throws(ImportError) -> Value? {
    switch call.node.operation {
    case "Add": return try two(.add, call)
    case "Sub": return try two(.subtract, call)
    case "Mul": return try two(.multiply, call)
    case "Div": return try two(.divide, call)
    case "Pow": return try two(.power, call)
    case "Mod":
      let x = try call.input(0)
      guard call.integer("fmod") ?? 0 == 0 || program.kind(x) == .float else {
        throw .unsupported("takes C's remainder of integers")
      }
      return try two(.modulo, call)
    case "Equal": return try two(.equal, call)
    case "Less": return try two(.less, call)
    case "LessOrEqual": return try two(.lessOrEqual, call)
    case "Greater": return try program.binary(.less, call.input(1), call.input(0))
    case "GreaterOrEqual": return try program.binary(.lessOrEqual, call.input(1), call.input(0))
    case "And", "BitwiseAnd": return try logical(.and, call)
    case "Or", "BitwiseOr": return try logical(.or, call)
    case "Xor": return try logical(.xor, call)
    case "Min": return try many(.minimum, call)
    case "Max": return try many(.maximum, call)
    case "Sum": return try many(.add, call)
    case "Where": return try program.choose(call.input(0), call.input(1), call.input(2))
    case "Clip": return try clip(call)
    case "Neg":
      let value = try call.input(0)
      let minus =
        program.kind(value) == .float ? try program.constant(float: -1) : try program.constant(integer: -1)
      return try program.binary(.multiply, value, minus)
    case "Not": return try one(.not, call)
    case "Abs": return try one(.abs, call)
    case "Sign": return try one(.sign, call)
    case "Sqrt": return try one(.sqrt, call)
    case "Reciprocal": return try one(.reciprocal, call)
    case "Exp": return try one(.exp, call)
    case "Log": return try one(.log, call)
    case "Sigmoid": return try one(.sigmoid, call)
    case "Tanh": return try one(.tanh, call)
    case "Erf": return try one(.erf, call)
    case "Floor": return try one(.floor, call)
    case "Ceil": return try one(.ceil, call)
    case "Round": return try one(.round, call)
    case "IsNaN": return try one(.isNaN, call)
    case "IsInf": return try one(.isInfinite, call)
    case "ReduceSum": return try reduce(.sum, call)
    case "ReduceMean": return try reduce(.mean, call)
    case "ReduceMax": return try reduce(.maximum, call)
    case "ReduceMin": return try reduce(.minimum, call)
    case "ReduceProd": return try reduce(.product, call)
    case "ReduceSumSquare": return try reduce(.sum, call, of: program.unary(.square, call.input(0)))
    case "ReduceL2":
      return try program.unary(.sqrt, reduce(.sum, call, of: program.unary(.square, call.input(0))))
    case "ArgMax":
      let value = try call.input(0)
      return try program.argMax(
        value, axis: program.axis(call.integer("axis") ?? 0, rank: value.shape.count),
        last: call.integer("select_last_index") ?? 0 != 0, keep: call.integer("keepdims") ?? 1 != 0)
    case "CumSum": return try runningSum(call)
    default: return nil
    }
  }

  private mutating func one(_ function: Unary, _ call: Call) throws(ImportError) -> Value {
    try program.unary(function, call.input(0))
  }

  private mutating func two(_ function: Binary, _ call: Call) throws(ImportError) -> Value {
    try program.binary(function, call.input(0), call.input(1))
  }

  private mutating func logical(_ function: Binary, _ call: Call) throws(ImportError) -> Value {
    let (a, b) = (try call.input(0), try call.input(1))
    guard program.kind(a) == .bool, program.kind(b) == .bool else {
      throw .unsupported("combines bits of integers")
    }
    return try program.binary(function, a, b)
  }

  private mutating func many(_ function: Binary, _ call: Call) throws(ImportError) -> Value {
    var result = try call.input(0)
    for i in call.inputs.indices.dropFirst() { result = try program.binary(function, result, call.input(i)) }
    return result
  }

  private mutating func clip(_ call: Call) throws(ImportError) -> Value {
    var value = try call.input(0)
    if call.version < 11 {
      if let low = call.float("min") {
        value = try program.binary(.maximum, value, program.constant(float: low))
      }
      if let high = call.float("max") {
        value = try program.binary(.minimum, value, program.constant(float: high))
      }
      return value
    }
    if let low = call.optional(1) { value = try program.binary(.maximum, value, low) }
    if let high = call.optional(2) { value = try program.binary(.minimum, value, high) }
    return value
  }

  private mutating func reduce(
    _ reduction: Reduction, _ call: Call, of given: Value? = nil
  ) throws(ImportError) -> Value {
    let value = if let given { given } else { try call.input(0) }
    var numbers = try axes(call)
    if numbers?.isEmpty ?? false { numbers = nil }
    if numbers == nil, call.integer("noop_with_empty_axes") ?? 0 != 0 { return value }
    var reduced: [Int] = []
    for number in numbers ?? Array(value.shape.indices) {
      reduced.append(try program.axis(number, rank: value.shape.count))
    }
    return try program.reduced(reduction, value, axes: reduced, keep: call.integer("keepdims") ?? 1 != 0)
  }

  /// Running sums of constants, with which some exporters number positions.
  private mutating func runningSum(_ call: Call) throws(ImportError) -> Value {
    let value = try call.input(0)
    guard let number = try program.integers(call.input(1)).first, call.integer("exclusive") ?? 0 == 0,
      call.integer("reverse") ?? 0 == 0, program.kind(value) == .int
    else { throw .unsupported("sums in a way that no CLIP needs") }
    let axis = try program.axis(number, rank: value.shape.count)
    var list = try program.integers(value)
    let inner = value.shape[(axis + 1)...].reduce(1, &*)
    for i in list.indices where i / max(inner, 1) % value.shape[axis] > 0 {
      list[i] = list[i] &+ list[i - inner]
    }
    return try program.constant(
      ConstantTensor(list, type: program.constant(value)?.type ?? .int64), shape: value.shape)
  }
}
