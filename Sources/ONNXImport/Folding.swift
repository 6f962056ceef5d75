import Glibc

/// Arithmetic on constants: mostly the integers with which exporters compute shapes, masks and indices.
extension Program {
  func fold(_ function: Unary, _ x: ConstantTensor, _ layout: Layout) throws(ImportError) -> ConstantTensor {
    switch function {
    case .toInteger(.bool) where x.type.kind == .float:
      return ConstantTensor(try x.floats(layout).map { $0 == 0 ? 0 : 1 }, type: .bool)
    case .toInteger(let type):
      let range = type.integerRange ?? Int.min...Int.max
      return ConstantTensor(
        try x.integers(layout).map {
          type == .bool ? ($0 == 0 ? 0 : 1) : min(max($0, range.lowerBound), range.upperBound)
        }, type: type)
    case .toFloat(let type):
      return ConstantTensor(try x.floats(layout).map { rounded($0, type) }, type: type)
    case .not: return ConstantTensor(try x.integers(layout).map { $0 == 0 ? 1 : 0 }, type: .bool)
    case .isNaN: return ConstantTensor(try x.floats(layout).map { $0.isNaN ? 1 : 0 }, type: .bool)
    case .isInfinite: return ConstantTensor(try x.floats(layout).map { $0.isInfinite ? 1 : 0 }, type: .bool)
    case .abs where x.type.kind == .int:
      return ConstantTensor(try x.integers(layout).map { $0 < 0 ? 0 &- $0 : $0 }, type: x.type)
    case .sign where x.type.kind == .int:
      return ConstantTensor(try x.integers(layout).map { $0.signum() }, type: x.type)
    case .square where x.type.kind == .int:
      return ConstantTensor(try x.integers(layout).map { $0 &* $0 }, type: x.type)
    default: break
    }
    guard x.type.kind == .float else { throw .unsupported("applies a function of real numbers to integers") }
    return ConstantTensor(try x.floats(layout).map { rounded(apply(function, $0), x.type) }, type: x.type)
  }

  private func apply(_ function: Unary, _ x: Float) -> Float {
    switch function {
    case .sigmoid: 1 / (1 + expf(-x))
    case .erf: erff(x)
    case .tanh: tanhf(x)
    case .exp: expf(x)
    case .log: logf(x)
    case .sqrt: x.squareRoot()
    case .reciprocal: 1 / x
    case .square: x * x
    case .abs: x.magnitude
    case .floor: x.rounded(.down)
    case .ceil: x.rounded(.up)
    case .round: x.rounded(.toNearestOrEven)
    case .relu: x > 0 || x.isNaN ? x : 0
    case .sign: x > 0 ? 1 : x < 0 ? -1 : x
    case .isNaN, .isInfinite, .not, .toInteger, .toFloat, .quantised, .dynamicallyQuantised: x
    }
  }

  private func rounded(_ x: Float, _ type: ElementType) -> Float {
    switch type {
    case .float16: Float(Float16(x))
    case .bfloat16: roundedToBFloat16(x)
    default: x
    }
  }

  func fold(
    _ function: Binary, _ a: ConstantTensor, _ first: Layout, _ b: ConstantTensor, _ second: Layout
  ) throws(ImportError) -> ConstantTensor {
    if a.type.kind == .float || b.type.kind == .float {
      let (x, y) = (try a.floats(first), try b.floats(second))
      let type = a.type.kind == .float ? a.type : b.type
      if function.isPredicate {
        return ConstantTensor(zip(x, y).map { compare(function, $0, $1) ? 1 : 0 }, type: .bool)
      }
      return ConstantTensor(zip(x, y).map { rounded(apply(function, $0, $1), type) }, type: type)
    }
    let (x, y) = (try a.integers(first), try b.integers(second))
    if function.isPredicate {
      return ConstantTensor(zip(x, y).map { compare(function, $0, $1) ? 1 : 0 }, type: .bool)
    }
    var result: [Int] = []
    result.reserveCapacity(x.count)
    for (p, q) in zip(x, y) { result.append(try apply(function, p, q)) }
    return ConstantTensor(result, type: a.type)
  }

  private func compare<T: Comparable & ExpressibleByIntegerLiteral>(_ function: Binary, _ x: T, _ y: T)
    -> Bool
  {
    switch function {
    case .equal: x == y
    case .less: x < y
    case .lessOrEqual: x <= y
    case .and: x != 0 && y != 0
    case .or: x != 0 || y != 0
    default: (x != 0) != (y != 0)
    }
  }

  private func apply(_ function: Binary, _ x: Float, _ y: Float) -> Float {
    switch function {
    case .add: x + y
    case .subtract: x - y
    case .multiply: x * y
    case .divide: x / y
    case .power: powf(x, y)
    case .modulo: fmodf(x, y)
    case .minimum: x.isNaN || x < y ? x : y
    case .maximum: x.isNaN || x > y ? x : y
    default: .nan
    }
  }

  private func apply(_ function: Binary, _ x: Int, _ y: Int) throws(ImportError) -> Int {
    switch function {
    case .add: return x &+ y
    case .subtract: return x &- y
    case .multiply: return x &* y
    case .minimum: return min(x, y)
    case .maximum: return max(x, y)
    case .power:
      let power = pow(Double(x), Double(y))
      guard let exact = Int(exactly: power.rounded(.towardZero)) else {
        throw .malformed("overflows an integer")
      }
      return exact
    case .divide, .modulo:
      guard y != 0 else { throw .malformed("divides by zero") }
      if y == -1 { return function == .divide ? 0 &- x : 0 }
      if function == .divide { return x / y }
      let rest = x % y
      return rest != 0 && (rest < 0) != (y < 0) ? rest + y : rest
    default: throw .unsupported("is not an integer operation")
    }
  }

  func foldChoice(
    _ c: ConstantTensor, _ condition: Value, _ a: ConstantTensor, _ x: Value, _ b: ConstantTensor, _ y: Value
  ) throws(ImportError) -> ConstantTensor {
    let truth = try c.integers(condition.layout)
    if a.type.kind == .float {
      let (p, q) = (try a.floats(x.layout), try b.floats(y.layout))
      return ConstantTensor(truth.indices.map { truth[$0] != 0 ? p[$0] : q[$0] }, type: a.type)
    }
    let (p, q) = (try a.integers(x.layout), try b.integers(y.layout))
    return ConstantTensor(truth.indices.map { truth[$0] != 0 ? p[$0] : q[$0] }, type: a.type)
  }

  func fold(_ reduction: Reduction, _ x: ConstantTensor, _ rows: Layout) throws(ImportError) -> ConstantTensor
  {
    let (count, columns) = (rows.shape[0], rows.shape[1])
    if x.type.kind == .float {
      let values = try x.floats(rows)
      return ConstantTensor(
        (0..<count).map { row in
          let slice = values[row * columns..<(row + 1) * columns]
          return switch reduction {
          case .sum: slice.reduce(0, +)
          case .mean: slice.reduce(0, +) / Float(columns)
          case .maximum: slice.reduce(-.infinity) { $0 > $1 ? $0 : $1 }
          case .minimum: slice.reduce(.infinity) { $0 < $1 ? $0 : $1 }
          case .product: slice.reduce(1, *)
          }
        }, type: x.type)
    }
    let values = try x.integers(rows)
    return ConstantTensor(
      (0..<count).map { row in
        let slice = values[row * columns..<(row + 1) * columns]
        return switch reduction {
        case .sum: slice.reduce(0, &+)
        case .mean: slice.reduce(0, &+) / max(columns, 1)
        case .maximum: slice.max() ?? 0
        case .minimum: slice.min() ?? 0
        case .product: slice.reduce(1, &*)
        }
      }, type: x.type)
  }

  func foldArgMax(_ x: ConstantTensor, _ rows: Layout, last: Bool) throws(ImportError) -> ConstantTensor {
    let columns = rows.shape[1]
    let values = try x.floats(rows)
    return ConstantTensor(
      (0..<rows.shape[0]).map { row in
        var best = 0
        for i in 1..<max(columns, 1) {
          let (value, largest) = (values[row * columns + i], values[row * columns + best])
          if value > largest || (last && value == largest) { best = i }
        }
        return best
      })
  }

  /// The product of two constants, which exporters leave for small ones only.
  mutating func foldedProduct(_ a: Value, _ b: Value) throws(ImportError) -> Value {
    guard a.shape.count == 2, b.shape.count == 2 else {
      throw .unsupported("multiplies constants of more than two axes")
    }
    let (m, k, n) = (a.shape[0], a.shape[1], b.shape[1])
    let (area, tooWide) = m.multipliedReportingOverflow(by: n)
    let (size, tooDeep) = area.multipliedReportingOverflow(by: k)
    guard !tooWide, !tooDeep else { throw .outOfMemory("multiplies constants that are too large") }
    try spend(size)
    let (x, y) = (try floats(a), try floats(b))
    var result = [Float](repeating: 0, count: m * n)
    for i in 0..<m {
      for j in 0..<n {
        var sum = 0.0
        for l in 0..<k { sum += Double(x[i * k + l]) * Double(y[l * n + j]) }
        result[i * n + j] = Float(sum)
      }
    }
    return try constant(ConstantTensor(result), shape: [m, n])
  }

  /// Constants joined along an axis.
  mutating func foldedConcat(_ parts: [Value], axis: Int) throws(ImportError) -> Value {
    guard let first = parts.first, let type = constant(first)?.type else { throw .malformed("joins nothing") }
    let filled = parts.filter { $0.count > 0 }
    if filled.count == 1 { return filled[0] }
    var shape = first.shape
    shape[axis] = 0
    for part in parts {
      let (sum, overflow) = shape[axis].addingReportingOverflow(part.shape[axis])
      guard !overflow else { throw .malformed("joins impossible sizes") }
      shape[axis] = sum
    }
    let count = try checkedCount(shape)
    try spend(count)
    let outer = shape[..<axis].reduce(1, &*)
    let runs = filled.map { $0.count / max(outer, 1) }
    if type.kind == .float {
      var lists: [[Float]] = []
      for part in filled { lists.append(try floats(part)) }
      return try constant(ConstantTensor(interleave(lists, runs, outer), type: type), shape: shape)
    }
    var lists: [[Int]] = []
    for part in filled { lists.append(try integers(part)) }
    return try constant(ConstantTensor(interleave(lists, runs, outer), type: type), shape: shape)
  }

  private func interleave<T>(_ lists: [[T]], _ runs: [Int], _ outer: Int) -> [T] {
    guard !lists.isEmpty else { return [] }
    var result: [T] = []
    for i in 0..<outer {
      for (list, run) in zip(lists, runs) { result += list[i * run..<(i + 1) * run] }
    }
    return result
  }
}
