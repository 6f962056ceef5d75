/// Elementwise operations: operands are brought into one arrangement, constants folded, known shapes recognised.
extension Program {
  /// Operands broadcast together, as views with one axis whose order follows the arrays behind them.
  private struct Arrangement {
    let operands: [Value]
    /// The broadcast shape, as a view of a dense array in the operands' common order.
    let result: Layout
    let count: Int
  }

  private func arrange(_ operands: [Value]) throws(ImportError) -> Arrangement {
    var shape: [Int] = []
    for operand in operands {
      guard let joint = Layout.broadcastShape(shape, operand.shape) else {
        throw .malformed("has operands of shapes \(operands.map(\.shape)), which do not broadcast")
      }
      shape = joint
    }
    guard try checkedCount(shape) > 0 else {
      throw .unsupported("computes with an empty tensor")
    }
    let layouts = operands.compactMap { $0.layout.broadcast(to: shape) }
    guard layouts.count == operands.count, let digits = Layout.refined(layouts) else {
      throw .unsupported("combines views of its operands that have no common order")
    }
    // Digits that every operand repeats are left out: f(repeat(x)) = repeat(f(x)).
    var order = digits.sizes.indices.filter { i in digits.strides.contains { $0[i] != 0 } }
    let leaders = leaders(of: operands, digits.sizes, digits.strides)
    order.sort { a, b in
      for leader in leaders where digits.strides[leader][a] != digits.strides[leader][b] {
        return digits.strides[leader][a] > digits.strides[leader][b]
      }
      return a < b
    }
    var places = [Int](repeating: 0, count: digits.sizes.count)
    var run = 1
    for i in order.reversed() {
      places[i] = run
      run = run &* digits.sizes[i]
    }
    let arranged = operands.indices.map { k in
      operands[k].with(
        Layout(
          offset: operands[k].layout.offset,
          atoms: order.map { Layout.Atom(size: digits.sizes[$0], stride: digits.strides[k][$0]) },
          shape: [run]))
    }
    let atoms = digits.sizes.indices.map { Layout.Atom(size: digits.sizes[$0], stride: places[$0]) }
    return Arrangement(operands: arranged, result: Layout(offset: 0, atoms: atoms, shape: shape), count: run)
  }

  /// Operands that decide the order: those that depend on the input, the one with most elements first.
  private func leaders(of operands: [Value], _ sizes: [Int], _ strides: [[Int]]) -> [Int] {
    func distinct(_ k: Int) -> Int {
      sizes.indices.reduce(1) { strides[k][$1] == 0 ? $0 : $0 &* sizes[$1] }
    }
    return operands.indices.filter { !isConstant(operands[$0]) }
      .sorted { (distinct($0), -$0) > (distinct($1), -$1) }
  }

  private func finish(_ arrangement: Arrangement, _ flat: Value) throws(ImportError) -> Value {
    guard let layout = arrangement.result.composed(over: flat.layout) else {
      throw .unsupported("makes a view that cannot be followed")
    }
    return flat.with(layout)
  }

  // MARK: One operand

  /// f(x)
  mutating func unary(_ function: Unary, _ x: Value) throws(ImportError) -> Value {
    if x.count == 0 { return try emptyConstant(like: x, shape: x.shape) }
    let arrangement = try arrange([x])
    let operand = arrangement.operands[0]
    if let tensor = constant(operand) {
      try spend(arrangement.count)
      return try finish(
        arrangement, constant(try fold(function, tensor, operand.layout), shape: [arrangement.count]))
    }
    return try finish(arrangement, simplified(function, operand))
  }

  private mutating func simplified(_ function: Unary, _ x: Value) throws(ImportError) -> Value {
    switch function {
    case .square:
      // |x|² = x²
      if case .unary(.abs, let inner) = operation(x), let under = through(x, inner) {
        return try simplified(.square, under)
      }
      if case .scale(let inner, let factor) = operation(x), let under = through(x, inner) {
        return try scaled(simplified(.square, under), by: factor * factor)
      }
    case .isNaN, .isInfinite, .not:
      return try intern(.unary(function, x), shape: x.shape, kind: .bool, range: 0...1)
    default: break
    }
    return try intern(.unary(function, x), shape: x.shape, kind: kind(x))
  }

  /// `outer` as a view of `inner`, where `outer`'s expression computes elementwise from `inner`.
  func through(_ outer: Value, _ inner: Value) -> Value? {
    outer.layout.composed(over: inner.layout).map { inner.with($0) }
  }

  /// x · factor
  mutating func scaled(_ x: Value, by factor: Double) throws(ImportError) -> Value {
    if factor == 1 { return x }
    switch operation(x) {
    case .scale(let inner, let first):
      if let under = through(x, inner) { return try scaled(under, by: first * factor) }
    case .linear, .convolution:
      // Into the weights, where they take a factor.
      let one = try constant(float: Float(factor))
      let each = one.with(Layout(offset: 0, atoms: [Layout.Atom(size: x.count, stride: 0)], shape: x.shape))
      if let value = try rescaled(x, each) { return value }
      if let value = try channelwise(.multiply, x, each) { return value }
    case .reduce(.sum, let rows) where isDense(x) && abs(factor * Double(rows.shape[1]) - 1) < 1e-6:
      return try intern(.reduce(.mean, rows), shape: x.shape)
    default: break
    }
    return try intern(.scale(x, factor), shape: x.shape, kind: kind(x))
  }

  /// x + amount
  mutating func shifted(_ x: Value, by amount: Double) throws(ImportError) -> Value {
    if amount == 0 { return x }
    switch operation(x) {
    case .shift(let inner, let first):
      if let under = through(x, inner) { return try shifted(under, by: first + amount) }
    case .scale(let inner, let factor) where factor != 0:
      if let under = through(x, inner) { return try scaled(shifted(under, by: amount / factor), by: factor) }
    default: break
    }
    return try intern(.shift(x, amount), shape: x.shape, kind: kind(x))
  }

  // MARK: Two operands

  /// f(a, b), broadcast.
  mutating func binary(_ function: Binary, _ a: Value, _ b: Value) throws(ImportError) -> Value {
    if a.count == 0 || b.count == 0 {
      guard let shape = Layout.broadcastShape(a.shape, b.shape) else {
        throw .malformed("has operands of shapes \([a.shape, b.shape]), which do not broadcast")
      }
      return try emptyConstant(like: a, shape: shape)
    }
    let arrangement = try arrange([a, b])
    let x = arrangement.operands[0]
    let y = arrangement.operands[1]
    if let first = constant(x), let second = constant(y) {
      if let same = try identity(function, x, y) { return try finish(arrangement, same) }
      try spend(arrangement.count)
      return try finish(
        arrangement,
        constant(try fold(function, first, x.layout, second, y.layout), shape: [arrangement.count]))
    }
    let result =
      kind(x) == .float && kind(y) == .float
      ? try simplifiedFloat(function, x, y) : try simplifiedInteger(function, x, y)
    return try finish(arrangement, result)
  }

  /// x + 0 and x · 1 of constants are x: weights that pass through them stay views of the file.
  private func identity(_ function: Binary, _ x: Value, _ y: Value) throws(ImportError) -> Value? {
    guard kind(x) == kind(y) else { return nil }
    switch function {
    case .add:
      if try scalar(y) == 0 { return x }
      if try scalar(x) == 0 { return y }
    case .multiply:
      if try scalar(y) == 1 { return x }
      if try scalar(x) == 1 { return y }
    case .subtract: if try scalar(y) == 0 { return x }
    case .divide: if try scalar(y) == 1 { return x }
    default: break
    }
    return nil
  }

  /// The number that a constant view shows everywhere because it is one element, or nil.
  func scalar(_ value: Value) throws(ImportError) -> Float? {
    guard value.layout.atoms.allSatisfy({ $0.stride == 0 }), value.count > 0 else { return nil }
    return try constant(value)?.floats(Layout(offset: value.layout.offset, atoms: [], shape: [])).first
  }

  private mutating func simplifiedFloat(_ function: Binary, _ a: Value, _ b: Value) throws(ImportError)
    -> Value
  {
    var (x, y) = (a, b)
    if function.isCommutative && isConstant(x) { swap(&x, &y) }
    let amount = try scalar(y).map(Double.init)
    let first = try scalar(x).map(Double.init)
    if function == .multiply, isConstant(y), let value = try rescaled(x, y) { return value }
    if isConstant(y), let value = try channelwise(function, x, y) { return value }
    switch function {
    case .maximum where amount == 0: return try simplified(.relu, x)
    case .add:
      if let amount { return try shifted(x, by: amount) }
      if isConstant(y) { return try biased(x, y) }
    case .subtract:
      if let amount { return try shifted(x, by: -amount) }
      if let first { return try shifted(scaled(y, by: -1), by: first) }
      if let centred = try centred(x, y) { return centred }
    case .multiply:
      if let amount { return try scaled(x, by: amount) }
      if !isConstant(y) { return try multiplied(x, y) }
    case .divide:
      if let amount { return try scaled(x, by: 1 / amount) }
      if !isConstant(y) {
        let inverse = try unary(.reciprocal, y)
        if let first { return try scaled(inverse, by: first) }
        if !isConstant(x) { return try multiplied(x, inverse) }
      }
    case .power:
      if let amount { return try power(x, amount) }
    default: break
    }
    if function.isCommutative && x.expression > y.expression && !isConstant(x) && !isConstant(y) {
      swap(&x, &y)
    }
    return try intern(
      .binary(function, x, y), shape: x.shape, kind: function.isPredicate ? .bool : .float,
      range: function.isPredicate ? 0...1 : nil)
  }

  private mutating func power(_ x: Value, _ exponent: Double) throws(ImportError) -> Value {
    switch exponent {
    case 1: return x
    case 2: return try simplified(.square, x)
    case 0.5: return try simplified(.sqrt, x)
    case -1: return try simplified(.reciprocal, x)
    case -0.5: return try simplified(.reciprocal, simplified(.sqrt, x))
    default: throw .unsupported("raises to the power \(exponent)")
    }
  }

  // MARK: Three operands

  /// condition ? a : b, broadcast.
  mutating func choose(_ condition: Value, _ a: Value, _ b: Value) throws(ImportError) -> Value {
    if condition.count == 0 || a.count == 0 || b.count == 0 {
      guard let joint = Layout.broadcastShape(a.shape, b.shape),
        let shape = Layout.broadcastShape(joint, condition.shape)
      else { throw .malformed("has operands that do not broadcast") }
      return try emptyConstant(like: a, shape: shape)
    }
    let arrangement = try arrange([condition, a, b])
    let (c, x, y) = (arrangement.operands[0], arrangement.operands[1], arrangement.operands[2])
    return try finish(arrangement, simplifiedChoice(c, x, y, count: arrangement.count))
  }

  private mutating func emptyConstant(like value: Value, shape: [Int]) throws(ImportError) -> Value {
    guard Layout.count(shape) == 0 else { throw .unsupported("computes with an empty tensor") }
    return try constant(
      ConstantTensor(type: constant(value)?.type ?? .float32, count: 0, elements: .integers([])), shape: shape
    )
  }
}
