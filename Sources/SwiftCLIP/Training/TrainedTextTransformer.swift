import Kernels

/// The text Transformer that learns. What stands after EOT is never computed: attention is causal, so it could change
/// neither the result nor a gradient.
final class TrainedTextTransformer {
  let contextLength, vocabularySize: Int
  private let width, embedDim: Int
  private let tokenEmbedding, positions: Parameter
  private let transformer: TrainedTransformer
  private let lnFinal: TrainedLayerNorm
  private let projection: TrainedLinear

  init(
    _ layout: inout ParameterLayout, embedDim: Int, contextLength: Int, vocabularySize: Int, width: Int,
    heads: Int, layers: Int, quickGELU: Bool
  ) {
    (self.contextLength, self.vocabularySize, self.width, self.embedDim) = (
      contextLength, vocabularySize, width, embedDim
    )
    positions = layout.parameter("positional_embedding", contextLength, width)
    let proj = layout.parameter("text_projection", width, embedDim)
    transformer = TrainedTransformer(
      &layout, "transformer", layers: layers, width: width, heads: heads, causal: true, quickGELU: quickGELU)
    tokenEmbedding = layout.parameter("token_embedding.weight", vocabularySize, width)
    lnFinal = TrainedLayerNorm(&layout, "ln_final", width: width)
    projection = TrainedLinear(proj, nil, inputs: width, outputs: embedDim, isTransposed: true)
  }

  func initialise(_ store: ParameterStore, _ random: inout SeededRandom) {
    store.fillNormal(tokenEmbedding, deviation: 0.02, &random)
    store.fillNormal(positions, deviation: 0.01, &random)
    transformer.initialise(store, &random)
    store.fill(lnFinal.gain, 1)
    store.fill(lnFinal.bias, 0)
    store.fillNormal(projection.weight, deviation: 1 / Double(width).squareRoot(), &random)
  }

  /// Texts whose tokens are computed at once.
  func textsPerPass(_ lengths: ArraySlice<Int>) -> Int {
    var tokens = 0
    for (index, length) in lengths.enumerated() {
      tokens += length
      if tokens > 4096 { return max(1, index) }
    }
    return lengths.count
  }

  /// `tokens` (count, contextLength), each text up to `lengths`, EOT being its last, to `embeddings`.
  func forward(
    _ tokens: UnsafePointer<Int32>, lengths: [Int], into embeddings: MatrixView, _ pass: TrainingPass
  ) throws(CLIPError) -> Pullback {
    let rows = TrainedRows(lengths: lengths, pooled: lengths.map { $0 - 1 }, causal: true)
    let x = try pass.tape.matrix(rows.count, width)
    unsafe embed(tokens, rows, into: x, pass)
    let trainsBelow = [tokenEmbedding, positions].contains(where: pass.store.trains)
    let (pooled, pullback) = try transformer.forward(x, rows, trainsBelow: trainsBelow, pass)
    let normed = try pass.tape.matrix(lengths.count, width)
    lnFinal.forward(pooled, into: normed, pass)
    try projection.forward(normed, into: embeddings, pass)

    return { [self] (dEmbeddings) throws(CLIPError) in
      try pass.withScratch { () throws(CLIPError) in
        try projection.accumulate(dEmbeddings, normed, pass)
        let dPooled = try zeros(lengths.count, width, pass)
        let dNormed = try pass.scratch.matrix(lengths.count, width)
        try projection.backward(dEmbeddings, into: dNormed, pass)
        try lnFinal.backward(pooled, dNormed, addingTo: dPooled, pass)
        guard let dx = try pullback(dPooled) else { return }
        unsafe embedBackward(tokens, rows, dx, pass)
      }
    }
  }

  /// Token embeddings plus position embeddings.
  private func embed(
    _ tokens: UnsafePointer<Int32>, _ rows: TrainedRows, into x: MatrixView, _ pass: TrainingPass
  ) {
    let (table, positions) = unsafe (pass.store.value(tokenEmbedding), pass.store.value(positions))
    for (text, sequence) in rows.sequences.enumerated() {
      for position in 0..<sequence.queryCount {
        // Ids were checked against the vocabulary when the batch came in.
        let id = unsafe Int(tokens[text * contextLength + position])
        unsafe add(
          table + id * width, positions + position * width,
          into: x.pointer + (sequence.queryRow + position) * x.stride, width)
      }
    }
  }

  /// Columns are shared out, and each adds all rows in order: the same bits on any number of threads.
  private func embedBackward(
    _ tokens: UnsafePointer<Int32>, _ rows: TrainedRows, _ d: MatrixView, _ pass: TrainingPass
  ) {
    let (width, contextLength) = (width, contextLength)
    nonisolated(unsafe) let tokens = unsafe tokens
    nonisolated(unsafe) let dTable = unsafe pass.store.gradient(tokenEmbedding)
    nonisolated(unsafe) let dPositions = unsafe pass.store.gradient(positions)
    let sequences = rows.sequences
    let chunk = 64
    pass.compute.parallel((width + chunk - 1) / chunk) { index in
      let columns = index * chunk..<min(width, (index + 1) * chunk)
      for (text, sequence) in sequences.enumerated() {
        for position in 0..<sequence.queryCount {
          let id = unsafe Int(tokens[text * contextLength + position])
          let source = unsafe d.pointer + (sequence.queryRow + position) * d.stride
          for column in columns {
            unsafe dTable[id * width + column] += source[column]
            unsafe dPositions[position * width + column] += source[column]
          }
        }
      }
    }
  }
}
