/// Integers and truth values that depend on the input, and choices made by them: ids, masks and guards.
extension Program {
  /// Integers that depend on the input: token ids and what is found in them. Known ranges settle comparisons.
  mutating func simplifiedInteger(_ function: Binary, _ a: Value, _ b: Value) throws(ImportError) -> Value {
    var (x, y) = (a, b)
    if function.isCommutative && isConstant(x) { swap(&x, &y) }
    let amount = try scalar(y).map(Double.init)
    let left = try range(x)
    let right = try range(y)
    var result: ClosedRange<Int>?
    switch function {
    case .add:
      if amount == 0 { return x }
      if let left, let right, max(left.upperBound, right.upperBound) <= Limit.elements,
        min(left.lowerBound, right.lowerBound) >= -Limit.elements
      {
        result = left.lowerBound + right.lowerBound...left.upperBound + right.upperBound
      }
    case .multiply:
      if amount == 1 { return x }
    case .subtract where amount == 0: return x
    case .modulo:
      if let amount, let left, left.lowerBound >= 0, Double(left.upperBound) < amount { return x }
    case .less, .lessOrEqual:
      if let left, let right {
        let strict = function == .less
        if strict ? left.upperBound < right.lowerBound : left.upperBound <= right.lowerBound {
          return try truth(true, x)
        }
        if strict ? left.lowerBound >= right.upperBound : left.lowerBound > right.upperBound {
          return try truth(false, x)
        }
      }
    case .equal:
      if let left, let right, !left.overlaps(right) { return try truth(false, x) }
    case .and, .or:
      if let amount { return (amount != 0) == (function == .and) ? x : try truth(function == .or, x) }
    default: break
    }
    if function.isCommutative && x.expression > y.expression && !isConstant(x) && !isConstant(y) {
      swap(&x, &y)
    }
    return try intern(
      .binary(function, x, y), shape: x.shape, kind: function.isPredicate ? .bool : .int,
      range: function.isPredicate ? 0...1 : result)
  }

  /// One truth value in the shape of `x`.
  private mutating func truth(_ answer: Bool, _ x: Value) throws(ImportError) -> Value {
    let one = try constant(ConstantTensor([answer ? 1 : 0], type: .bool), shape: [])
    return one.with(Layout(offset: 0, atoms: [Layout.Atom(size: x.count, stride: 0)], shape: x.shape))
  }

  /// The integers that a value can hold, where that is known and bounded.
  private func range(_ value: Value) throws(ImportError) -> ClosedRange<Int>? {
    guard let tensor = constant(value) else { return expressions[value.expression].range }
    guard value.count <= 4096, tensor.type.kind != .float else { return nil }
    let integers = try tensor.integers(value.layout)
    guard let low = integers.min(), let high = integers.max(), low > -Limit.elements, high < Limit.elements
    else {
      return nil
    }
    return low...high
  }

  mutating func simplifiedChoice(
    _ c: Value, _ x: Value, _ y: Value, count: Int
  ) throws(ImportError) -> Value {
    if let answer = try scalar(c) { return answer != 0 ? x : y }
    if let truth = constant(c) {
      if let first = constant(x), let second = constant(y) {
        try spend(count)
        return try constant(try foldChoice(truth, c, first, x, second, y), shape: [count])
      }
      // What a softmax gives no weight is the same whether it is replaced by a huge negative number or gets one added.
      if let fill = try scalar(y), fill <= Program.maskFill {
        return try masked(x, truth.integers(c.layout), fill, hide: 0)
      }
      if let fill = try scalar(x), fill <= Program.maskFill {
        return try masked(y, truth.integers(c.layout), fill, hide: 1)
      }
    }
    // A guard against rows that see nothing. Masks that hide whole rows are refused when the attention is read.
    if case .unary(.isNaN, let tested) = operation(c), through(c, tested) == y, try scalar(x) == 0,
      case .softmax = operation(y)
    {
      return y
    }
    let ranges = (expressions[x.expression].range, expressions[y.expression].range)
    var joint: ClosedRange<Int>?
    if let a = ranges.0, let b = ranges.1 {
      joint = min(a.lowerBound, b.lowerBound)...max(a.upperBound, b.upperBound)
    }
    return try intern(.choose(c, x, y), shape: c.shape, kind: kind(x), range: joint)
  }

  /// A mask value at or below this hides: e^(s − 9999) is 0 for every score s that float32 can tell from it.
  static var maskFill: Float { -9999 }

  private mutating func masked(
    _ x: Value, _ truth: [Int], _ fill: Float, hide: Int
  ) throws(ImportError) -> Value {
    try spend(truth.count)
    let mask = try constant(ConstantTensor(truth.map { $0 == hide ? fill : 0 }), shape: x.shape)
    return try intern(.binary(.add, x, mask), shape: x.shape)
  }
}
