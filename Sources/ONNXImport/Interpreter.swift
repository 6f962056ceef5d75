/// Walks a graph with its shapes bound to numbers and turns it into a `Program`.
///
/// Only what the outputs need is read. A node that cannot be read makes the values that depend on it refusals; the
/// first one in the way of an output is what the user is told.
struct Interpreter: ~Copyable {
  /// A value of the graph, or why there is none.
  enum Outcome {
    case value(Value)
    /// What SplitToSequence makes. Only the operators of SequenceOperators.swift read it.
    case sequence([Value])
    case refused(ImportError)
  }

  /// What messages say of a node.
  struct Origin {
    let operation: String
    let name: String
    let output: String
  }

  private struct FunctionKey: Hashable {
    let domain: String
    let name: String
    let overload: String
  }

  /// Names in the graph that is being read, and in those around it down to the last function call.
  private struct Frame {
    var names: [String: Outcome] = [:]
    var initializers: [String: TensorRecord] = [:]
    var seesOuter: Bool
    var operatorSets: [String: Int]
  }

  private static let deepest = 24
  private static let mostNodes = 1 << 20

  var program: Program
  /// Gain, bias, mean and variance behind the constants that a BatchNorm was folded to: its factor and its summand.
  var batchNorms: [[Int]: (parts: [Value], epsilon: Double)] = [:]
  private(set) var origins: [Origin] = [Origin(operation: "the graph", name: "", output: "")]
  private var tensors: TensorReader
  private var functions: [FunctionKey: FunctionRecord] = [:]
  private var frames: [Frame] = []
  private var nodesRead = 0

  init(model: ModelRecord, tensors: consuming TensorReader, budget: Int) {
    self.tensors = tensors
    program = Program(budget: budget)
    for function in model.functions {
      functions[FunctionKey(domain: function.domain, name: function.name, overload: function.overload)] =
        function
    }
  }

  /// Reads the main graph with its inputs bound, and answers each output.
  mutating func run(
    _ graph: GraphRecord, operatorSets: [String: Int], inputs: [String: Value]
  ) throws(ImportError) -> [Outcome] {
    frames = [Frame(seesOuter: false, operatorSets: operatorSets)]
    for (name, value) in inputs { frames[0].names[name] = .value(value) }
    return try read(graph)
  }

  /// Reads a graph whose frame was pushed.
  private mutating func read(_ graph: GraphRecord) throws(ImportError) -> [Outcome] {
    for tensor in graph.initializers {
      let top = frames.count - 1
      guard frames[top].initializers.updateValue(tensor, forKey: tensor.name) == nil else {
        throw .malformed("has two initialisers named \(quoted(tensor.name))")
      }
    }
    return try read(graph.nodes, wanted: graph.outputs.map(\.name))
  }

  // MARK: Order

  private struct Visit {
    let node: Int
    let needs: [String]
    var next = 0
  }

  /// Reads the nodes that `wanted` needs, each after those that it needs itself, whatever order the file has.
  private mutating func read(_ nodes: [NodeRecord], wanted: [String]) throws(ImportError) -> [Outcome] {
    try count(nodes.count)
    var producers: [String: Int] = [:]
    for (i, node) in nodes.enumerated() {
      for output in node.outputs where !output.isEmpty {
        guard producers.updateValue(i, forKey: output) == nil else {
          throw .malformed("value \(quoted(output)) is computed by two nodes")
        }
      }
    }
    enum State { case new, open, done }
    var states = [State](repeating: .new, count: nodes.count)
    var stack: [Visit] = []
    func visit(_ name: String) throws(ImportError) {
      guard let i = producers[name], states[i] != .done else { return }
      guard states[i] == .new else {
        throw .malformed(
          "the graph has a cycle through node \(quoted(nodes[i].name)) (\(nodes[i].operation)), output \(quoted(name))"
        )
      }
      states[i] = .open
      stack.append(Visit(node: i, needs: nodes[i].inputs + captured(nodes[i], depth: 0)))
    }
    for name in wanted {
      try visit(name)
      while var top = stack.popLast() {
        if top.next < top.needs.count {
          let need = top.needs[top.next]
          top.next += 1
          stack.append(top)
          try visit(need)
        } else {
          states[top.node] = .done
          try read(nodes[top.node])
        }
      }
    }
    return wanted.map { look(up: $0) }
  }

  /// Names that the subgraphs of a node may take from around it.
  private func captured(_ node: NodeRecord, depth: Int) -> [String] {
    guard depth < Interpreter.deepest else { return [] }
    return node.attributes.values.flatMap { attribute -> [String] in
      guard let graph = attribute.graph else { return [] }
      return graph.nodes.flatMap { $0.inputs + captured($0, depth: depth + 1) } + graph.outputs.map(\.name)
    }
  }

  /// The value with a name, from the innermost graph that has one.
  private mutating func look(up name: String) -> Outcome {
    for i in frames.indices.reversed() {
      if let outcome = frames[i].names[name] { return outcome }
      if let record = frames[i].initializers[name] {
        let outcome: Outcome
        do {
          outcome = .value(try constant(record))
        } catch {
          outcome = .refused(error)
        }
        frames[i].names[name] = outcome
        return outcome
      }
      if !frames[i].seesOuter { break }
    }
    return .refused(.malformed("value \(quoted(name)) is used but defined nowhere"))
  }

  /// The constant that a tensor of the file holds.
  mutating func constant(_ record: TensorRecord) throws(ImportError) -> Value {
    let (tensor, shape) = try tensors.constant(record)
    return try program.constant(tensor, shape: shape)
  }

  /// Functions that call functions multiply: their nodes are counted.
  private mutating func count(_ nodes: Int) throws(ImportError) {
    nodesRead += nodes
    guard nodesRead <= Interpreter.mostNodes else {
      throw .malformed("calls functions so often that more than \(Interpreter.mostNodes) nodes result")
    }
  }

  // MARK: One node

  private mutating func read(_ node: NodeRecord) throws(ImportError) {
    origins.append(
      Origin(operation: node.operation, name: node.name, output: node.outputs.first ?? ""))
    let origin = origins.count - 1
    program.origin = origin
    let top = frames.count - 1
    do {
      let outputs = try evaluate(node)
      for (name, outcome) in zip(node.outputs, outputs) where !name.isEmpty {
        frames[top].names[name] = outcome
      }
      for name in node.outputs.dropFirst(outputs.count) where !name.isEmpty {
        let error = ImportError.unsupported("its output \(quoted(name)) is not supported")
        frames[top].names[name] = .refused(located(error, origin))
      }
    } catch {
      // The first refusal passes through every node that depends on it unchanged.
      for name in node.outputs where !name.isEmpty { frames[top].names[name] = .refused(error) }
    }
  }

  private mutating func evaluate(_ node: NodeRecord) throws(ImportError) -> [Outcome] {
    let origin = origins.count - 1
    var inputs: [Value?] = []
    var sequence: [Value]?
    for (i, name) in node.inputs.enumerated() {
      guard !name.isEmpty else {
        inputs.append(nil)
        continue
      }
      switch look(up: name) {
      case .value(let value): inputs.append(value)
      case .refused(let error): throw error
      case .sequence(let parts):
        guard i == 0, Interpreter.readsSequence(node) else {
          throw located(.unsupported("reads a sequence of tensors; export with optimisation"), origin)
        }
        sequence = parts
        inputs.append(nil)
      }
    }
    let key = FunctionKey(domain: node.domain, name: node.operation, overload: node.overload)
    do {
      if let function = functions[key] { return try call(function, node, inputs).map(Outcome.value) }
      if node.operation == "If", node.domain.isEmpty { return try branch(node, inputs).map(Outcome.value) }
      let version = frames.last?.operatorSets[node.domain] ?? frames.first?.operatorSets[node.domain] ?? 1
      let call = Call(node: node, inputs: inputs, version: version)
      if let outcome = try sequenceOperator(call, sequence) { return [outcome] }
      return try apply(call).map(Outcome.value)
    } catch {
      throw located(error, origin)
    }
  }

  /// The error with the node in front, unless an inner node was named already.
  func located(_ error: ImportError, _ origin: Int) -> ImportError {
    guard !error.message.hasPrefix("node "), origins.indices.contains(origin) else { return error }
    let place = origins[origin]
    guard origin > 0 else { return error }
    return error.mapped {
      "node \(quoted(place.name)) (\(place.operation)), output \(quoted(place.output)): \($0)"
    }
  }

  /// Reads the body of a model-local function with the call's inputs and attributes.
  private mutating func call(
    _ function: FunctionRecord, _ node: NodeRecord, _ inputs: [Value?]
  ) throws(ImportError) -> [Value] {
    guard frames.count < Interpreter.deepest else { throw .malformed("functions call each other too deeply") }
    var frame = Frame(seesOuter: false, operatorSets: function.operatorSets)
    for (i, name) in function.inputs.enumerated() where i < inputs.count {
      if let value = inputs[i] { frame.names[name] = .value(value) }
    }
    var attributes = function.defaults
    for (name, attribute) in node.attributes { attributes[name] = attribute }
    let body = function.nodes.map { bound($0, attributes, depth: 0) }
    frames.append(frame)
    defer { frames.removeLast() }
    return try values(try read(body, wanted: function.outputs))
  }

  /// A node of a function's body with references to the function's attributes replaced by their values.
  private func bound(_ node: NodeRecord, _ values: [String: AttributeRecord], depth: Int) -> NodeRecord {
    var node = node
    for (name, attribute) in node.attributes {
      if !attribute.reference.isEmpty {
        node.attributes[name] = values[attribute.reference]
      } else if var graph = attribute.graph, depth < Interpreter.deepest {
        graph.nodes = graph.nodes.map { bound($0, values, depth: depth + 1) }
        node.attributes[name]?.graph = graph
      }
    }
    return node
  }

  /// Reads the branch that a condition known while importing takes.
  private mutating func branch(_ node: NodeRecord, _ inputs: [Value?]) throws(ImportError) -> [Value] {
    guard let condition = inputs.first ?? nil, let truth = try program.scalar(condition) else {
      throw .unsupported("takes a branch that depends on the input")
    }
    guard let graph = node.attributes[truth != 0 ? "then_branch" : "else_branch"]?.graph else {
      throw .malformed("has no branch to take")
    }
    guard frames.count < Interpreter.deepest else { throw .malformed("graphs are nested too deeply") }
    frames.append(Frame(seesOuter: true, operatorSets: frames.last?.operatorSets ?? [:]))
    defer { frames.removeLast() }
    return try values(try read(graph))
  }

  private func values(_ outcomes: [Outcome]) throws(ImportError) -> [Value] {
    var result: [Value] = []
    for outcome in outcomes {
      switch outcome {
      case .value(let value): result.append(value)
      case .sequence: throw .unsupported("answers a sequence of tensors; export with optimisation")
      case .refused(let error): throw error
      }
    }
    return result
  }
}

/// One node with its inputs, as an operator sees it.
struct Call {
  let node: NodeRecord
  let inputs: [Value?]
  /// Version of the operator set that the node belongs to.
  let version: Int

  /// A required input.
  func input(_ i: Int) throws(ImportError) -> Value {
    guard i < inputs.count, let value = inputs[i] else { throw .malformed("lacks its input \(i)") }
    return value
  }

  /// An optional input.
  func optional(_ i: Int) -> Value? { i < inputs.count ? inputs[i] : nil }

  func integer(_ name: String) -> Int? { node.attributes[name]?.integer }
  func float(_ name: String) -> Float? { node.attributes[name]?.float }
  func string(_ name: String) -> String? { node.attributes[name]?.string }
  func integers(_ name: String) -> [Int]? { node.attributes[name]?.integers }
}
