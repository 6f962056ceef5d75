/// Recognises the attention pool of a Modified ResNet: one query, the mean, over the mean and all places.
extension Interpreter {
  /// The pool that an embedding [batch, embedDim] ends in, and the features that it reads.
  mutating func attentionPool(
    _ embedding: Value, batch: Int
  ) throws(ImportError) -> (pool: AttentionPoolTower, normalised: Bool, features: Picture) {
    let embedDim = embedding.shape[1]
    var (projected, normalised) = (embedding, false)
    if case .normalised(let rows) = program.operation(embedding), program.isDense(embedding),
      rows.shape == embedding.shape
    {
      (projected, normalised) = (rows, true)
    }
    guard case .linear(let all, let outMatrix, let outBias) = program.operation(projected),
      outMatrix.shape[1] == embedDim,
      let merged = rows(all, outputs: embedDim, of: projected, batch: batch),
      case .attention(let queries, let key, let value, let scale, let mask) = program.operation(merged)
    else {
      throw refusal(projected.expression, "stands where the output layer of an attention pool is expected")
    }
    let expression = merged.expression
    guard queries.shape[0] % batch == 0, mask == nil, scale.isFinite, Float(scale).isFinite else {
      throw refusal(expression, "attends with a mask or across the batch, which no attention pool does")
    }
    let heads = queries.shape[0] / batch
    let (headWidth, tokens) = (queries.shape[2], key.shape[1])
    let query = try firstQuery(merged, queries, batch: batch, heads: heads)
    guard headWidth == value.shape[2], merged.shape[1] == heads &* headWidth else {
      throw refusal(expression, "has \(heads) heads of widths \(headWidth) and \(value.shape[2])")
    }
    let q = try projection(query, batch: batch, heads: heads, tokens: 1)
    let k = try projection(key, batch: batch, heads: heads, tokens: tokens)
    let v = try projection(value, batch: batch, heads: heads, tokens: tokens)
    guard k.rows == v.rows, let first = k.rows.layout.sliced(axis: 1, start: 0, count: 1),
      q.rows == k.rows.with(first)
    else { throw refusal(expression, "does not attend from the first token to all of them") }
    let (positions, features) = try meanAndPlaces(k.rows)
    let pool = AttentionPoolTower(
      positions: positions, query: q.layer, key: k.layer, value: v.layer,
      output: try linear(
        weight: outMatrix, bias: outBias, inputs: heads &* headWidth, outputs: embedDim,
        for: projected.expression),
      heads: heads, headWidth: headWidth, scale: Float(scale))
    return (pool, normalised, features)
  }

  /// The rows that a [batch, outputs] view of a layer's result comes from: all, or one of each input's.
  private func rows(_ all: Value, outputs: Int, of result: Value, batch: Int) -> Value? {
    let layout = result.layout
    guard layout.offset % outputs == 0, let axes = layout.axes(), axes.count == 2,
      axes[1] == (outputs == 1 ? [] : [Layout.Atom(size: outputs, stride: 1)]), axes[0].count <= 1
    else { return nil }
    let stride = axes[0].first?.stride ?? 0
    guard stride % outputs == 0 else { return nil }
    let inputs = all.shape[1]
    let picked = Layout(
      offset: layout.offset / outputs &* inputs,
      atoms: [
        Layout.Atom(size: batch, stride: stride / outputs &* inputs), Layout.Atom(size: inputs, stride: 1),
      ], shape: [batch, inputs])
    return picked.composed(over: all.layout).map { all.with($0) }
  }

  /// The query [batch · heads, 1, headWidth] whose answers `merged` [batch, heads · headWidth] puts side by side.
  private func firstQuery(
    _ merged: Value, _ queries: Value, batch: Int, heads: Int
  ) throws(ImportError) -> Value {
    let (count, headWidth) = (queries.shape[1], queries.shape[2])
    let place = merged.layout.offset / headWidth
    let expected = Layout(
      offset: place &* headWidth,
      atoms: [
        Layout.Atom(size: batch &* heads, stride: count &* headWidth),
        Layout.Atom(size: headWidth, stride: 1),
      ], shape: [batch, heads &* headWidth])
    guard place == 0, merged.layout == expected,
      let layout = queries.layout.sliced(axis: 1, start: place, count: 1)
    else {
      throw refusal(
        merged.expression, "is pooled at another token than the first, or merges its heads otherwise")
    }
    return queries.with(layout)
  }

  /// The positions [tokens, width] and the features of `tokens` [batch, tokens, width] = (mean, places) + positions.
  private mutating func meanAndPlaces(_ tokens: Value) throws(ImportError) -> (Weight, Picture) {
    let expression = tokens.expression
    let (batch, count, width) = (tokens.shape[0], tokens.shape[1], tokens.shape[2])
    guard case .binary(.add, let sum, let amount) = program.operation(tokens), program.isConstant(amount),
      let joined = program.through(tokens, sum), let repeated = program.through(tokens, amount),
      let table = try program.sameInEveryRow(repeated.flat, rows: batch, columns: count &* width)
    else { throw refusal(expression, "stands where positions are added in an attention pool") }
    guard case .concat = program.operation(joined) else {
      throw refusal(joined.expression, "stands where the mean is put before the places in an attention pool")
    }
    let mean = try cut(joined, axis: 1, start: 0, count: 1)
    let places = try cut(joined, axis: 1, start: 1, count: count - 1)
    let side = Int(Double(count - 1).squareRoot())
    let shape = [batch, width, side, side]
    let features = places.with(Layout(dense: [batch, width, count - 1]))
    guard side &* side == count - 1, case .reduce(.mean, let rows) = program.operation(mean),
      mean.layout == Layout(dense: [batch, 1, width]), program.isDense(mean),
      places.layout == features.layout.transposed([0, 2, 1]), program.isDense(features),
      rows == features.with(features.layout.reshaped([batch &* width, count - 1]))
    else {
      throw refusal(
        joined.expression, "does not join the mean of a ResNet's features with the features themselves")
    }
    return (
      try weight(table, [count, width], for: expression),
      Picture(expression: features.expression, shape: shape)
    )
  }
}
