/// Recognises the Modified ResNet from its features backwards.
///
/// Every picture on the way is the whole array of an expression in the order (batch, channel, y, x).
extension Interpreter {
  /// [batch, channels, side, side] that an expression makes.
  struct Picture {
    let expression: Int
    let shape: [Int]
  }

  /// The Modified ResNet whose embedding [batch, embedDim] is `embedding`, of the picture input `input`
  /// [batch, channels, size, size].
  mutating func modifiedResNet(
    _ embedding: Value, input: Int, inputShape: [Int]
  ) throws(ImportError) -> ModifiedResNetTower {
    guard inputShape[2] == inputShape[3] else {
      throw refusal(embedding.expression, "belongs to pictures that are not square")
    }
    let (pool, normalised, features) = try attentionPool(embedding, batch: inputShape[0])
    var stages: [[Bottleneck]] = []
    var stage: [Bottleneck] = []
    var current = features
    while let (block, input) = try bottleneck(current) {
      stage.append(block)
      if block.downsample != nil {
        stages.append(stage.reversed())
        stage = []
      }
      current = input
    }
    guard stage.isEmpty, !stages.isEmpty else {
      throw refusal(current.expression, "stands where a bottleneck of a ResNet is expected")
    }
    let stem = try stem(current, input: input, inputShape)
    return ModifiedResNetTower(
      imageSize: inputShape[2], width: current.shape[1], stem: stem, stages: stages.reversed(),
      attentionPool: pool, normalised: normalised, embedDim: embedding.shape[1])
  }

  // MARK: Stem

  /// Three convolutions with ReLU and an average pool, from the picture to `current`.
  private mutating func stem(
    _ end: Picture, input: Int, _ inputShape: [Int]
  ) throws(ImportError) -> [Convolution] {
    guard var current = pooled(end, side: 2) else {
      throw refusal(end.expression, "stands where the average pool of a ResNet's stem is expected")
    }
    var stem: [Convolution] = []
    while let (convolution, before) = try convolution(beforeReLU: current) {
      stem.append(convolution)
      current = before
    }
    guard program[current.expression].operation == .input(input), current.shape == inputShape else {
      throw refusal(current.expression, "stands where a ResNet's stem begins with the picture")
    }
    stem.reverse()
    let strides = stem.map(\.stride)
    guard stem.count == 3, strides == [2, 1, 1], stem.allSatisfy({ $0.kernel == 3 && $0.padding == 1 }) else {
      throw refusal(
        end.expression,
        "ends a stem of \(stem.count) convolutions with strides \(strides); a CLIP's has three of 3 × 3, the first with "
          + "stride 2")
    }
    return stem
  }

  // MARK: Bottleneck

  /// The bottleneck that ends in `end` and what it reads, or nil where `end` is no sum with ReLU.
  private mutating func bottleneck(_ end: Picture) throws(ImportError) -> (Bottleneck, Picture)? {
    guard let sum = beforeReLU(end), case .binary(.add, let a, let b) = program[sum.expression].operation,
      program.isDense(a), program.isDense(b)
    else { return nil }
    var refused: ImportError?
    for (x, y) in [(a, b), (b, a)] {
      do {
        guard let branch = try branch(Picture(expression: x.expression, shape: end.shape)) else { continue }
        let shortcut = Picture(expression: y.expression, shape: end.shape)
        let downsample = try shortcutConvolution(shortcut, from: branch.input)
        return (
          Bottleneck(
            conv1: branch.conv1, conv2: branch.conv2, pool: branch.pool, conv3: branch.conv3,
            downsample: downsample), branch.input
        )
      } catch {
        refused = refused ?? error
      }
    }
    throw refused
      ?? refusal(sum.expression, "adds two values of which none ends three convolutions of a bottleneck")
  }

  private struct Branch {
    let conv1: Convolution
    let conv2: Convolution
    let pool: Int
    let conv3: Convolution
    let input: Picture
  }

  /// conv3(pool(relu(conv2(relu(conv1(input)))))), or nil where `end` is something else.
  private mutating func branch(_ end: Picture) throws(ImportError) -> Branch? {
    guard let (conv3, middle) = try convolution(endingAt: end) else { return nil }
    let (pool, active) = anyPool(middle)
    guard let (conv2, between) = try convolution(beforeReLU: active),
      let (conv1, input) = try convolution(beforeReLU: between)
    else { return nil }
    for (layer, kernel) in [(conv1, 1), (conv2, 3), (conv3, 1)] {
      guard layer.kernel == kernel, layer.stride == 1, layer.padding == kernel / 2 else {
        throw refusal(
          end.expression,
          "ends a bottleneck with a convolution of \(layer.kernel) × \(layer.kernel), stride \(layer.stride) where "
            + "\(kernel) × \(kernel) with stride 1 is expected (strides are average pools in a Modified ResNet)"
        )
      }
    }
    return Branch(conv1: conv1, conv2: conv2, pool: pool, conv3: conv3, input: input)
  }

  /// What a bottleneck's sum adds besides its branch: its input, or a pool and convolution of it.
  private mutating func shortcutConvolution(
    _ shortcut: Picture, from input: Picture
  ) throws(ImportError) -> (pool: Int, conv: Convolution)? {
    if shortcut.expression == input.expression { return nil }
    guard let (layer, before) = try convolution(endingAt: shortcut) else {
      throw refusal(shortcut.expression, "stands where the shortcut of a bottleneck is expected")
    }
    let (pool, source) = before.expression == input.expression ? (1, before) : anyPool(before)
    guard source.expression == input.expression, layer.kernel == 1, layer.stride == 1, layer.padding == 0
    else {
      throw refusal(shortcut.expression, "is no pool and 1 × 1 convolution of the bottleneck's input")
    }
    return (pool, layer)
  }

  // MARK: Steps

  /// What `end` is ReLU of, or nil.
  private func beforeReLU(_ end: Picture) -> Picture? {
    guard case .unary(.relu, let x) = program[end.expression].operation, program.isDense(x) else {
      return nil
    }
    return Picture(expression: x.expression, shape: end.shape)
  }

  private mutating func convolution(beforeReLU end: Picture) throws(ImportError) -> (Convolution, Picture)? {
    guard let sum = beforeReLU(end) else { return nil }
    return try convolution(endingAt: sum)
  }

  /// The convolution whose result `end` is, with what it reads, or nil where `end` is something else.
  private mutating func convolution(endingAt end: Picture) throws(ImportError) -> (Convolution, Picture)? {
    guard
      case .convolution(let x, let matrix, let gain, let bias, let stride, let padding) =
        program[end.expression].operation
    else { return nil }
    guard program.isDense(x), program[end.expression].count == Layout.count(end.shape) else {
      throw refusal(end.expression, "convolves a picture in an order that is not understood")
    }
    let channels = matrix.shape[0]
    let layer = Convolution(
      weight: try weight(matrix, matrix.shape, for: end.expression),
      gain: try gain.map { (g) throws(ImportError) in try weight(g, [channels], for: end.expression) },
      bias: try bias.map { (b) throws(ImportError) in try weight(b, [channels], for: end.expression) },
      norm: try norm(gain, bias, for: end.expression), stride: stride, padding: padding,
      kernel: matrix.shape[2])
    return (layer, Picture(expression: x.expression, shape: x.shape))
  }

  /// The BatchNorm that these factors and summands of a convolution's channels come from, if they come from one.
  private mutating func norm(
    _ gain: Value?, _ bias: Value?, for expression: Int
  ) throws(ImportError) -> BatchNorm? {
    guard let gain, let bias, program.isDense(gain), program.isDense(bias),
      let norm = batchNorms[[gain.expression, bias.expression]]
    else { return nil }
    var parts: [Weight] = []
    for part in norm.parts { parts.append(try weight(part, [part.count], for: expression)) }
    return BatchNorm(
      gain: parts[0], bias: parts[1], mean: parts[2], variance: parts[3], epsilon: Float(norm.epsilon))
  }

  /// What `end` is an average pool of, with the pool's side; 1 and `end` itself where it is none.
  private func anyPool(_ end: Picture) -> (side: Int, before: Picture) {
    guard case .reduce(.mean, let rows) = program[end.expression].operation else { return (1, end) }
    let side = Int(Double(rows.shape[1]).squareRoot())
    return pooled(end, side: side).map { (side, $0) } ?? (1, end)
  }

  /// What `end` is the average pool of that side of, or nil.
  private func pooled(_ end: Picture, side: Int) -> Picture? {
    guard case .reduce(.mean, let rows) = program[end.expression].operation, side > 1,
      rows.shape[1] == side &* side
    else { return nil }
    let shape = [end.shape[0], end.shape[1], end.shape[2] &* side, end.shape[3] &* side]
    let whole = rows.with(Layout(dense: shape))
    guard program[rows.expression].count == whole.count,
      let tiled = try? program.rows(
        whole.with(whole.layout.reshaped(Program.tiles(shape, side: side))), columns: [3, 5]),
      tiled.operand == rows
    else { return nil }
    return Picture(expression: rows.expression, shape: shape)
  }
}
