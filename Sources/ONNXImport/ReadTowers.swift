/// Recognises the two encoders from their embeddings backwards.
extension Interpreter {
  /// What stands between the blocks and the embedding.
  private struct Head {
    var normalised = false
    var projection: Linear?
    var norm: Norm?
    /// [batch, width]: the token that represents the input, as a view or a selection.
    var pooled: Value
    let embedDim: Int
  }

  /// Reads normalisation, projection and norm off an embedding [batch, embedDim].
  private mutating func head(_ embedding: Value) throws(ImportError) -> Head {
    let (batch, embedDim) = (embedding.shape[0], embedding.shape[1])
    guard program.isDense(embedding) else {
      throw refusal(embedding.expression, "is only partly used by the embedding")
    }
    var head = Head(pooled: embedding, embedDim: embedDim)
    if case .normalised(let rows) = program.operation(head.pooled), rows.shape == [batch, embedDim] {
      head.normalised = true
      head.pooled = rows
    }
    if case .linear(let rows, let matrix, let bias) = program.operation(head.pooled),
      program.isDense(head.pooled),
      rows.shape[0] == batch, matrix.shape[1] == embedDim
    {
      head.projection = try linear(
        weight: matrix, bias: bias, inputs: rows.shape[1], outputs: embedDim, for: head.pooled.expression)
      head.pooled = rows
    }
    let width = head.pooled.shape[1]
    if program.isDense(head.pooled), let (norm, rows) = try norm(head.pooled.expression, width: width),
      rows.shape[0] == batch
    {
      head.norm = norm
      head.pooled = rows
    }
    return head
  }

  /// The norm between the blocks and the pooling, if that is where it is, and the expression that the blocks make.
  private mutating func normBeforePooling(
    _ head: inout Head, _ source: Int, _ sequence: Sequence
  ) throws(ImportError) -> Int {
    guard head.norm == nil, let (norm, rows) = try norm(source, width: sequence.width) else { return source }
    guard program.isDense(rows), rows.shape[0] == sequence.rows else {
      throw refusal(source, "normalises something else than the tokens")
    }
    head.norm = norm
    return rows.expression
  }

  /// A pooled view as the token at one position of [batch, tokens, width].
  private func position(_ pooled: Value, batch: Int) throws(ImportError) -> (
    position: Int, sequence: Sequence
  ) {
    let width = pooled.shape[1]
    let total = program[pooled.expression].count
    let row = batch &* width
    guard pooled.shape[0] == batch, row > 0, total % row == 0, total / row > 1 else {
      throw refusal(pooled.expression, "stands where the representation of the whole input is expected")
    }
    let tokens = total / row
    let position = pooled.layout.offset / width
    let expected = Layout(
      offset: position &* width,
      atoms: [Layout.Atom(size: batch, stride: tokens &* width), Layout.Atom(size: width, stride: 1)],
      shape: [batch, width])
    guard pooled.layout == expected, position < tokens else {
      throw refusal(pooled.expression, "is pooled in a way that is not understood")
    }
    return (position, Sequence(batch: batch, tokens: tokens, width: width))
  }

  /// Positions added to every input alike: the [tokens, width] of x + positions, and x.
  private mutating func positions(
    _ expression: Int, _ sequence: Sequence
  ) throws(ImportError) -> (table: Value, tokens: Int) {
    guard case .binary(.add, let x, let constant) = program[expression].operation,
      program.isConstant(constant),
      program.isDense(x),
      let table = try program.sameInEveryRow(
        constant, rows: sequence.batch, columns: sequence.tokens &* sequence.width)
    else { throw refusal(expression, "stands where position embeddings are added to the tokens") }
    return (table, x.expression)
  }

  // MARK: Image

  /// The image encoder whose embedding is `embedding`: a network with convolutions other than patches is a ResNet.
  mutating func imageTower(
    _ embedding: Value, input: Int, inputShape: [Int]
  ) throws(ImportError) -> ImageTower {
    let convolves = program.ancestors(of: embedding.expression).contains { index in
      if case .convolution = program[index].operation { return true }
      return false
    }
    return convolves
      ? .modifiedResNet(try modifiedResNet(embedding, input: input, inputShape: inputShape))
      : .visionTransformer(try visionTransformer(embedding, input: input, inputShape: inputShape))
  }

  /// The Vision Transformer whose embedding [batch, embedDim] is `embedding`, of the picture input `input`
  /// [batch, channels, size, size].
  mutating func visionTransformer(
    _ embedding: Value, input: Int, inputShape: [Int]
  ) throws(ImportError) -> VisionTransformerTower {
    let batch = inputShape[0]
    var head = try head(embedding)
    let (position, sequence) = try position(head.pooled, batch: batch)
    guard position == 0 else {
      throw refusal(head.pooled.expression, "is pooled at token \(position) instead of the class token")
    }
    let last = try normBeforePooling(&head, head.pooled.expression, sequence)
    let (blocks, first) = try blocks(endingAt: last, sequence)
    var preNorm: Norm?
    var embedded = first
    if let (norm, rows) = try norm(first, width: sequence.width) {
      guard program.isDense(rows), rows.shape[0] == sequence.rows else {
        throw refusal(first, "normalises something else than the tokens")
      }
      preNorm = norm
      embedded = rows.expression
    }
    let (table, tokens) = try positions(embedded, sequence)
    let (classToken, patches) = try classTokenAndPatches(tokens, sequence)
    let (patchSize, patchEmbedding) = try patchLayer(patches, input: input, inputShape, sequence)
    return VisionTransformerTower(
      imageSize: inputShape[2], patchSize: patchSize, channels: inputShape[1], width: sequence.width,
      tokens: sequence.tokens, patchEmbedding: patchEmbedding,
      classToken: try weight(classToken, [sequence.width], for: tokens),
      positions: try weight(table, [sequence.tokens, sequence.width], for: embedded), preNorm: preNorm,
      blocks: blocks, postNorm: head.norm, projection: head.projection, normalised: head.normalised,
      embedDim: head.embedDim)
  }

  private mutating func classTokenAndPatches(
    _ expression: Int, _ sequence: Sequence
  ) throws(ImportError) -> (classToken: Value, patches: Int) {
    let (batch, width) = (sequence.batch, sequence.width)
    guard case .concat(let parts) = program[expression].operation, parts.count == 2,
      parts[0].shape == [batch, 1, width], parts[1].shape == [batch, sequence.tokens - 1, width],
      program.isConstant(parts[0]), program.isDense(parts[1]),
      let classToken = try program.sameInEveryRow(parts[0].flat, rows: batch, columns: width)
    else { throw refusal(expression, "stands where the class token is put before the patches") }
    return (classToken, parts[1].expression)
  }

  private mutating func patchLayer(
    _ expression: Int, input: Int, _ shape: [Int], _ sequence: Sequence
  ) throws(ImportError) -> (patchSize: Int, layer: Linear) {
    let (batch, channels, size) = (shape[0], shape[1], shape[2])
    guard case .linear(let rows, let matrix, let bias) = program[expression].operation,
      program.operation(rows) == .input(input)
    else { throw refusal(expression, "stands where the patch embedding of the picture is expected") }
    let side = Int(Double(sequence.tokens - 1).squareRoot())
    guard shape[3] == size, side > 0, side &* side == sequence.tokens - 1, size % side == 0 else {
      throw refusal(expression, "cuts \(shape[2]) × \(shape[3]) pixels into \(sequence.tokens - 1) patches")
    }
    let patch = size / side
    let inputs = channels &* patch &* patch
    let expected = Layout(
      offset: 0,
      atoms: [
        Layout.Atom(size: batch, stride: channels &* size &* size),
        Layout.Atom(size: side, stride: patch &* size),
        Layout.Atom(size: side, stride: patch), Layout.Atom(size: channels, stride: size &* size),
        Layout.Atom(size: patch, stride: size), Layout.Atom(size: patch, stride: 1),
      ], shape: [sequence.rows - batch, inputs])
    guard rows.layout == expected else {
      throw refusal(expression, "cuts the picture in an order that is not understood")
    }
    return (
      patch, try linear(weight: matrix, bias: bias, inputs: inputs, outputs: sequence.width, for: expression)
    )
  }

  // MARK: Text

  /// The text encoder whose embedding [batch, embedDim] is `embedding`, of the token input `input` [batch, tokens].
  mutating func textTransformer(
    _ embedding: Value, input: Int, inputShape: [Int], tokenBits: Int
  ) throws(ImportError) -> (tower: TextTower, positionCapacity: Int) {
    let batch = inputShape[0]
    var head = try head(embedding)
    var pooling = Pooling.last
    var source: Int
    let sequence: Sequence
    if case .select(let data, let index) = program.operation(head.pooled), program.isDense(head.pooled) {
      guard data.shape[0] == batch, program.isDense(data) else {
        throw refusal(head.pooled.expression, "selects tokens of something else than the last block")
      }
      source = data.expression
      sequence = Sequence(batch: batch, tokens: data.shape[1], width: data.shape[2])
      pooling = try self.pooling(index, input: input, sequence)
    } else {
      let place = try position(head.pooled, batch: batch)
      source = head.pooled.expression
      sequence = place.sequence
      guard place.position == sequence.tokens - 1 else {
        throw refusal(
          source, "is pooled at token \(place.position), where no CLIP has its text's representation")
      }
    }
    guard sequence.tokens == inputShape[1] else {
      throw refusal(source, "has \(sequence.tokens) tokens where the input has \(inputShape[1])")
    }
    source = try normBeforePooling(&head, source, sequence)
    guard let norm = head.norm else {
      throw refusal(source, "stands where the final layer normalisation is expected")
    }
    let (blocks, first) = try blocks(endingAt: source, sequence)
    let (table, tokens) = try positions(first, sequence)
    guard case .embedding(let vocabulary, let ids) = program[tokens].operation,
      program.operation(ids) == .input(input), program.isDense(ids), vocabulary.shape[1] == sequence.width
    else { throw refusal(tokens, "stands where the token embedding is expected") }
    if case .first(let id) = pooling, !(0..<vocabulary.shape[0]).contains(id) {
      throw refusal(head.pooled.expression, "pools at token id \(id), which the vocabulary lacks")
    }
    let width = sequence.width
    let tower = TextTower(
      contextLength: sequence.tokens, vocabularySize: vocabulary.shape[0], width: width,
      tokenEmbedding: try weight(vocabulary, vocabulary.shape, for: tokens),
      positions: try weight(table, [sequence.tokens, width], for: first), blocks: blocks, finalNorm: norm,
      projection: head.projection, pooling: pooling, normalised: head.normalised, embedDim: head.embedDim,
      tokenBits: tokenBits)
    return (tower, (program.constant(table)?.count ?? 0) / width)
  }

  private func pooling(_ index: Value, input: Int, _ sequence: Sequence) throws(ImportError) -> Pooling {
    guard case .argMax(let rows, let last) = program.operation(index), program.isDense(index),
      program.isDense(rows),
      rows.shape == [sequence.batch, sequence.tokens], !last
    else { throw refusal(index.expression, "stands where the place of the end-of-text token is found") }
    if program.operation(rows) == .input(input) { return .largest }
    if case .binary(.equal, let ids, let wanted) = program.operation(rows),
      program.operation(ids) == .input(input),
      program.isDense(ids), let id = try program.scalar(wanted), let exact = Int(exactly: id), exact < 1 << 24
      // exact in a Float
    {
      return .first(id: exact)
    }
    throw refusal(rows.expression, "stands where the end-of-text token is looked for")
  }
}
