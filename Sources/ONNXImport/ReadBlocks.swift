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
    let q = try projection(query, heads: heads, sequence)
    let k = try projection(key, heads: heads, sequence)
    let v = try projection(value, heads: heads, sequence)
    guard q.source == k.source, k.source == v.source else {
      throw refusal(merged.expression, "attends from one value to another (cross attention)")
    }
    let attentionNorm = try norm(q.source, of: input, sequence)
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

  // MARK: Attention

  /// The number of heads of an attention whose result, read as `merged`, is one row of all heads for each token.
  private func heads(
    _ merged: Value, _ query: Value, _ key: Value, _ value: Value, _ sequence: Sequence
  ) throws(ImportError) -> Int {
    let expression = merged.expression
    let (batch, tokens) = (sequence.batch, sequence.tokens)
    let headWidth = query.shape[2]
    guard query.shape[0] % batch == 0, query.shape[1] == tokens, key.shape[1] == tokens else {
      throw refusal(expression, "attends over \(key.shape[1]) of \(tokens) tokens, or across the batch")
    }
    let heads = query.shape[0] / batch
    let (width, overflow) = heads.multipliedReportingOverflow(by: headWidth)
    guard !overflow, width == sequence.width, value.shape[2] == headWidth else {
      throw refusal(
        expression,
        "has \(heads) heads of width \(headWidth) and \(value.shape[2]) in a Transformer of width \(sequence.width)"
      )
    }
    // The result is [batch, heads, tokens, headWidth]; a token's row takes its heads in order.
    let expected = Layout(
      offset: 0,
      atoms: [
        Layout.Atom(size: batch, stride: heads &* tokens &* headWidth),
        Layout.Atom(size: tokens, stride: headWidth),
        Layout.Atom(size: heads, stride: tokens &* headWidth), Layout.Atom(size: headWidth, stride: 1),
      ], shape: [sequence.rows, width])
    guard merged.layout == expected else {
      throw refusal(expression, "merges its heads in an order that is not understood")
    }
    return heads
  }

  /// The layer that makes queries, keys or values, and the expression that it reads. `value` is
  /// [batch · heads, tokens, headWidth] of the layer's outputs, which may be those of several layers in one.
  private mutating func projection(
    _ value: Value, heads: Int, _ sequence: Sequence
  ) throws(ImportError) -> (layer: Linear, source: Int) {
    let expression = value.expression
    guard case .linear(let rows, let matrix, let bias) = program[expression].operation else {
      throw refusal(expression, "stands where a layer that makes queries, keys or values is expected")
    }
    let (batch, tokens, width) = (sequence.batch, sequence.tokens, sequence.width)
    let headWidth = width / heads
    let outputs = matrix.shape[1]
    guard matrix.shape[0] == width,
      let axes = value.layout.reshaped([batch, heads, tokens, headWidth]).axes(),
      axes[0] == single(batch, tokens &* outputs), axes[2] == single(tokens, outputs),
      axes[3] == single(headWidth, 1), axes[1].count == (heads == 1 ? 0 : 1)
    else { throw refusal(expression, "splits its outputs into heads in an order that is not understood") }
    let first = value.layout.offset
    let step = axes[1].first?.stride ?? headWidth
    guard step >= headWidth, first &+ (heads - 1) &* step &+ headWidth <= outputs else {
      throw refusal(expression, "splits its outputs into heads that overlap")
    }
    let columns = try columns(matrix, first, heads, step, headWidth, for: expression)
    let shifted: Value? =
      if let bias {
        try biasColumns(bias, first, heads, step, headWidth, for: expression)
      } else { nil }
    let layer = try linear(weight: columns, bias: shifted, inputs: width, outputs: width, for: expression)
    return (layer, try dense(rows, rows: sequence.rows, for: expression))
  }

  private func single(_ size: Int, _ stride: Int) -> [Layout.Atom] {
    size == 1 ? [] : [Layout.Atom(size: size, stride: stride)]
  }

  private func biasColumns(
    _ bias: Value, _ first: Int, _ heads: Int, _ step: Int, _ headWidth: Int, for expression: Int
  ) throws(ImportError) -> Value {
    let row = bias.with(bias.layout.reshaped([1, bias.count]))
    let taken = try columns(row, first, heads, step, headWidth, for: expression)
    return taken.with(taken.layout.reshaped([taken.count]))
  }

  /// Columns first, first + 1, …, of heads that are `step` apart.
  private func columns(
    _ matrix: Value, _ first: Int, _ heads: Int, _ step: Int, _ headWidth: Int, for expression: Int
  ) throws(ImportError) -> Value {
    let (inputs, outputs) = (matrix.shape[0], matrix.shape[1])
    var layout: Layout?
    if step == headWidth || heads == 1 {
      layout = matrix.layout.sliced(axis: 1, start: first, count: heads &* headWidth)
    } else if outputs % step == 0, first % step &+ headWidth <= step {
      layout = matrix.layout.reshaped([inputs, outputs / step, step])
        .sliced(axis: 1, start: first / step, count: heads)?
        .sliced(axis: 2, start: first % step, count: headWidth)?
        .reshaped([inputs, heads &* headWidth])
    }
    guard let layout else {
      throw refusal(expression, "splits its outputs into heads in an order that is not understood")
    }
    return matrix.with(layout)
  }

  /// Whether a mask hides exactly the tokens that come later; false without a mask or with one that hides nothing.
  private mutating func isCausal(_ mask: Value?, tokens: Int, for expression: Int) throws(ImportError) -> Bool
  {
    guard let mask else { return false }
    let square = tokens &* tokens
    guard mask.count % square == 0 else {
      throw refusal(expression, "has a mask that does not fit its \(tokens) tokens")
    }
    var distinct = mask.with(mask.layout.reshaped([mask.count / square, square]))
    if let one = program.columnValues(mask.flat, rows: mask.count / square, columns: square) {
      distinct = one
    }
    let values = try program.floats(distinct)
    let first = values.prefix(square)
    guard
      stride(from: square, to: values.count, by: square).allSatisfy({
        values[$0..<$0 + square].elementsEqual(first)
      })
    else { throw refusal(expression, "has a mask that differs between heads or inputs") }
    if first.allSatisfy({ $0 == 0 }) { return false }
    let causal = first.indices.allSatisfy { i in
      i % tokens <= i / tokens ? first[i] == 0 : first[i] <= Program.maskFill
    }
    guard causal else {
      throw refusal(
        expression, "has a mask that is neither causal nor empty; no CLIP that is understood has another")
    }
    return true
  }
}
