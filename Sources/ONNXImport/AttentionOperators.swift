/// Attention as one operator, of the standard and of onnxruntime, taken apart into products and a softmax.
extension Interpreter {
  /// The Attention operator of operator set 23.
  mutating func attention(_ call: Call) throws(ImportError) -> Value {
    var heads = [try call.input(0), try call.input(1), try call.input(2)]
    let flat = heads[0].shape.count == 3
    guard call.optional(4) == nil, call.optional(5) == nil, call.float("softcap") ?? 0 == 0 else {
      throw .unsupported("has a cache or a soft cap")
    }
    for i in heads.indices {
      guard heads[i].shape.count == (flat ? 3 : 4) else { throw .malformed("has inputs of different ranks") }
      guard flat else { continue }
      heads[i] = try split(heads[i], heads: call.integer(i == 0 ? "q_num_heads" : "kv_num_heads") ?? 0)
    }
    let result = try attend(
      heads, scale: call.float("scale"), mask: call.optional(3), causal: call.integer("is_causal") ?? 0 != 0)
    return flat ? try merged(result) : result
  }

  /// [batch, tokens, heads · width] as [batch, heads, tokens, width].
  private func split(_ value: Value, heads: Int) throws(ImportError) -> Value {
    let shape = value.shape
    guard shape.count == 3, heads > 0, shape[2] % heads == 0 else {
      throw .malformed("has \(heads) heads for shape \(shape)")
    }
    return try program.transposed(
      value.with(value.layout.reshaped([shape[0], shape[1], heads, shape[2] / heads])), [0, 2, 1, 3])
  }

  /// [batch, heads, tokens, width] as [batch, tokens, heads · width].
  private func merged(_ value: Value) throws(ImportError) -> Value {
    let merged = try program.transposed(value, [0, 2, 1, 3])
    return merged.with(
      merged.layout.reshaped([merged.shape[0], merged.shape[1], merged.shape[2] &* merged.shape[3]]))
  }

  /// softmax(scale · q kᵀ + mask) v of queries, keys and values [batch, heads, tokens, width]. Without a scale, or with
  /// 0, it is 1/√width. A mask of truth values shows what is true.
  private mutating func attend(
    _ heads: [Value], scale given: Float?, mask: Value?, causal: Bool
  ) throws(ImportError) -> Value {
    let (q, k, v) = (heads[0], heads[1], heads[2])
    guard heads.allSatisfy({ $0.shape.count == 4 }), q.shape[1] == k.shape[1], q.shape[3] == k.shape[3] else {
      throw .unsupported("shares keys among heads")
    }
    let scale = given.flatMap { $0 == 0 ? nil : $0 } ?? 1 / Float(q.shape[3]).squareRoot()
    var scores = try program.matrixProduct(q, program.transposed(k, [0, 1, 3, 2]))
    scores = try program.binary(.multiply, scores, program.constant(float: scale))
    if let mask {
      scores =
        program.kind(mask) == .bool
        ? try program.choose(mask, scores, program.constant(float: -.infinity))
        : try program.binary(.add, scores, mask)
    }
    if causal {
      let (m, s) = (q.shape[2], k.shape[2])
      try program.spend(m &* s)
      let visible = (0..<m &* s).map { $0 % s <= $0 / s ? 1 : 0 }
      let mask = try program.constant(ConstantTensor(visible, type: .bool), shape: [m, s])
      scores = try program.choose(mask, scores, program.constant(float: -.infinity))
    }
    return try program.matrixProduct(program.alongColumns(scores, columns: [3]) { .softmax($0) }, v)
  }

  // MARK: onnxruntime's

  /// com.microsoft.Attention: one layer makes queries, keys and values.
  mutating func fusedAttention(_ call: Call) throws(ImportError) -> Value {
    try checkUnused(call, [4, 6, 7])
    try checkShowsAll(call.optional(3))
    guard call.integers("qkv_hidden_sizes") == nil || Set(call.integers("qkv_hidden_sizes") ?? []).count == 1,
      call.integer("do_rotary") ?? 0 == 0
    else { throw .unsupported("has queries, keys and values of different widths, or rotary positions") }
    var all = try program.matrixProduct(call.input(0), call.input(1))
    if let bias = call.optional(2) { all = try program.binary(.add, all, bias) }
    guard all.shape.count == 3, all.shape[2] % 3 == 0 else {
      throw .malformed("makes queries, keys and values of shape \(all.shape)")
    }
    let width = all.shape[2] / 3
    var heads: [Value] = []
    for i in 0..<3 {
      heads.append(
        try split(
          cut(all, axis: 2, start: i &* width, count: width), heads: call.integer("num_heads") ?? 0))
    }
    return try merged(
      attend(
        heads, scale: call.float("scale"), mask: call.optional(5),
        causal: call.integer("unidirectional") ?? 0 != 0))
  }

  /// com.microsoft.MultiHeadAttention: queries, keys and values come apart or packed.
  mutating func multiHeadAttention(_ call: Call) throws(ImportError) -> Value {
    try checkUnused(call, [6, 7, 8, 9])
    try checkShowsAll(call.optional(4))
    let count = call.integer("num_heads") ?? 0
    var heads: [Value] = []
    let query = try call.input(0)
    if query.shape.count == 5 {
      guard call.optional(1) == nil, call.optional(2) == nil, call.optional(3) == nil, query.shape[3] == 3
      else {
        throw .unsupported("has packed queries beside keys, values or a bias")
      }
      for i in 0..<3 { heads.append(try packed(query, i)) }
    } else {
      let key = try call.input(1)
      if key.shape.count == 5 {
        guard call.optional(2) == nil, call.optional(3) == nil, key.shape[3] == 2 else {
          throw .unsupported("has packed keys beside values or a bias")
        }
        heads = [try split(query, heads: count), try packed(key, 0), try packed(key, 1)]
      } else {
        heads = [query, key, try call.input(2)]
        if let bias = call.optional(3) { heads = try biased(heads, bias) }
        for i in heads.indices where heads[i].shape.count == 3 {
          heads[i] = try split(heads[i], heads: count)
        }
      }
    }
    return try merged(
      attend(
        heads, scale: call.float("scale"), mask: call.optional(5),
        causal: call.integer("unidirectional") ?? 0 != 0))
  }

  /// Part `i` of [batch, tokens, heads, parts, width] as [batch, heads, tokens, width].
  private func packed(_ value: Value, _ i: Int) throws(ImportError) -> Value {
    let part = try cut(value, axis: 3, start: i, count: 1)
    let shape = [0, 1, 2, 4].map { value.shape[$0] }
    return try program.transposed(part.with(part.layout.reshaped(shape)), [0, 2, 1, 3])
  }

  /// Queries, keys and values [batch, tokens, width] with their parts of one bias.
  private mutating func biased(_ heads: [Value], _ bias: Value) throws(ImportError) -> [Value] {
    var start = 0
    var result: [Value] = []
    for value in heads {
      guard value.shape.count == 3, bias.shape.count == 1, start &+ value.shape[2] <= bias.count else {
        throw .unsupported("adds a bias of shape \(bias.shape) to heads of shape \(value.shape)")
      }
      let part = try cut(bias, axis: 0, start: start, count: value.shape[2])
      result.append(try program.binary(.add, value, part))
      start = start &+ value.shape[2]
    }
    return result
  }

  private func checkUnused(_ call: Call, _ inputs: [Int]) throws(ImportError) {
    guard !inputs.contains(where: { call.optional($0) != nil }) else {
      throw .unsupported("has a cache of keys and values, which no CLIP needs")
    }
  }

  /// Of onnxruntime's mask inputs only those are understood that hide nothing.
  private mutating func checkShowsAll(_ mask: Value?) throws(ImportError) {
    guard let mask else { return }
    guard program.isConstant(mask), mask.shape.count > 1, try program.integers(mask).allSatisfy({ $0 == 1 })
    else {
      throw .unsupported("has a padding mask; export without attention mask")
    }
  }
}
