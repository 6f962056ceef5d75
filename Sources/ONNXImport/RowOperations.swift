/// Operations along an axis: reductions, softmax, norms, products, gathering.
extension Program {
  /// A value as [rows, columns], with where each row went.
  struct Rows {
    /// Rows in the order of the array behind, columns in the given order.
    let operand: Value
    /// For each axis of the value that is not a column: its digits, with strides that count rows.
    let places: [[Layout.Atom]]
    let rowAxes: [Int]
    var rows: Int { operand.shape[0] }
    var columns: Int { operand.shape[1] }
  }

  /// `value` with the axes `columns` (in ascending order) as columns and the others as rows.
  func rows(_ value: Value, columns: [Int]) throws(ImportError) -> Rows {
    guard value.count > 0 else { throw .unsupported("computes with an empty tensor") }
    guard let axes = value.layout.axes() else { throw .unsupported("reads a view that has no clear axes") }
    let rowAxes = axes.indices.filter { !columns.contains($0) }
    var digits: [(axis: Int, index: Int)] = []
    for axis in rowAxes {
      for index in axes[axis].indices where axes[axis][index].stride != 0 { digits.append((axis, index)) }
    }
    let order = digits.indices.sorted { a, b in
      let (x, y) = (
        axes[digits[a].axis][digits[a].index].stride, axes[digits[b].axis][digits[b].index].stride
      )
      return x == y ? a < b : x > y
    }
    var places = axes.map { $0.map { Layout.Atom(size: $0.size, stride: 0) } }
    var count = 1
    for i in order.reversed() {
      places[digits[i].axis][digits[i].index].stride = count
      count = count &* axes[digits[i].axis][digits[i].index].size
    }
    let columnAtoms = columns.flatMap { axes[$0] }
    let layout = Layout(
      offset: value.layout.offset, atoms: order.map { axes[digits[$0].axis][digits[$0].index] } + columnAtoms,
      shape: [count, columns.reduce(1) { $0 &* value.shape[$1] }])
    return Rows(operand: value.with(layout), places: rowAxes.map { places[$0] }, rowAxes: rowAxes)
  }

  /// The axis that a possibly negative number means.
  func axis(_ number: Int, rank: Int) throws(ImportError) -> Int {
    guard number >= -rank, number < rank else {
      throw .malformed("has axis \(number) of a tensor with \(rank) axes")
    }
    return number < 0 ? number + rank : number
  }

  /// A result with the rows' axes in the order of `axes`, each row followed by `width` elements (as the last axis if
  /// `width` is given).
  private func spread(_ dense: Value, _ rows: Rows, of shape: [Int], width: Int?) -> Value {
    let step = width ?? 1
    var atoms = rows.places.flatMap { $0.map { Layout.Atom(size: $0.size, stride: $0.stride &* step) } }
    var newShape = rows.rowAxes.map { shape[$0] }
    if let width {
      atoms.append(Layout.Atom(size: width, stride: 1))
      newShape.append(width)
    }
    return dense.with(Layout(offset: 0, atoms: atoms, shape: newShape))
  }

  /// A result with the axes of the operand, which was brought into `rows`.
  private func restored(_ dense: Value, _ rows: Rows, of shape: [Int], columns: [Int]) -> Value {
    var axes = [[Layout.Atom]](repeating: [], count: shape.count)
    for (axis, places) in zip(rows.rowAxes, rows.places) {
      axes[axis] = places.map { Layout.Atom(size: $0.size, stride: $0.stride &* rows.columns) }
    }
    var run = 1
    for axis in columns.reversed() {
      axes[axis] = [Layout.Atom(size: shape[axis], stride: run)]
      run = run &* shape[axis]
    }
    return dense.with(Layout(offset: 0, atoms: axes.flatMap { $0 }, shape: shape))
  }

  /// Sum, mean, … over `axes`, which vanish or stay with size 1.
  mutating func reduced(
    _ reduction: Reduction, _ value: Value, axes: [Int], keep: Bool
  ) throws(ImportError) -> Value {
    let columns = Set(axes).sorted()
    if columns.isEmpty { return value }
    let rows = try rows(value, columns: columns)
    let dense: Value
    if let tensor = constant(value) {
      try spend(value.count)
      dense = try constant(fold(reduction, tensor, rows.operand.layout), shape: [rows.rows])
    } else {
      dense = try intern(.reduce(reduction, rows.operand), shape: [rows.rows], kind: kind(value))
    }
    let result = spread(dense, rows, of: value.shape, width: nil)
    guard keep else { return result }
    var shape = value.shape
    for axis in columns { shape[axis] = 1 }
    return result.with(result.layout.reshaped(shape))
  }

  /// The place of the largest (first or last of equals) along an axis.
  mutating func argMax(_ value: Value, axis: Int, last: Bool, keep: Bool) throws(ImportError) -> Value {
    let rows = try rows(value, columns: [axis])
    let dense: Value
    if let tensor = constant(value) {
      try spend(value.count)
      dense = try constant(foldArgMax(tensor, rows.operand.layout, last: last), shape: [rows.rows])
    } else {
      dense = try intern(
        .argMax(rows.operand, last: last), shape: [rows.rows], kind: .int, range: 0...rows.columns - 1)
    }
    let result = spread(dense, rows, of: value.shape, width: nil)
    guard keep else { return result }
    var shape = value.shape
    shape[axis] = 1
    return result.with(result.layout.reshaped(shape))
  }

  /// Softmax, standardisation or normalisation along `columns`.
  mutating func alongColumns(
    _ value: Value, columns: [Int], _ make: (Value) -> Operation
  ) throws(ImportError) -> Value {
    guard !isConstant(value) else { throw .unsupported("is applied to a constant") }
    let rows = try rows(value, columns: columns)
    let dense = try intern(make(rows.operand), shape: [rows.rows &* rows.columns])
    return restored(dense, rows, of: value.shape, columns: columns)
  }

  /// [..., inputs] · [inputs, outputs]
  mutating func linear(_ value: Value, weight: Value) throws(ImportError) -> Value {
    let rows = try rows(value, columns: [value.shape.count - 1])
    let outputs = weight.shape[1]
    let dense = try intern(.linear(rows.operand, weight: weight, bias: nil), shape: [rows.rows, outputs])
    return spread(dense, rows, of: value.shape, width: outputs)
  }

  /// Rows of a constant table for integers that depend on the input.
  mutating func embedded(_ ids: Value, table: Value) throws(ImportError) -> Value {
    let rows = try rows(ids, columns: [])
    let flatIds = rows.operand.flat
    let width = table.shape[1]
    let dense = try intern(
      .embedding(table: table, ids: flatIds), shape: [rows.rows, width], kind: kind(table))
    return spread(dense, rows, of: ids.shape, width: width)
  }

  /// Matrix product with ONNX's (numpy's) rules for axes.
  mutating func matrixProduct(_ a: Value, _ b: Value) throws(ImportError) -> Value {
    guard let first = a.shape.last, !b.shape.isEmpty else { throw .malformed("multiplies a scalar") }
    if a.shape.count == 1 {
      let result = try matrixProduct(a.with(a.layout.reshaped([1, first])), b)
      var shape = result.shape
      shape.remove(at: max(shape.count - (b.shape.count == 1 ? 1 : 2), 0))
      return result.with(result.layout.reshaped(shape))
    }
    if b.shape.count == 1 {
      let result = try matrixProduct(a, b.with(b.layout.reshaped([b.shape[0], 1])))
      return result.with(result.layout.reshaped(Array(result.shape.dropLast())))
    }
    let inner = b.shape[b.shape.count - 2]
    guard first == inner else {
      throw .malformed("multiplies shapes \(a.shape) and \(b.shape), which do not fit")
    }
    guard a.count > 0, b.count > 0 else { throw .unsupported("multiplies an empty tensor") }
    switch (isConstant(a), isConstant(b)) {
    case (true, true): return try foldedProduct(a, b)
    case (false, true) where b.shape.dropLast(2).allSatisfy { $0 == 1 }:
      let result = try linear(a, weight: b.with(b.layout.reshaped([inner, b.shape[b.shape.count - 1]])))
      let lead = [Int](repeating: 1, count: max(0, b.shape.count - a.shape.count))
      return result.with(result.layout.reshaped(lead + result.shape))
    case (true, false) where a.shape.dropLast(2).allSatisfy { $0 == 1 }:
      // W x = (xᵀ Wᵀ)ᵀ
      let weight = try transposed(
        a.with(a.layout.reshaped([a.shape[a.shape.count - 2], inner])), [1, 0])
      let result = try linear(swapLast(b), weight: weight)
      let lead = [Int](repeating: 1, count: max(0, a.shape.count - b.shape.count))
      return try swapLast(result.with(result.layout.reshaped(lead + result.shape)))
    default: return try batchedProduct(a, b)
    }
  }

  /// The value with its axes in another order.
  func transposed(_ value: Value, _ order: [Int]) throws(ImportError) -> Value {
    guard let layout = value.layout.transposed(order) else {
      throw .unsupported("transposes a view that has no clear axes")
    }
    return value.with(layout)
  }

  private func swapLast(_ value: Value) throws(ImportError) -> Value {
    var order = Array(value.shape.indices)
    order.swapAt(order.count - 1, order.count - 2)
    return try transposed(value, order)
  }

  private mutating func batchedProduct(_ first: Value, _ second: Value) throws(ImportError) -> Value {
    var (a, b, factor) = (first, second, 1.0)
    // (s·a) b = s·(a b)
    while case .scale(let inner, let amount) = operation(a), let under = through(a, inner) {
      (a, factor) = (under, factor * amount)
    }
    while case .scale(let inner, let amount) = operation(b), let under = through(b, inner) {
      (b, factor) = (under, factor * amount)
    }
    let (m, k, n) = (a.shape[a.shape.count - 2], a.shape[a.shape.count - 1], b.shape[b.shape.count - 1])
    guard let lead = Layout.broadcastShape(a.shape.dropLast(2), b.shape.dropLast(2)),
      let left = a.layout.broadcast(to: lead + [m, k])?.axes(),
      let right = b.layout.broadcast(to: lead + [k, n])?.axes(),
      let digits = Layout.refined(
        [left, right].map { axes in
          Layout(offset: 0, atoms: axes.dropLast(2).flatMap { $0 }, shape: lead)
        })
    else {
      throw .unsupported("multiplies views of shapes \(a.shape) and \(b.shape) that have no common order")
    }
    let order = digits.sizes.indices.sorted { i, j in
      let (x, y) = (
        (digits.strides[0][i], digits.strides[1][i]), (digits.strides[0][j], digits.strides[1][j])
      )
      return x == y ? i < j : x > y
    }
    let batch = Layout.count(lead)
    func arranged(_ value: Value, _ which: Int, _ axes: [[Layout.Atom]], _ shape: [Int]) -> Value {
      let atoms = order.map { Layout.Atom(size: digits.sizes[$0], stride: digits.strides[which][$0]) }
      return value.with(
        Layout(offset: value.layout.offset, atoms: atoms + axes.suffix(2).flatMap { $0 }, shape: shape))
    }
    let x = arranged(a, 0, left, [batch, m, k])
    let y = arranged(b, 1, right, [batch, k, n])
    var dense: Value
    if let scores = attentionScores(x.flat) {
      dense = try intern(
        .attention(query: scores.query, key: scores.key, value: y, scale: scores.scale, mask: scores.mask),
        shape: [batch, m, n])
    } else {
      dense = try intern(.product(x, y), shape: [batch, m, n])
    }
    dense = try scaled(dense.flat, by: factor)
    var places = [Int](repeating: 0, count: digits.sizes.count)
    var run = m &* n
    for i in order.reversed() {
      places[i] = run
      run = run &* digits.sizes[i]
    }
    let atoms = digits.sizes.indices.map { Layout.Atom(size: digits.sizes[$0], stride: places[$0]) }
    let result = Layout(
      offset: 0, atoms: atoms + [Layout.Atom(size: m, stride: n), Layout.Atom(size: n, stride: 1)],
      shape: lead + [m, n])
    guard let layout = result.composed(over: dense.layout) else {
      throw .unsupported("makes a view that cannot be followed")
    }
    return dense.with(layout)
  }

  /// Parts joined along an axis, in the order of the arrays behind them.
  mutating func joined(_ parts: [Value], axis: Int) throws(ImportError) -> Value {
    guard let pivot = parts.filter({ !isConstant($0) }).max(by: { $0.count < $1.count }) else {
      return try foldedConcat(parts, axis: axis)
    }
    guard parts.allSatisfy({ $0.count > 0 }) else {
      let filled = parts.filter { $0.count > 0 }
      return try joined(filled, axis: axis)
    }
    if parts.count == 1 { return parts[0] }
    guard let axes = pivot.layout.axes() else { throw .unsupported("joins a view that has no clear axes") }
    let reach = axes.map { $0.map(\.stride).max() ?? 0 }
    let order = axes.indices.sorted { reach[$0] == reach[$1] ? $0 < $1 : reach[$0] > reach[$1] }
    let place = order.firstIndex(of: axis) ?? axis
    var total = 0
    var operands: [Value] = []
    for part in parts {
      let turned = try transposed(part, order)
      total += turned.shape[place]
      operands.append(turned)
    }
    var shape = operands[0].shape
    let outer = shape[..<place].reduce(1, &*)
    let inner = shape[(place + 1)...].reduce(1, &*)
    shape[place] = total
    let dense = try intern(
      .concat(operands.map { $0.with($0.layout.reshaped([outer, $0.shape[place], inner])) }), shape: shape,
      kind: kind(pivot))
    var back = [Int](repeating: 0, count: order.count)
    for (i, axis) in order.enumerated() { back[axis] = i }
    return try transposed(dense, back)
  }
}
