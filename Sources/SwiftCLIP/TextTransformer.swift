import Counters
import Kernels
import ONNXImport

/// The paper's text encoder (section 2.4): a Transformer with masked self-attention, read at EOT.
///
/// Because a token sees only what stands before it, nothing after the token that is read can change the
/// result: it is never computed. Texts of different lengths run below each other as one ragged batch.
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

  /// `tokens` (spans.count, contextLength), already checked by `spans(of:count:)`, to `embeddings`
  /// (spans.count, embedDim).
  func callAsFunction(
    _ tokens: UnsafePointer<Int32>, _ spans: [TokenSpan], into embeddings: UnsafeMutablePointer<Float>,
    _ compute: Compute
  ) throws(CLIPError) {
    defer { Counters.enter(.outside) }
    Counters.enter(.embedding)
    let rows = spans.reduce(0) { $0 + $1.count }
    let x = try Workspace(rows: rows, columns: width)
    let pooled = try Workspace(rows: spans.count, columns: width)
    let workspace = try BlockWorkspace(tokens: rows, sequences: spans.count, transformer)

    for (text, span) in spans.enumerated() {
      for position in 0..<span.count {
        let id = unsafe Int(tokens[text * contextLength + position])
        let row = unsafe x.view.pointer + (span.start + position) * width
        unsafe tokenEmbedding.copyRow(id, to: row, compute)
        unsafe add(row, positions.row(position, width: width), into: row, width)
      }
    }
    try transformer(x.view, spans, into: pooled.view, workspace, compute)  // (texts, width)
    lnFinal(pooled.view, into: pooled.view, compute)

    Counters.enter(.projection)
    let result = unsafe MatrixView(
      pointer: embeddings, rows: spans.count, columns: embedDim, stride: embedDim)
    if let projection {
      try projection(pooled.view, into: result, compute)  // (texts, embedDim)
    } else {
      unsafe embeddings.update(from: pooled.view.pointer, count: spans.count * embedDim)
    }
    if normalised { normaliseRows(result) }
  }

  /// How many tokens of one text must be computed, and which is read. Refuses ids outside the vocabulary.
  func span(of ids: UnsafeBufferPointer<Int32>, start: Int) throws(CLIPError) -> TokenSpan {
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
    return TokenSpan(start: start, count: causal ? pooled + 1 : contextLength, pooled: pooled)
  }
}
