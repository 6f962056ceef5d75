import Counters
import Kernels
import ONNXImport

/// The paper's text encoder (section 2.4): a Transformer with masked self-attention, read at EOT.
///
/// Because a token sees only what stands before it, nothing after the token that is read can change the
/// result: it is never computed. And texts that begin alike have the same activations there: they are computed
/// once (`TokenTree`).
struct TextTransformer: Sendable {
  let contextLength: Int
  let vocabularySize: Int
  let width: Int
  let embedDim: Int

  let tokenEmbedding: EmbeddingTable  // (vocabulary, width)
  let positions: Parameters  // (context, width)
  let transformer: Transformer
  let lnFinal: LayerNorm
  let projection: Linear?  // (width, embedDim)
  let pooling: Pooling
  let causal: Bool
  let normalised: Bool

  init(_ tower: TextTower, _ compute: Compute) throws(CLIPError) {
    contextLength = tower.contextLength
    vocabularySize = tower.vocabularySize
    width = tower.width
    embedDim = tower.embedDim
    tokenEmbedding = try EmbeddingTable(
      tower.tokenEmbedding, width: tower.width, named: "text.token_embedding", compute)
    positions = try Parameters(tower.positions, named: "text.positions", compute)
    transformer = try Transformer(tower.blocks, width: tower.width, named: "text.blocks", compute)
    lnFinal = try LayerNorm(tower.finalNorm, named: "text.ln_final", compute)
    projection = try tower.projection.map { (map) throws(CLIPError) in
      try Linear(map, named: "text.projection", compute)
    }
    pooling = tower.pooling
    causal = tower.blocks.allSatisfy(\.causal)
    normalised = tower.normalised
  }

  /// The texts of a tree, in its order, to `result` (texts, embedDim).
  func callAsFunction(_ tree: TokenTree, into result: MatrixView, _ compute: Compute) throws(CLIPError) {
    defer { Counters.enter(.outside) }
    Counters.enter(.embedding)
    let rows = tree.rows
    let sequences = tree.sequences(causal: causal)
    let texts = sequences.pooled.count
    let x = try Workspace(rows: rows.count, columns: width)
    let pooled = try Workspace(rows: texts, columns: width)
    // Equal texts share all rows, so there may be more texts than rows.
    let workspace = try BlockWorkspace(tokens: max(rows.count, texts), sequences: texts, transformer)

    for (row, place) in rows.enumerated() {
      let target = unsafe x.view.pointer + row * width
      unsafe tokenEmbedding.copyRow(Int(place.token), to: target, compute)
      unsafe add(target, positions.row(place.position, width: width), into: target, width)
    }
    try transformer(x.view, sequences, into: pooled.view, workspace, compute)  // (texts, width)
    lnFinal(pooled.view, into: pooled.view, compute)
    Counters.enter(.projection)
    if let projection {
      try projection(pooled.view, into: result, compute)  // (texts, embedDim)
    } else {
      for text in 0..<texts {
        unsafe (result.pointer + text * result.stride).update(
          from: pooled.view.pointer + text * width, count: embedDim)
      }
    }
    if normalised { normaliseRows(result) }
  }

  /// The position of the token that is read. Refuses ids outside the vocabulary.
  func pooledPosition(_ ids: UnsafeBufferPointer<Int32>) throws(CLIPError) -> Int {
    var pooled: Int?
    var largest = Int32.min
    for unsafe(position, id) in unsafe ids.enumerated() {
      guard id >= 0, Int(id) < vocabularySize else {
        throw CLIPError(
          .invalidArgument,
          "Token \(id) at position \(position) is outside the vocabulary of \(vocabularySize) ids. Tokenize with this model's vocabulary."
        )
      }
      switch pooling {
      case .largest where id > largest: (largest, pooled) = (id, position)
      case .first(let end) where Int(id) == end && pooled == nil: pooled = position
      case .last: pooled = position
      default: break
      }
    }
    guard let pooled else {
      throw CLIPError(
        .invalidArgument,
        "There is no EOT token among the \(ids.count) ids, so no embedding can be read. Tokenize with swiftclip, or end the text with EOT."
      )
    }
    return pooled
  }
}
