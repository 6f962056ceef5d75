/// A tensor of the graph: a view of what an expression computes.
///
/// Layout operators (Reshape, Transpose, Slice, Split, Squeeze, Expand, …) only change the view. Everything else makes
/// an expression, which computes a dense array. Batch sizes are bound to numbers before, so every shape is known.
struct Value: Hashable {
  /// Index into the `Program`'s expressions.
  var expression: Int
  var layout: Layout

  var shape: [Int] { layout.shape }
  var count: Int { layout.count }

  func with(_ layout: Layout) -> Value { Value(expression: expression, layout: layout) }
}

/// What an expression computes from its operands.
///
/// Operands are views in canonical form: one axis for elementwise operations, [rows, columns] for those along the last
/// axis, where rows are in the order of the array behind them. So it does not matter whether a graph keeps the batch
/// first or the sequence first, or flattens the two: the same computation is the same expression.
enum Operation: Hashable {
  case input(Int)
  /// Index into the program's constants.
  case constant(Int)

  // Elementwise; operands have one axis.
  case unary(Unary, Value)
  case binary(Binary, Value, Value)
  case choose(Value, Value, Value)
  /// x · factor and x + amount with one number for all.
  case scale(Value, Double)
  case shift(Value, Double)
  /// x · sigmoid(slope · x)
  case swish(Value, slope: Double)
  case gelu(Value)

  // Along the last axis; operands are [rows, columns].
  case reduce(Reduction, Value)
  case argMax(Value, last: Bool)
  case softmax(Value)
  /// x − mean(x)
  case centred(Value)
  /// (x − mean(x)) / sqrt(variance(x) + epsilon)
  case standardised(Value, epsilon: Double)
  /// standardised(x) · gain + bias
  case layerNorm(Value, gain: Value, bias: Value, epsilon: Double)
  /// x / |x|
  case normalised(Value)

  /// [rows, inputs] · [inputs, outputs] + [outputs]
  case linear(Value, weight: Value, bias: Value?)
  /// [batch, inputs, height, width] with [outputs, inputs, kernel, kernel] weights, times [outputs] gain plus [outputs]
  /// bias. The result is dense in the order (batch, output, y, x).
  case convolution(Value, weight: Value, gain: Value?, bias: Value?, stride: Int, padding: Int)
  /// [batch, m, k] · [batch, k, n]
  case product(Value, Value)
  /// softmax(scale · q kᵀ + mask) v, of [batch, m, width], [batch, s, width], [batch, s, width]; mask [batch, m, s].
  case attention(query: Value, key: Value, value: Value, scale: Double, mask: Value?)

  /// [outer, n, inner] parts joined along the middle axis.
  case concat([Value])
  /// The scale and zero point of `dynamicallyQuantised`; one number each.
  case quantisationScale(Value)
  case quantisationZero(Value)

  /// Rows of a constant [vocabulary, width] table for [n] ids.
  case embedding(table: Value, ids: Value)
  /// data[b, index[b]] of [batch, tokens, width].
  case select(data: Value, index: Value)
}

enum Unary: Hashable {
  case sigmoid, erf, tanh, exp, log, sqrt, reciprocal, square, abs, isNaN, not, floor, ceil, round, sign,
    isInfinite, relu
  /// round(x / scale) + zero, clamped to an integer type's range.
  case quantised(scale: Float, zero: Float)
  /// The same with the scale and zero point that fit all elements of x.
  case dynamicallyQuantised
  case toInteger(ElementType)
  case toFloat(ElementType)
}

enum Binary: Hashable {
  case add, subtract, multiply, divide, power, modulo, minimum, maximum
  case equal, less, lessOrEqual, and, or, xor

  var isCommutative: Bool {
    switch self {
    case .add, .multiply, .minimum, .maximum, .equal, .and, .or, .xor: true
    default: false
    }
  }

  /// Whether the answer is a truth value.
  var isPredicate: Bool {
    switch self {
    case .equal, .less, .lessOrEqual, .and, .or, .xor: true
    default: false
    }
  }
}

enum Reduction: Hashable { case sum, mean, maximum, minimum, product }

/// An operation with what is known about its result.
struct Expression {
  let operation: Operation
  /// Elements of the dense array.
  let count: Int
  let kind: ValueKind
  /// For integers: the values that can occur, where that is known.
  let range: ClosedRange<Int>?
  /// The graph node that made it, for messages.
  let origin: Int
}

/// The expressions that a graph amounts to. Equal expressions are one: comparing two is comparing two numbers.
struct Program: ~Copyable {
  private(set) var expressions: [Expression] = []
  private(set) var constants: [ConstantTensor] = []
  private var known: [Operation: Int] = [:]
  private var knownIntegers: [[Int]: Int] = [:]
  /// The node that is being read, which new expressions get as their origin.
  var origin = 0
  /// Elements that constant folding may still produce: what a file asks for is bounded by its size.
  private(set) var budget: Int

  /// - Parameter budget: elements that folding may produce in all.
  init(budget: Int) {
    self.budget = budget
  }

  subscript(_ index: Int) -> Expression { expressions[index] }

  func operation(_ value: Value) -> Operation { expressions[value.expression].operation }

  func kind(_ value: Value) -> ValueKind { expressions[value.expression].kind }

  /// Whether the value is the whole array of its expression in order.
  func isDense(_ value: Value) -> Bool { value.layout.isDense(of: expressions[value.expression].count) }

  /// The constant behind a value, or nil.
  func constant(_ value: Value) -> ConstantTensor? {
    guard case .constant(let index) = operation(value) else { return nil }
    return constants[index]
  }

  func isConstant(_ value: Value) -> Bool { constant(value) != nil }

  /// The expression for an operation, made unless it is known, as a dense value of `shape`.
  mutating func intern(
    _ operation: Operation, shape: [Int], kind: ValueKind = .float, range: ClosedRange<Int>? = nil
  ) throws(ImportError) -> Value {
    let count = try checkedCount(shape)
    if let index = known[operation] { return Value(expression: index, layout: Layout(dense: shape)) }
    let index = expressions.count
    expressions.append(
      Expression(operation: operation, count: count, kind: kind, range: range, origin: origin))
    known[operation] = index
    return Value(expression: index, layout: Layout(dense: shape))
  }

  /// A constant as a dense value of `shape`, whose count must be the tensor's. Small computed ones of equal content are
  /// one, so that expressions which differ only in copies of a constant are equal.
  mutating func constant(_ tensor: ConstantTensor, shape: [Int]) throws(ImportError) -> Value {
    var key: [Int]?
    if tensor.count <= 4096 {
      switch tensor.elements {
      case .integers(let values): key = [tensor.type.rawValue] + values
      case .floats(let values): key = [tensor.type.rawValue] + values.map { Int($0.bitPattern) }
      case .stored: break
      }
    }
    if let key, let index = knownIntegers[key] {
      return Value(expression: index, layout: Layout(dense: shape))
    }
    constants.append(tensor)
    let value = try intern(.constant(constants.count - 1), shape: shape, kind: tensor.type.kind)
    if let key { knownIntegers[key] = value.expression }
    return value
  }

  mutating func constant(integer: Int) throws(ImportError) -> Value {
    try constant(ConstantTensor([integer]), shape: [])
  }

  mutating func constant(float: Float) throws(ImportError) -> Value {
    try constant(ConstantTensor([float]), shape: [])
  }

  /// Takes `count` elements from the folding budget.
  mutating func spend(_ count: Int) throws(ImportError) {
    guard count <= budget else {
      throw .outOfMemory(
        "would compute more constants than a file of this size can need; simplify the model first")
    }
    budget -= count
  }

  /// The integers of a constant value.
  mutating func integers(_ value: Value) throws(ImportError) -> [Int] {
    guard let tensor = constant(value) else {
      throw .unsupported("needs an integer list that is known while importing, but it depends on the input")
    }
    try spend(value.count)
    return try tensor.integers(value.layout)
  }

  /// The floats of a constant value.
  mutating func floats(_ value: Value) throws(ImportError) -> [Float] {
    guard let tensor = constant(value) else {
      throw .unsupported("needs numbers that are known while importing, but they depend on the input")
    }
    try spend(value.count)
    return try tensor.floats(value.layout)
  }
}
