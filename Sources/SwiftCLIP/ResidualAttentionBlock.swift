import Counters
import Kernels
import ONNXImport

/// A block of either Transformer, pre-norm as in the paper's models:
///
///     x = x + attention(ln_1(x))
///     x = x + mlp(ln_2(x))
///
/// Activations of all sequences of a batch are the rows of one matrix, whatever their lengths.
struct ResidualAttentionBlock: Sendable {
  let attentionNorm: LayerNorm
  let attention: MultiHeadAttention
  let mlpNorm: LayerNorm
  let mlp: MLP

  /// - Parameter readsOneQuery: the block is the last one, of which one token a sequence is read.
  init(
    _ block: ONNXImport.ResidualAttentionBlock, named name: String, readsOneQuery: Bool, _ compute: Compute
  ) throws(CLIPError) {
    attentionNorm = try LayerNorm(block.attentionNorm, named: "\(name).ln_1", compute)
    attention = try MultiHeadAttention(
      block, named: "\(name).attention", separateQuery: readsOneQuery, compute)
    mlpNorm = try LayerNorm(block.mlpNorm, named: "\(name).ln_2", compute)
    mlp = try MLP(block, named: "\(name).mlp", compute)
  }

  /// All tokens of all sequences: `x` (tokens, width), changed in place.
  func callAsFunction(
    _ x: MatrixView, _ sequences: TokenSequences, _ workspace: borrowing BlockWorkspace, _ compute: Compute
  ) throws(CLIPError) {
    let (normed, wide) = (workspace.normed(x.rows), workspace.wide(x.rows))
    attentionNorm(x, into: normed, compute)
    try attention(normed, addingTo: x, sequences, wide, compute)
    mlpNorm(x, into: normed, compute)
    try mlp(normed, addingTo: x, wide, compute)
  }

  /// The last block: keys and values need every token, but only the token that is pooled needs a query, an
  /// output and an MLP. `x` (tokens, width) is read; `pooled` (sequences, width) is the result.
  func readingOneToken(
    _ x: MatrixView, _ sequences: TokenSequences, into pooled: MatrixView,
    _ workspace: borrowing BlockWorkspace, _ compute: Compute
  ) throws(CLIPError) {
    let (normed, wide) = (workspace.normed(x.rows), workspace.wide(x.rows))
    attentionNorm(x, into: normed, compute)
    copyPooledRows(of: x, sequences, into: pooled)
    try attention.readingOneToken(
      normed, addingTo: pooled, sequences, workspace.queries(sequences.pooled.count), wide, compute)
    let pooledNormed = workspace.normed(sequences.pooled.count)
    mlpNorm(pooled, into: pooledNormed, compute)
    try mlp(pooledNormed, addingTo: pooled, wide, compute)
  }
}

/// The sequences of a batch: what the attention of all rows reads, and the token of each that is read in the end.
struct TokenSequences: Sendable {
  let all: [Sequence]
  let pooled: [PooledToken]

  /// A token that is read in the end, and the keys that it sees.
  struct PooledToken: Sendable {
    let row: Int
    let runs: [KeyRun]
  }

  /// Sequences of one length below each other, read at their first token, which sees all.
  init(count: Int, tokens: Int) {
    all = (0..<count).map {
      Sequence(queryRow: $0 * tokens, queryCount: tokens, keyRow: $0 * tokens, keyCount: tokens)
    }
    pooled = all.map { PooledToken(row: $0.queryRow, runs: $0.runs) }
  }

  init(all: [Sequence], pooled: [PooledToken]) {
    self.all = all
    self.pooled = pooled
  }
}

func copyPooledRows(of x: MatrixView, _ sequences: TokenSequences, into pooled: MatrixView) {
  for (index, token) in sequences.pooled.enumerated() {
    // Both views were sized for these sequences by the encoder that made them.
    unsafe (pooled.pointer + index * pooled.stride).update(
      from: x.pointer + token.row * x.stride, count: x.columns)
  }
}

/// Multi-head self-attention with its projections.
struct MultiHeadAttention: Sendable {
  /// Queries, keys and values in one product (width, 3 width); keys and values only (width, 2 width) in the
  /// last block, whose queries are `query`.
  let projections: Linear
  let query: Linear?
  let output: Linear
  let heads: Int
  let headWidth: Int
  let scale: Float
  let causal: Bool
  var width: Int { heads * headWidth }

  init(
    _ block: ONNXImport.ResidualAttentionBlock, named name: String, separateQuery: Bool, _ compute: Compute
  ) throws(CLIPError) {
    let keyValue = [block.key, block.value]
    projections = try Linear(
      separateQuery ? keyValue : [block.query] + keyValue, named: "\(name).qkv", precision: compute.precision,
      compute)
    query =
      separateQuery ? try Linear(block.query, named: "\(name).q", precision: compute.precision, compute) : nil
    output = try Linear(block.output, named: "\(name).out", precision: compute.precision, compute)
    (heads, headWidth, scale, causal) = (block.heads, block.headWidth, block.scale, block.causal)
  }

  /// `x` (tokens, width) normalised; the result is added to `residual` (tokens, width). `x` is overwritten.
  func callAsFunction(
    _ x: MatrixView, addingTo residual: MatrixView, _ sequences: TokenSequences, _ wide: MatrixView,
    _ compute: Compute
  ) throws(CLIPError) {
    Counters.enter(.attentionProducts)
    let qkv = wide.columns(0..<3 * width)  // (tokens, 3 width)
    try projections(x, into: qkv, compute)
    try converting { () throws(KernelError) in
      Counters.enter(.attention)
      try compute.attention(
        q: qkv.columns(0..<width), k: qkv.columns(width..<2 * width), v: qkv.columns(2 * width..<3 * width),
        into: x,
        sequences: sequences.all,
        heads: heads, headWidth: headWidth, scale: scale, causal: causal)
    }
    Counters.enter(.attentionProducts)
    try output(x, into: residual, compute, Epilogue(residual: residual))
  }

  /// `x` (tokens, width) normalised; for each sequence the attention of its pooled token is added to its row
  /// of `residual` (sequences, width). `queries` (2 · sequences, width) is scratch.
  func readingOneToken(
    _ x: MatrixView, addingTo residual: MatrixView, _ sequences: TokenSequences, _ queries: MatrixView,
    _ wide: MatrixView, _ compute: Compute
  ) throws(CLIPError) {
    guard let query else { return }
    Counters.enter(.attentionProducts)
    let count = sequences.pooled.count
    let (pooled, q) = (queries.rows(0..<count), queries.rows(count..<2 * count))
    copyPooledRows(of: x, sequences, into: pooled)
    try query(pooled, into: q, compute)
    let kv = wide.columns(0..<2 * width)  // (tokens, 2 width)
    try projections(x, into: kv, compute)
    try converting { () throws(KernelError) in
      Counters.enter(.attention)
      try compute.attention(
        q: q, k: kv.columns(0..<width), v: kv.columns(width..<2 * width), into: pooled,
        sequences: sequences.pooled.enumerated().map { index, token in
          Sequence(queryRow: index, queryCount: 1, runs: token.runs)
        },
        heads: heads, headWidth: headWidth, scale: scale, causal: causal)
    }
    Counters.enter(.attentionProducts)
    try output(pooled, into: residual, compute, Epilogue(residual: residual))
  }
}

/// Two linear maps with QuickGELU, or exact GELU where the graph has it, between them.
struct MLP: Sendable {
  let up: Linear
  let activation: Epilogue.Activation
  let down: Linear

  init(_ block: ONNXImport.ResidualAttentionBlock, named name: String, _ compute: Compute) throws(CLIPError) {
    up = try Linear(block.up, named: "\(name).up", precision: compute.precision, compute)
    down = try Linear(block.down, named: "\(name).down", precision: compute.precision, compute)
    switch block.activation {
    case .quickGELU: activation = .quickGELU
    case .gelu: activation = .gelu
    }
  }

  /// `x` (tokens, width) normalised; the result is added to `residual`. `wide` holds (tokens, hidden).
  func callAsFunction(
    _ x: MatrixView, addingTo residual: MatrixView, _ wide: MatrixView, _ compute: Compute
  ) throws(CLIPError) {
    Counters.enter(.mlp)
    let hidden = wide.rows(0..<x.rows).columns(0..<up.weights.outputs)
    try up(x, into: hidden, compute, Epilogue(activation: activation))
    try down(hidden, into: residual, compute, Epilogue(residual: residual))
  }
}
