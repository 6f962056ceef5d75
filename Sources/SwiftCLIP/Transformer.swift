import Kernels
import ONNXImport

/// The stack of residual attention blocks that both encoders share. Of its last block only one token a
/// sequence is read (the class token, or EOT), and only that is computed.
struct Transformer: Sendable {
  let blocks: [ResidualAttentionBlock]
  let width: Int
  /// Columns of the widest activation inside a block: queries, keys and values, or the MLP's hidden layer.
  let widest: Int

  init(
    _ blocks: [ONNXImport.ResidualAttentionBlock], width: Int, named name: String, _ compute: Compute
  ) throws(CLIPError) {
    var packed: [ResidualAttentionBlock] = []
    for (index, block) in blocks.enumerated() {
      packed.append(
        try ResidualAttentionBlock(
          block, named: "\(name).\(index)", readsOneQuery: index == blocks.count - 1, compute))
    }
    self.blocks = packed
    self.width = width
    widest = max(3 * width, packed.map(\.mlp.up.weights.outputs).max() ?? 0)
  }

  /// `x` (tokens, width), all sequences below each other, is changed in place up to the last block; the
  /// last block's result for each sequence's pooled token goes to `pooled` (sequences, width).
  func callAsFunction(
    _ x: MatrixView, _ sequences: TokenSequences, into pooled: MatrixView,
    _ workspace: borrowing BlockWorkspace,
    _ compute: Compute
  ) throws(CLIPError) {
    for block in blocks.dropLast() {
      try block(x, sequences, workspace, compute)
    }
    guard let last = blocks.last else { return copyPooledRows(of: x, sequences, into: pooled) }
    try last.readingOneToken(x, sequences, into: pooled, workspace, compute)
  }
}

/// The activations that blocks need beside their input, made once a pass and shared by all blocks.
struct BlockWorkspace: ~Copyable {
  private let normedRows: Workspace
  private let wideRows: Workspace
  private let queryRows: Workspace

  init(tokens: Int, sequences: Int, _ transformer: Transformer) throws(CLIPError) {
    let normed = try Workspace(rows: tokens, columns: transformer.width)
    let wide = try Workspace(rows: tokens, columns: transformer.widest)
    let queries = try Workspace(rows: 2 * sequences, columns: transformer.width)
    normedRows = normed
    wideRows = wide
    queryRows = queries
  }

  func normed(_ rows: Int) -> MatrixView { normedRows.view.rows(0..<rows) }
  func wide(_ rows: Int) -> MatrixView { wideRows.view.rows(0..<rows) }
  func queries(_ sequences: Int) -> MatrixView { queryRows.view.rows(0..<2 * sequences) }
}

/// A matrix of activations that lives as long as its owner.
@safe struct Workspace: ~Copyable {
  private let buffer: AlignedBuffer
  let view: MatrixView

  init(rows: Int, columns: Int) throws(CLIPError) {
    let (count, overflow) = rows.multipliedReportingOverflow(by: columns)
    guard !overflow else { throw KernelError.outOfMemory(bytes: Int.max).told }
    buffer = try converting { () throws(KernelError) in try AlignedBuffer(count: max(count, 1)) }
    view = unsafe MatrixView(pointer: buffer.pointer, rows: rows, columns: columns, stride: columns)
  }
}
