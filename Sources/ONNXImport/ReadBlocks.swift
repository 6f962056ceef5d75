/// Recognises the residual attention blocks of a Transformer, last to first.
extension Interpreter {
  /// Sizes of the sequence that a tower works on.
  struct Sequence {
    let batch: Int
    let tokens: Int
    let width: Int
    var rows: Int { batch &* tokens }
  }

  /// The blocks that end in `expression`, first to last, and the expression that the first one reads.
  mutating func blocks(
    endingAt expression: Int, _ sequence: Sequence
  ) throws(ImportError) -> (blocks: [ResidualAttentionBlock], input: Int) {
    var blocks: [ResidualAttentionBlock] = []
    var current = expression
    while case .binary(.add, let a, let b) = program[current].operation, !program.isConstant(a),
      !program.isConstant(b)
    {
      let (block, input) = try block(current, a, b, sequence)
      blocks.append(block)
      current = input
    }
    guard !blocks.isEmpty else {
      throw refusal(current, "stands where a Transformer's last residual sum is expected")
    }
    return (blocks.reversed(), current)
  }

  private mutating func block(
    _ expression: Int, _ a: Value, _ b: Value, _ sequence: Sequence
  ) throws(ImportError) -> (ResidualAttentionBlock, Int) {
    let (branch, middle) = try residual(expression, a, b, sequence)
    let width = sequence.width

    // x + down(activation(up(norm(x))))
    guard case .linear(let hidden, let downMatrix, let downBias) = program[branch].operation else {
      throw refusal(branch, "stands where the output layer of a perceptron is expected")
    }
    let size = hidden.shape[1]
    let down = try linear(weight: downMatrix, bias: downBias, inputs: size, outputs: width, for: branch)
    let (activation, raised) = try activation(try dense(hidden, rows: sequence.rows, for: branch))
    guard case .linear(let normed, let upMatrix, let upBias) = program[raised].operation else {
      throw refusal(raised, "stands where the first layer of a perceptron is expected")
    }
    let up = try linear(weight: upMatrix, bias: upBias, inputs: width, outputs: size, for: raised)
    let mlpNorm = try norm(try dense(normed, rows: sequence.rows, for: raised), of: middle, sequence)

    // x + output(attention(norm(x)))
    guard case .binary(.add, let c, let d) = program[middle].operation, !program.isConstant(c),
      !program.isConstant(d)
    else { throw refusal(middle, "stands where the residual sum after attention is expected") }
    let (output, input) = try residual(middle, c, d, sequence)
    guard case .linear(let merged, let outMatrix, let outBias) = program[output].operation,
      case .attention(let query, let key, let value, let scale, let mask) = program.operation(merged)
    else { throw refusal(output, "stands where the output layer of attention is expected") }
    let out = try linear(weight: outMatrix, bias: outBias, inputs: width, outputs: width, for: output)
    let heads = try heads(merged, query, key, value, sequence)
    let (batch, tokens) = (sequence.batch, sequence.tokens)
    let q = try projection(query, batch: batch, heads: heads, tokens: tokens)
    let k = try projection(key, batch: batch, heads: heads, tokens: tokens)
    let v = try projection(value, batch: batch, heads: heads, tokens: tokens)
    guard q.rows == k.rows, k.rows == v.rows else {
      throw refusal(merged.expression, "attends from one value to another (cross attention)")
    }
    guard program.isDense(q.rows), q.rows.shape[2] == width else {
      throw refusal(query.expression, "reads tokens in another order than they were written")
    }
    let attentionNorm = try norm(q.rows.expression, of: input, sequence)
    guard scale.isFinite, Float(scale).isFinite else {
      throw refusal(merged.expression, "has an impossible scale")
    }
    let causal = try isCausal(mask, tokens: sequence.tokens, for: merged.expression)
    return (
      ResidualAttentionBlock(
        attentionNorm: attentionNorm, query: q.layer, key: k.layer, value: v.layer, heads: heads,
        headWidth: width / heads, scale: Float(scale), causal: causal, output: out, mlpNorm: mlpNorm, up: up,
        activation: activation, down: down), input
    )
  }

  /// The two sides of a residual sum: the branch, which ends in a linear layer, and what it is added to.
  private func residual(
    _ expression: Int, _ a: Value, _ b: Value, _ sequence: Sequence
  ) throws(ImportError) -> (branch: Int, input: Int) {
    guard program.isDense(a), program.isDense(b), a.count == sequence.rows &* sequence.width else {
      throw refusal(expression, "adds parts of tensors, which is no residual sum")
    }
    func isLinear(_ value: Value) -> Bool {
      if case .linear = program.operation(value) { return true }
      return false
    }
    guard isLinear(a) != isLinear(b) else {
      throw refusal(expression, "adds two values of which not exactly one is the output of a linear layer")
    }
    return isLinear(a) ? (a.expression, b.expression) : (b.expression, a.expression)
  }

  /// The expression that `value` is the whole of, one row for each token.
  private func dense(_ value: Value, rows: Int, for expression: Int) throws(ImportError) -> Int {
    guard program.isDense(value), value.shape[0] == rows else {
      throw refusal(expression, "reads tokens in another order than they were written")
    }
    return value.expression
  }

  /// The norm that `expression` is, which must be applied to all of `input`.
  private mutating func norm(_ expression: Int, of input: Int, _ sequence: Sequence) throws(ImportError)
    -> Norm
  {
    guard let (norm, rows) = try norm(expression, width: sequence.width) else {
      throw refusal(expression, "stands where a layer normalisation is expected")
    }
    guard program.isDense(rows), rows.shape[0] == sequence.rows, rows.expression == input else {
      throw refusal(expression, "normalises something else than the input of its residual sum")
    }
    return norm
  }

  private func activation(_ expression: Int) throws(ImportError) -> (Activation, Int) {
    switch program[expression].operation {
    case .swish(let x, let slope):
      guard Program.isQuickGELUSlope(slope) else {
        throw refusal(expression, "computes x·sigmoid(\(slope)·x); QuickGELU has 1.702")
      }
      return (.quickGELU, try dense(x.with(x.layout.reshaped([1, x.count])), rows: 1, for: expression))
    case .gelu(let x):
      return (.gelu, try dense(x.with(x.layout.reshaped([1, x.count])), rows: 1, for: expression))
    default:
      throw refusal(expression, "stands where QuickGELU or GELU is expected")
    }
  }
}
