/// Shapes that exporters write out in primitive operators, put together again as they are built.
///
/// Each rule is an identity: the expression it makes computes what the operators did, for every input.
extension Program {
  /// 1/√2 and 1.702 as they come out of a graph in single, half and bfloat16 precision.
  static func isInverseRootTwo(_ value: Double) -> Bool {
    matches(value, 0.5.squareRoot()) || matches(1 / value, 2.0.squareRoot())
  }
  static func isQuickGELUSlope(_ value: Double) -> Bool { matches(value, 1.702) }

  private static func matches(_ value: Double, _ exact: Double) -> Bool {
    let single = Float(exact)
    return [Double(single), Double(Float16(exact)), Double(roundedToBFloat16(single))]
      .contains { abs(value - $0) <= 3e-7 * exact }
  }

  /// a · b of two values that depend on the input.
  mutating func multiplied(_ a: Value, _ b: Value) throws(ImportError) -> Value {
    // Factors are collected in front: (s·a)·b = s·(a·b).
    if case .scale(let inner, let factor) = operation(a), let under = through(a, inner) {
      return try scaled(multiplied(under, b), by: factor)
    }
    if case .scale(let inner, let factor) = operation(b), let under = through(b, inner) {
      return try scaled(multiplied(a, under), by: factor)
    }
    for (product, factor) in [(a, b), (b, a)] {
      if let real = requantised(product, factor) { return try intern(real, shape: product.shape) }
      if case .binary(.multiply, let scale, let each) = operation(factor), isConstant(each),
        case .quantisationScale = operation(scale), let first = through(factor, scale),
        let second = through(factor, each)
      {
        return try binary(.multiply, multiplied(product, first), second)
      }
    }
    if a == b { return try intern(.unary(.square, a), shape: a.shape) }
    for (x, gate) in [(a, b), (b, a)] {
      if let slope = swishSlope(x, gate) { return try intern(.swish(x, slope: slope), shape: x.shape) }
      if isGELUGate(x, gate) { return try scaled(intern(.gelu(x), shape: x.shape), by: 2) }
      if let epsilon = standardEpsilon(x, gate), case .centred(let rows) = operation(x) {
        return try intern(.standardised(rows, epsilon: epsilon), shape: x.shape)
      }
      if let rows = normalisedRows(x, gate) { return try intern(.normalised(rows), shape: x.shape) }
    }
    let (x, y) = a.expression <= b.expression ? (a, b) : (b, a)
    return try intern(.binary(.multiply, x, y), shape: x.shape)
  }

  /// k where gate = sigmoid(k · x).
  private func swishSlope(_ x: Value, _ gate: Value) -> Double? {
    guard case .unary(.sigmoid, let inner) = operation(gate), let under = through(gate, inner) else {
      return nil
    }
    if under == x { return 1 }
    guard case .scale(let base, let slope) = operation(under), through(under, base) == x else { return nil }
    return slope
  }

  /// Whether gate = 1 + erf(x / √2).
  private func isGELUGate(_ x: Value, _ gate: Value) -> Bool {
    guard case .shift(let sum, 1) = operation(gate), let erf = through(gate, sum),
      case .unary(.erf, let inner) = operation(erf), let under = through(erf, inner),
      case .scale(let base, let factor) = operation(under), Program.isInverseRootTwo(factor)
    else { return false }
    return through(under, base) == x
  }

  /// x − mean of its row.
  mutating func centred(_ x: Value, _ mean: Value) throws(ImportError) -> Value? {
    guard case .reduce(.mean, let rows) = operation(mean), rows.flat == x,
      let perRow = rowValues(mean, rows: rows.shape[0], columns: rows.shape[1]), isDense(perRow)
    else { return nil }
    return try intern(.centred(rows), shape: x.shape)
  }

  /// ε where x = centred rows and gate = 1/√(mean(x²) + ε) of each row.
  private func standardEpsilon(_ x: Value, _ gate: Value) -> Double? {
    guard case .centred(let rows) = operation(x), isDense(x),
      let perRow = rowValues(gate, rows: rows.shape[0], columns: rows.shape[1]),
      case .unary(.reciprocal, let root) = operation(perRow), isDense(perRow),
      case .unary(.sqrt, let variance) = operation(root), isDense(root)
    else { return nil }
    var (mean, epsilon) = (variance, 0.0)
    if case .shift(let inner, let amount) = operation(variance), isDense(variance) {
      (mean, epsilon) = (inner, amount)
    }
    guard case .reduce(.mean, let squares) = operation(mean), isDense(mean), squares.shape == rows.shape,
      isDense(squares), case .unary(.square, let centred) = operation(squares), centred == x
    else { return nil }
    return epsilon
  }

  /// [rows, columns] where gate = 1/|x| of each row; a floor under the length that only zeros can reach is allowed.
  private func normalisedRows(_ x: Value, _ gate: Value) -> Value? {
    guard case .unary(.reciprocal, var length) = operation(gate) else { return nil }
    var floored = true
    while floored {
      switch operation(length) {
      case .binary(.maximum, let inner, let floor):
        guard isDense(length), let least = try? scalar(floor), least <= 1e-6 else { return nil }
        length = inner
      // A floor that half precision rounded to 0.
      case .unary(.relu, let inner) where isDense(length): length = inner
      case .shift(let inner, let amount) where amount >= 0 && amount <= 1e-6 && isDense(length):
        length = inner
      default: floored = false
      }
    }
    guard case .unary(.sqrt, var sum) = operation(length), isDense(length) else { return nil }
    if case .shift(let inner, let amount) = operation(sum), amount >= 0, amount <= 1e-12, isDense(sum) {
      sum = inner
    }
    guard case .reduce(.sum, let squares) = operation(sum), isDense(sum), isDense(squares),
      case .unary(.square, let base) = operation(squares), base == x,
      let perRow = rowValues(gate, rows: squares.shape[0], columns: squares.shape[1]), isDense(perRow)
    else { return nil }
    return x.with(x.layout.reshaped(squares.shape))
  }

  /// x + constant: a bias, or the last step of a layer normalisation, where it is the same for every row.
  mutating func biased(_ x: Value, _ amount: Value) throws(ImportError) -> Value {
    if isDense(x) {
      switch operation(x) {
      case .linear(let rows, let weight, nil):
        if let bias = columnValues(amount, rows: rows.shape[0], columns: weight.shape[1]) {
          return try intern(.linear(rows, weight: weight, bias: bias), shape: x.shape)
        }
      case .binary(.multiply, let unit, let factor):
        if case .standardised(let rows, let epsilon) = operation(unit), isDense(unit),
          let gain = columnValues(factor, rows: rows.shape[0], columns: rows.shape[1]),
          let bias = columnValues(amount, rows: rows.shape[0], columns: rows.shape[1]), isConstant(gain)
        {
          return try intern(.layerNorm(rows, gain: gain, bias: bias, epsilon: epsilon), shape: x.shape)
        }
      default: break
      }
    }
    if case .linear(let rows, let weight, nil) = operation(x), let part = columns(of: x, rows, weight),
      let bias = columnValues(amount, rows: rows.shape[0], columns: part.shape[1])
    {
      return try intern(.linear(rows, weight: part, bias: bias), shape: x.shape)
    }
    return try intern(.binary(.add, x, amount), shape: x.shape)
  }

  /// The columns of a layer's weights that make `x`, which takes some of its outputs of every row: queries, keys and
  /// values are cut from one product before each gets its bias.
  private func columns(of x: Value, _ rows: Value, _ weight: Value) -> Value? {
    let (count, outputs) = (rows.shape[0], weight.shape[1])
    let taken = x.count / count
    let expected = Layout(
      offset: x.layout.offset,
      atoms: [Layout.Atom(size: count, stride: outputs), Layout.Atom(size: taken, stride: 1)], shape: x.shape)
    guard taken < outputs, x.count == taken &* count, x.layout == expected,
      x.layout.offset &+ taken <= outputs
    else { return nil }
    return weight.layout.sliced(axis: 1, start: x.layout.offset, count: taken).map { weight.with($0) }
  }

  /// The [rows] of a flat [rows · columns] view that repeats one value along each row, or nil.
  func rowValues(_ value: Value, rows: Int, columns: Int) -> Value? {
    guard value.count == rows &* columns, let axes = value.layout.reshaped([rows, columns]).axes(),
      axes[1].allSatisfy({ $0.stride == 0 })
    else { return nil }
    return value.with(Layout(offset: value.layout.offset, atoms: axes[0], shape: [rows]))
  }

  /// The [columns] of a flat [rows · columns] view that is the same in every row, or nil.
  func columnValues(_ value: Value, rows: Int, columns: Int) -> Value? {
    guard value.count == rows &* columns, let axes = value.layout.reshaped([rows, columns]).axes(),
      axes[0].allSatisfy({ $0.stride == 0 })
    else { return nil }
    return value.with(Layout(offset: value.layout.offset, atoms: axes[1], shape: [columns]))
  }

  /// The [columns] of a constant that says the same in every row, be it by repeating them or in as many copies, as
  /// folded expansions to a fixed batch size do; or nil.
  mutating func sameInEveryRow(_ value: Value, rows: Int, columns: Int) throws(ImportError) -> Value? {
    if let repeated = columnValues(value, rows: rows, columns: columns) { return repeated }
    guard isConstant(value), value.count == rows &* columns,
      let axes = value.layout.reshaped([rows, columns]).axes()
    else { return nil }
    let values = try floats(value)
    let first = values.prefix(columns)
    for row in 1..<max(rows, 1) {
      guard values[row * columns..<(row + 1) * columns].elementsEqual(first) else { return nil }
    }
    return value.with(Layout(offset: value.layout.offset, atoms: axes[1], shape: [columns]))
  }

  /// softmax(scale · q kᵀ + mask) as read from what it is applied to, or nil.
  func attentionScores(_ weights: Value) -> (query: Value, key: Value, scale: Double, mask: Value?)? {
    guard case .softmax(let scores) = operation(weights), isDense(weights), isDense(scores) else {
      return nil
    }
    var current = scores
    var mask: Value?
    if case .binary(.add, let inner, let amount) = operation(current), isConstant(amount), isDense(inner) {
      (current, mask) = (inner, amount)
    }
    var scale = 1.0
    if case .scale(let inner, let factor) = operation(current), isDense(inner) {
      (current, scale) = (inner, factor)
    }
    guard case .product(let query, let key) = operation(current), key.shape[1] == query.shape[2],
      let keyRows = key.layout.transposed([0, 2, 1])
    else { return nil }
    return (query, key.with(keyRows), scale, mask)
  }
}

extension Value {
  /// The same elements with one axis.
  var flat: Value { with(layout.flat) }
}
