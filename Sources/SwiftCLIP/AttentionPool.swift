import Counters
import Kernels
import ONNXImport

/// The attention pooling that replaces a ResNet's global average pooling (section 2.4): one layer of
/// multi-head QKV attention whose query is conditioned on the global average-pooled representation.
struct AttentionPool: Sendable {
  let positions: Parameters  // (1 + places, width)
  let query: Linear
  /// Keys and values side by side: (width, 2 inner).
  let keyValue: Linear
  let output: Linear  // (inner, embedDim)
  let tokens: Int
  let width: Int
  let heads: Int
  let headWidth: Int
  let scale: Float
  private var inner: Int { heads * headWidth }

  init(_ pool: AttentionPoolTower, named name: String, _ compute: Compute) throws(CLIPError) {
    positions = try Parameters(pool.positions, named: "\(name).positions", compute)
    query = try Linear(pool.query, named: "\(name).q", compute)
    keyValue = try Linear([pool.key, pool.value], named: "\(name).kv", compute)
    output = try Linear(pool.output, named: "\(name).out", compute)
    (tokens, width) = (pool.tokens, pool.width)
    (heads, headWidth, scale) = (pool.heads, pool.headWidth, pool.scale)
  }

  /// `features` (count · places, width) to `embeddings` (count, embedDim).
  func callAsFunction(
    _ features: FeatureMaps, count: Int, into embeddings: MatrixView, _ compute: Compute
  ) throws(CLIPError) {
    Counters.enter(.attentionPool)
    let x = try Workspace(rows: count * tokens, columns: width)
    let kv = try Workspace(rows: count * tokens, columns: 2 * inner)
    let queries = try Workspace(rows: 2 * count, columns: inner)
    let (q, attended) = (queries.view.rows(0..<count), queries.view.rows(count..<2 * count))

    // The global average comes first, then the places, and each has its position's embedding.
    let averages = unsafe MatrixView(
      pointer: x.view.pointer, rows: count, columns: width, stride: tokens * width)
    compute.averagePool(features.view, side: features.side, pool: features.side, into: averages)
    addPositions(features.view, averages, into: x.view, count: count, compute)

    try query(averages, into: q, compute)
    try keyValue(x.view, into: kv.view, compute)
    try converting { () throws(KernelError) in
      try compute.attention(
        q: q, k: kv.view.columns(0..<inner), v: kv.view.columns(inner..<2 * inner), into: attended,
        sequences: (0..<count).map {
          .init(queryRow: $0, queryCount: 1, keyRow: $0 * tokens, keyCount: tokens)
        },
        heads: heads, headWidth: headWidth, scale: scale, causal: false)
    }
    try output(attended, into: embeddings, compute)
  }

  private func addPositions(
    _ features: MatrixView, _ averages: MatrixView, into x: MatrixView, count: Int, _ compute: Compute
  ) {
    let places = tokens - 1
    compute.parallel(count) { image in
      for token in 0..<tokens {
        let source =
          unsafe token == 0
          ? averages.pointer + image * averages.stride
          : features.pointer + (image * places + token - 1) * features.stride
        unsafe add(
          source, positions.row(token, width: width),
          into: x.pointer + (image * tokens + token) * x.stride, width)
      }
    }
  }
}
