import Kernels

/// The rows of a batch's sequences, below each other, and the one of each that is read in the end.
struct TrainedRows {
  let sequences: [Sequence]
  let pooled: [Int]
  /// Of queries that are the pooled rows only, in their order.
  let pooledSequences: [Sequence]
  let count: Int

  /// - Parameters:
  ///   - lengths: of the sequences.
  ///   - pooled: the place in its sequence of the token that is read.
  ///   - causal: the token that is read sees only what stands before it, and itself.
  init(lengths: [Int], pooled places: [Int], causal: Bool) {
    var sequences: [Sequence] = []
    var pooledSequences: [Sequence] = []
    var pooled: [Int] = []
    var row = 0
    for (index, length) in lengths.enumerated() {
      sequences.append(Sequence(queryRow: row, queryCount: length, keyRow: row, keyCount: length))
      pooledSequences.append(
        Sequence(queryRow: index, queryCount: 1, keyRow: row, keyCount: causal ? places[index] + 1 : length))
      pooled.append(row + places[index])
      row += length
    }
    (self.sequences, self.pooledSequences, self.pooled, count) = (sequences, pooledSequences, pooled, row)
  }

  /// The pooled rows of x, in scratch memory; or x itself.
  func gather(_ x: MatrixView, _ onlyPooled: Bool, _ pass: TrainingPass) throws(CLIPError) -> MatrixView {
    guard onlyPooled else { return x }
    let y = try pass.scratch.matrix(pooled.count, x.columns)
    for (index, row) in pooled.enumerated() {
      unsafe (y.pointer + index * y.stride).update(from: x.pointer + row * x.stride, count: x.columns)
    }
    return y
  }

  /// Adds each row of d to the row that was pooled for it.
  func scatter(_ d: MatrixView, addingTo x: MatrixView) {
    for (index, row) in pooled.enumerated() {
      let (source, target) = unsafe (d.pointer + index * d.stride, x.pointer + row * x.stride)
      for column in 0..<d.columns { unsafe target[column] += source[column] }
    }
  }
}

/// The stack of blocks of either encoder, of whose last block only one token a sequence is computed.
struct TrainedTransformer {
  private let blocks: [TrainedBlock]
  private let width: Int

  init(
    _ layout: inout ParameterLayout, _ name: String, layers: Int, width: Int, heads: Int, causal: Bool,
    quickGELU: Bool
  ) {
    self.width = width
    var blocks: [TrainedBlock] = []
    for layer in 0..<layers {
      blocks.append(
        TrainedBlock(
          &layout, "\(name).resblocks.\(layer)", width: width, heads: heads, causal: causal,
          quickGELU: quickGELU))
    }
    self.blocks = blocks
  }

  func initialise(_ store: ParameterStore, _ random: inout SeededRandom) {
    for block in blocks { block.initialise(store, layers: blocks.count, &random) }
  }

  /// `x` (tokens, width) to the pooled tokens (sequences, width). The way back turns their gradient into that of x,
  /// unless `trainsBelow` is false: then it ends at the lowest block that learns and returns nil.
  func forward(
    _ x: MatrixView, _ rows: TrainedRows, trainsBelow: Bool, _ pass: TrainingPass
  ) throws(CLIPError) -> (pooled: MatrixView, pullback: (MatrixView) throws(CLIPError) -> MatrixView?) {
    let lowest = trainsBelow ? 0 : blocks.firstIndex { $0.trains(pass.store) } ?? blocks.count
    var pullbacks: [Pullback] = []
    var y = x
    for (index, block) in blocks.enumerated() {
      let (next, pullback) = try block.forward(y, rows, onlyPooled: index == blocks.count - 1, pass)
      y = next
      if index >= lowest { pullbacks.append(pullback) }
    }
    let width = width
    return (
      y,
      { (dPooled) throws(CLIPError) in
        guard !pullbacks.isEmpty else { return nil }
        let d = try pass.scratch.matrix(rows.count, width)
        copyRows(of: dPooled, into: d)
        for pullback in pullbacks.reversed() { try pullback(d) }
        return trainsBelow ? d : nil
      }
    )
  }
}
