/// A graph while it is put together: nodes in the order in which they are computed, and the constants they read.
/// Operators are those of ONNX's operator set 17.
public struct Graph {
  /// What an input, a constant or a node's output is called.
  public struct Value: Sendable {
    fileprivate let name: String
  }

  public enum Dimension: Sendable {
    case fixed(Int)
    case any(String)
  }

  public enum Attribute: Sendable {
    case integer(Int)
    case integers([Int])
    case float(Float)
  }

  /// Of `TensorProto.DataType`.
  public enum ElementType: Int, Sendable {
    case float32 = 1
    case int64 = 7
    case float16 = 10
  }

  private let name: String
  private var nodes = Message()
  private var constants = Message()
  private var ends = Message()
  private var made = 0
  private var integers: [[Int]] = []
  private var floats: [Float] = []

  public init(name: String) { self.name = name }

  public mutating func input(_ name: String, _ type: ElementType, _ shape: [Dimension]) -> Value {
    ends.append(11, message: Graph.typed(name, type, shape))
    return Value(name: name)
  }

  /// Makes a value the graph's output, under a name of its own.
  public mutating func output(_ value: Value, _ name: String, _ type: ElementType, _ shape: [Dimension]) {
    _ = node("Identity", [value], named: name)
    ends.append(12, message: Graph.typed(name, type, shape))
  }

  // MARK: Constants

  /// A tensor of floats. Where it is kept in half precision, a Cast gives the floats that its numbers stand for.
  public mutating func constant(_ name: String, _ shape: [Int], _ numbers: Numbers) -> Value {
    var tensor = Graph.tensor(name, shape, numbers.isHalf ? .float16 : .float32)
    tensor.append(9, numbers: numbers)
    constants.append(5, message: tensor)
    let stored = Value(name: name)
    return numbers.isHalf ? node("Cast", [stored], ["to": .integer(ElementType.float32.rawValue)]) : stored
  }

  /// A tensor of floats that the graph keeps itself.
  public mutating func constant(_ name: String, _ shape: [Int], _ values: [Float]) -> Value {
    var tensor = Graph.tensor(name, shape, .float32)
    tensor.append(9, bytes: unsafe values.withUnsafeBytes { unsafe Array($0) })
    constants.append(5, message: tensor)
    return Value(name: name)
  }

  /// A list of integers; equal ones are one constant.
  public mutating func constant(_ values: [Int]) -> Value {
    if let known = integers.firstIndex(of: values) { return Value(name: "integers_\(known)") }
    let name = "integers_\(integers.count)"
    var tensor = Graph.tensor(name, [values.count], .int64)
    tensor.append(9, bytes: unsafe values.map { Int64($0) }.withUnsafeBytes { unsafe Array($0) })
    constants.append(5, message: tensor)
    integers.append(values)
    return Value(name: name)
  }

  /// One integer.
  public mutating func constant(integer: Int) -> Value {
    let list = constant([integer])
    return node("Squeeze", [list, constant([0])])
  }

  /// One float.
  public mutating func constant(_ value: Float) -> Value {
    if let known = floats.firstIndex(of: value) { return Value(name: "float_\(known)") }
    floats.append(value)
    return constant("float_\(floats.count - 1)", [], [value])
  }

  // MARK: Nodes

  /// What an operator makes of its inputs.
  public mutating func node(
    _ operation: String, _ inputs: [Value], _ attributes: KeyValuePairs<String, Attribute> = [:]
  ) -> Value {
    made += 1
    return node(operation, inputs, attributes, named: "value_\(made)")
  }

  /// The outputs of an operator that has several.
  public mutating func node(
    _ operation: String, _ inputs: [Value], outputs: Int, _ attributes: KeyValuePairs<String, Attribute> = [:]
  ) -> [Value] {
    made += 1
    let names = (0..<outputs).map { "value_\(made)_\($0)" }
    append(operation, inputs, attributes, names)
    return names.map(Value.init)
  }

  private mutating func node(
    _ operation: String, _ inputs: [Value], _ attributes: KeyValuePairs<String, Attribute> = [:],
    named name: String
  ) -> Value {
    append(operation, inputs, attributes, [name])
    return Value(name: name)
  }

  private mutating func append(
    _ operation: String, _ inputs: [Value], _ attributes: KeyValuePairs<String, Attribute>,
    _ outputs: [String]
  ) {
    var node = Message()
    for input in inputs { node.append(1, string: input.name) }
    for output in outputs { node.append(2, string: output) }
    node.append(4, string: operation)
    for (name, attribute) in attributes { node.append(5, message: Graph.message(name, attribute)) }
    nodes.append(1, message: node)
  }

  // MARK: Messages

  /// The GraphProto.
  var message: Message {
    var graph = Message()
    for piece in [nodes, constants, ends] { graph.append(contentsOf: piece) }
    graph.append(2, string: name)
    return graph
  }

  private static func tensor(_ name: String, _ shape: [Int], _ type: ElementType) -> Message {
    var tensor = Message()
    for size in shape { tensor.append(1, integer: size) }
    tensor.append(2, integer: type.rawValue)
    tensor.append(8, string: name)
    return tensor
  }

  private static func message(_ name: String, _ attribute: Attribute) -> Message {
    var message = Message()
    message.append(1, string: name)
    switch attribute {
    case .float(let value):
      message.append(2, float: value)
      message.append(20, integer: 1)
    case .integer(let value):
      message.append(3, integer: value)
      message.append(20, integer: 2)
    case .integers(let values):
      for value in values { message.append(8, integer: value) }
      message.append(20, integer: 7)
    }
    return message
  }

  private static func typed(_ name: String, _ type: ElementType, _ shape: [Dimension]) -> Message {
    var sizes = Message()
    for dimension in shape {
      var size = Message()
      switch dimension {
      case .fixed(let count): size.append(1, integer: count)
      case .any(let symbol): size.append(2, string: symbol)
      }
      sizes.append(1, message: size)
    }
    var tensor = Message()
    tensor.append(1, integer: type.rawValue)
    tensor.append(2, message: sizes)
    var kind = Message()
    kind.append(1, message: tensor)
    var value = Message()
    value.append(1, string: name)
    value.append(2, message: kind)
    return value
  }
}
