import CPlatform
import Counters

/// Rows of keys and values that follow each other in memory and in a sequence.
public typealias KeyRun = CPlatform.KeyRun

/// The rows of one sequence in a ragged batch.
public struct Sequence: Sendable {
  /// First row of its queries, and how many.
  public var queryRow, queryCount: Int
  /// Where its keys and values lie, in their order. Several runs where sequences share their beginnings.
  public private(set) var runs: [KeyRun]
  public private(set) var keyCount: Int

  public init(queryRow: Int, queryCount: Int, keyRow: Int, keyCount: Int) {
    self.init(queryRow: queryRow, queryCount: queryCount, runs: [KeyRun(row: keyRow, count: keyCount)])
  }

  public init(queryRow: Int, queryCount: Int, runs: [KeyRun]) {
    self.queryRow = queryRow
    self.queryCount = queryCount
    self.runs = runs
    keyCount = runs.reduce(0) { $0 + $1.count }
  }
}

extension Compute {
  /// softmax(scale · q·kᵀ)·v for each sequence and head. Heads are column blocks of `headWidth`; q, k and v may
  /// be column views of one matrix.
  /// - Parameter causal: query j of a sequence sees only the keys 0 ... keyCount - queryCount + j.
  public func attention(
    q: MatrixView, k: MatrixView, v: MatrixView, into out: MatrixView, sequences: [Sequence], heads: Int,
    headWidth: Int, scale: Float, causal: Bool
  ) throws(KernelError) {
    assert(heads * headWidth <= min(q.columns, k.columns, v.columns, out.columns))
    let longest = sequences.map(\.keyCount).max() ?? 0
    guard longest > 0, heads > 0, headWidth > 0 else { return }
    try Attachments.check()
    let (floats, overflow) = loops.attentionScratch(longest, headWidth)
    let (all, tooMany) = floats.multipliedReportingOverflow(by: threads)
    guard !overflow, !tooMany else { throw .outOfMemory(bytes: .max) }

    // A task is a head of a sequence; few of them are cut into chunks of queries, though each then packs the
    // head's keys and values again.
    let pairs = sequences.count * heads
    let chunks = max(1, min(8, 3 * threads / max(1, pairs)))
    let unit = loops.panelColumns
    Counters.count(
      multiplyAdds: sequences.reduce(0) { $0 + 2 * $1.queryCount * $1.keyCount * heads * headWidth })
    let loops = loops
    try scratch.withFloats(all) { memory in
      nonisolated(unsafe) let memory = memory
      pool.run(pairs * chunks) { index, slot in
        let sequence = sequences[index / chunks / heads]
        let column = index / chunks % heads * headWidth
        let chunk = ((sequence.queryCount + chunks - 1) / chunks + unit - 1) / unit * unit
        let first = index % chunks * chunk
        let count = min(chunk, sequence.queryCount - first)
        guard count > 0 else { return }
        assert(sequence.keyCount >= (causal ? sequence.queryCount : 1))
        let row = sequence.queryRow + first
        sequence.runs.withUnsafeBufferPointer { runs in
          guard let runs = runs.baseAddress else { return }
          loops.attention(
            AttentionTask(
              q: q.pointer + row * q.stride + column, k: k.pointer + column, v: v.pointer + column,
              out: out.pointer + row * out.stride + column,
              qStride: q.stride, kStride: k.stride, vStride: v.stride, outStride: out.stride, runs: runs,
              queries: count, keys: sequence.keyCount, width: headWidth,
              visible: causal ? sequence.keyCount - sequence.queryCount + first + 1 : sequence.keyCount,
              scale: scale, scratch: memory + slot * floats))
        }
      }
    }
  }
}
