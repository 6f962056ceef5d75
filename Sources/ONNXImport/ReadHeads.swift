/// Recognises attention: how heads are cut out of layers and merged again, and what a mask hides.
extension Interpreter {
  /// The number of heads of an attention whose result, read as `merged`, is one row of all heads for each token.
  func heads(
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

  /// The layer that makes queries, keys or values, and the [batch, tokens, inputs] that it reads. `value` is
  /// [batch · heads, tokens, headWidth] of the layer's outputs, which may be those of several layers in one.
  mutating func projection(
    _ value: Value, batch: Int, heads: Int, tokens: Int
  ) throws(ImportError) -> (layer: Linear, rows: Value) {
    let expression = value.expression
    guard case .linear(let rows, let matrix, let bias) = program[expression].operation else {
      throw refusal(expression, "stands where a layer that makes queries, keys or values is expected")
    }
    let (inputs, outputs) = (matrix.shape[0], matrix.shape[1])
    let headWidth = value.shape[2]
    guard let axes = value.layout.reshaped([batch, heads, tokens, headWidth]).axes(),
      let each = rowStride(axes[0], outputs), let next = rowStride(axes[2], outputs),
      axes[3] == single(headWidth, 1), axes[1].count == (heads == 1 ? 0 : 1)
    else { throw refusal(expression, "splits its outputs into heads in an order that is not understood") }
    let first = value.layout.offset % outputs
    let step = axes[1].first?.stride ?? headWidth
    guard step >= headWidth, first &+ (heads - 1) &* step &+ headWidth <= outputs else {
      throw refusal(expression, "splits its outputs into heads that overlap")
    }
    let columns = try columns(matrix, first, heads, step, headWidth, for: expression)
    let shifted: Value? =
      if let bias {
        try biasColumns(bias, first, heads, step, headWidth, for: expression)
      } else { nil }
    let layer = try linear(
      weight: columns, bias: shifted, inputs: inputs, outputs: heads &* headWidth, for: expression)
    let read = Layout(
      offset: value.layout.offset / outputs &* inputs,
      atoms: [
        Layout.Atom(size: batch, stride: each &* inputs), Layout.Atom(size: tokens, stride: next &* inputs),
        Layout.Atom(size: inputs, stride: 1),
      ], shape: [batch, tokens, inputs])
    guard let layout = read.composed(over: rows.layout) else {
      throw refusal(expression, "reads tokens in an order that is not understood")
    }
    return (layer, rows.with(layout))
  }

  /// How many rows of `width` an axis steps, or nil where it does not step over whole rows.
  private func rowStride(_ axis: [Layout.Atom], _ width: Int) -> Int? {
    guard let atom = axis.first else { return 0 }
    return axis.count == 1 && atom.stride % width == 0 ? atom.stride / width : nil
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
  mutating func isCausal(_ mask: Value?, tokens: Int, for expression: Int) throws(ImportError) -> Bool {
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
