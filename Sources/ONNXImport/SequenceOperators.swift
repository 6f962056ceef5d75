/// Sequences of tensors, as far as PyTorch's dynamo exporter leaves them: a tensor is split, and parts are taken at
/// places that are known while importing.
extension Interpreter {
  /// Whether the first input of a node may be a sequence.
  static func readsSequence(_ node: NodeRecord) -> Bool {
    node.domain.isEmpty && node.operation == "SequenceAt"
  }

  /// The result of an operator that makes or reads a sequence, or nil for the others.
  mutating func sequenceOperator(_ call: Call, _ sequence: [Value]?) throws(ImportError) -> Outcome? {
    guard call.node.domain.isEmpty else { return nil }
    switch call.node.operation {
    case "SplitToSequence": return .sequence(try splitToSequence(call))
    case "SequenceConstruct":
      var parts: [Value] = []
      for i in call.inputs.indices { parts.append(try call.input(i)) }
      return .sequence(parts)
    case "SequenceAt":
      guard let sequence else { throw .malformed("reads something else than a sequence") }
      return .value(try element(of: sequence, at: call.input(1)))
    default: return nil
    }
  }

  private mutating func element(of sequence: [Value], at place: Value) throws(ImportError) -> Value {
    guard let number = try program.integers(place).first, place.count == 1 else {
      throw .unsupported("takes a part of a sequence at a place that depends on the input")
    }
    guard number >= -sequence.count, number < sequence.count else {
      throw .malformed("takes part \(number) of a sequence of \(sequence.count)")
    }
    return sequence[number < 0 ? number + sequence.count : number]
  }

  /// Parts of the sizes that the second input lists; a scalar is the size of all but the last. Without it the parts
  /// have size 1, and lose the axis unless it is kept.
  private mutating func splitToSequence(_ call: Call) throws(ImportError) -> [Value] {
    let value = try call.input(0)
    let axis = try program.axis(call.integer("axis") ?? 0, rank: value.shape.count)
    let size = value.shape[axis]
    guard let given = call.optional(1) else {
      try program.spend(size)
      let ones = [Int](repeating: 1, count: size)
      let parts = try parts(of: value, axis: axis, sizes: ones)
      guard call.integer("keepdims") ?? 1 == 0 else { return parts }
      var shape = value.shape
      shape.remove(at: axis)
      return parts.map { $0.with($0.layout.reshaped(shape)) }
    }
    let sizes = try program.integers(given)
    guard given.shape.isEmpty else { return try parts(of: value, axis: axis, sizes: sizes) }
    guard let each = sizes.first, each > 0 else { throw .malformed("splits into parts of no size") }
    try program.spend(size / each)
    let starts = stride(from: 0, to: size, by: each)
    return try parts(of: value, axis: axis, sizes: starts.map { min(each, size - $0) })
  }
}
