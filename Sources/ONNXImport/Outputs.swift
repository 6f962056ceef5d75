/// Decides which outputs of a graph are the embeddings: by what they depend on, never by their names.
extension Interpreter {
  /// What a graph's outputs amount to.
  struct Embeddings {
    var image: Value?
    var text: Value?
    var logitScale: Float?
  }

  /// The embeddings among `outputs`, where the picture is input `image` and the tokens input `text`.
  mutating func embeddings(
    _ outputs: [Value], image: Int?, text: Int?
  ) throws(ImportError) -> Embeddings {
    let dependencies = program.dependencies()
    func depends(_ value: Value, on input: Int?) -> Bool {
      guard let input else { return false }
      return dependencies[value.expression].contains(input)
    }
    var result = Embeddings()
    var images: [Value] = []
    var texts: [Value] = []
    var logits: Logits?
    for output in outputs where program.kind(output) == .float && !program.isConstant(output) {
      switch (depends(output, on: image), depends(output, on: text)) {
      case (true, true):
        let found = try readLogits(output) { depends($0, on: image) }
        if let known = logits, known != found {
          throw refusal(output.expression, "computes other logits than another output of the graph")
        }
        logits = found
      case (true, false): if output.shape.count == 2 { images.append(output) }
      case (false, true): if output.shape.count == 2 { texts.append(output) }
      case (false, false): break
      }
    }
    if let logits, logits.scale != 1 { result.logitScale = logits.scale }
    result.image = try choose(images, logits?.image, "picture")
    result.text = try choose(texts, logits?.text, "text")
    return result
  }

  /// Cosines times a scale, of normalised embeddings.
  private struct Logits: Equatable {
    let image: Value
    let text: Value
    let scale: Float
  }

  private func readLogits(_ output: Value, isImage: (Value) -> Bool) throws(ImportError) -> Logits {
    var expression = output.expression
    var scale = 1.0
    if case .scale(let inner, let factor) = program[expression].operation, program.isDense(inner) {
      (expression, scale) = (inner.expression, factor)
    }
    guard case .product(let a, let b) = program[expression].operation, a.shape[0] == 1,
      let turned = b.layout.transposed([0, 2, 1])
    else {
      throw refusal(expression, "depends on picture and text, but is not a scaled cosine of their embeddings")
    }
    let pair = [a, b.with(turned)]
    for side in pair {
      guard case .normalised = program.operation(side), program.isDense(side) else {
        throw refusal(side.expression, "is compared without being normalised to length 1 first")
      }
    }
    guard isImage(pair[0]) != isImage(pair[1]), scale.isFinite, scale > 0, Float(scale).isFinite else {
      throw refusal(expression, "compares embeddings in a way that is not understood")
    }
    let both = pair.map { $0.with($0.layout.reshaped(Array($0.shape.dropFirst()))) }
    return Logits(
      image: both[isImage(pair[0]) ? 0 : 1], text: both[isImage(pair[0]) ? 1 : 0], scale: Float(scale))
  }

  /// The embedding among outputs of one kind: what logits compare, else the output that the others lead to.
  private mutating func choose(
    _ candidates: [Value], _ compared: Value?, _ what: String
  ) throws(ImportError) -> Value? {
    var distinct: [Value] = []
    for value in candidates where !distinct.contains(value) { distinct.append(value) }
    if let compared {
      guard case .normalised(let raw) = program.operation(compared) else { return nil }
      let unit = raw.with(raw.layout.reshaped(compared.shape))
      let known = [compared, unit]
      let beneath = program.ancestors(of: compared.expression)
      if let other = distinct.first(where: { !known.contains($0) && !beneath.contains($0.expression) }) {
        throw refusal(other.expression, "is a second \(what) output beside the one that logits are made of")
      }
      return known.first { distinct.contains($0) } ?? unit
    }
    let deepest = distinct.filter { value in
      !distinct.contains { $0 != value && program.ancestors(of: $0.expression).contains(value.expression) }
    }
    guard deepest.count <= 1 else {
      throw refusal(
        deepest[1].expression,
        "is one of \(deepest.count) outputs that could be the \(what)'s embedding; export with one of them")
    }
    return deepest.first
  }
}

extension Operation {
  /// The values that the operation reads.
  var operands: [Value] {
    switch self {
    case .input, .constant: []
    case .unary(_, let x), .scale(let x, _), .shift(let x, _), .swish(let x, _), .gelu(let x),
      .reduce(_, let x), .quantisationScale(let x), .quantisationZero(let x),
      .argMax(let x, _), .softmax(let x), .centred(let x), .standardised(let x, _), .normalised(let x):
      [x]
    case .binary(_, let a, let b), .product(let a, let b): [a, b]
    case .choose(let a, let b, let c): [a, b, c]
    case .layerNorm(let x, let gain, let bias, _): [x, gain, bias]
    case .linear(let x, let weight, let bias): [x, weight] + (bias.map { [$0] } ?? [])
    case .convolution(let x, let weight, let gain, let bias, _, _):
      [x, weight] + [gain, bias].compactMap { $0 }
    case .attention(let q, let k, let v, _, let mask): [q, k, v] + (mask.map { [$0] } ?? [])
    case .concat(let parts): parts
    case .embedding(let table, let ids): [table, ids]
    case .select(let data, let index): [data, index]
    }
  }
}

extension Program {
  /// For each expression, the inputs that it depends on. Operands are always made before what uses them.
  func dependencies() -> [Set<Int>] {
    var result: [Set<Int>] = []
    result.reserveCapacity(expressions.count)
    for expression in expressions {
      if case .input(let number) = expression.operation {
        result.append([number])
        continue
      }
      var union = Set<Int>()
      for operand in expression.operation.operands { union.formUnion(result[operand.expression]) }
      result.append(union)
    }
    return result
  }

  /// The expressions that one is computed from, itself left out.
  func ancestors(of index: Int) -> Set<Int> {
    var found = Set<Int>()
    var open = [index]
    while let next = open.popLast() {
      for operand in expressions[next].operation.operands where found.insert(operand.expression).inserted {
        open.append(operand.expression)
      }
    }
    return found
  }

  /// The inputs whose values look up rows of a table.
  func lookedUpInputs() -> Set<Int> {
    let dependencies = dependencies()
    var result = Set<Int>()
    for expression in expressions {
      if case .embedding(_, let ids) = expression.operation { result.formUnion(dependencies[ids.expression]) }
    }
    return result
  }
}
