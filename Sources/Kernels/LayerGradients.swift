import CPlatform
import Counters

extension Compute {
  /// Adds to dx the gradient of a LayerNorm's input, and to dGain and dBias those of its gain and bias.
  public func layerNormGradient(
    _ x: MatrixView, _ dy: MatrixView, gain: UnsafePointer<Float>, epsilon: Float, addingTo dx: MatrixView,
    dGain: UnsafeMutablePointer<Float>, dBias: UnsafeMutablePointer<Float>
  ) throws(KernelError) {
    assert(x.rows == dy.rows && x.columns == dy.columns && x.rows == dx.rows && x.columns == dx.columns)
    guard x.rows > 0, x.columns > 0 else { return }
    // Shares depend on the shape alone, and their sums are added in order: the same bits on any thread.
    let chunk = max(16, 16_384 / x.columns)
    let chunks = (x.rows + chunk - 1) / chunk
    let columns = x.columns
    nonisolated(unsafe) let gain = gain
    let loops = loops
    try scratch.withFloats(chunks * 2 * columns) { memory in
      nonisolated(unsafe) let memory = memory
      pool.run(chunks) { index, _ in
        let first = index * chunk
        loops.gradients.layerNorm(
          LayerNormGradientTask(
            x: x.pointer + first * x.stride, dy: dy.pointer + first * dy.stride,
            dx: dx.pointer + first * dx.stride, xStride: x.stride, dyStride: dy.stride, dxStride: dx.stride,
            rows: min(chunk, x.rows - first), columns: columns, gain: gain, epsilon: epsilon,
            dGain: memory + index * 2 * columns, dBias: memory + (index * 2 + 1) * columns))
      }
      for index in 0..<chunks {
        loops.gradients.add(memory + index * 2 * columns, dGain, columns)
        loops.gradients.add(memory + (index * 2 + 1) * columns, dBias, columns)
      }
    }
  }

  /// The gradients of q, k and v of `attention`, of which each sequence has its keys below each other.
  public func attentionGradient(
    q: MatrixView, k: MatrixView, v: MatrixView, dOut: MatrixView, dq: MatrixView, dk: MatrixView,
    dv: MatrixView, sequences: [Sequence], heads: Int, headWidth: Int, scale: Float, causal: Bool
  ) throws(KernelError) {
    assert(k.stride == v.stride && dk.stride == dv.stride)
    let longest = sequences.map(\.keyCount).max() ?? 0
    guard longest > 0, heads > 0, headWidth > 0 else { return }
    try Attachments.check()
    let (floats, overflow) = loops.gradients.attentionScratch(longest, headWidth)
    let (all, tooMany) = floats.multipliedReportingOverflow(by: threads)
    guard !overflow, !tooMany else { throw .outOfMemory(bytes: .max) }
    Counters.count(
      multiplyAdds: sequences.reduce(0) { $0 + 5 * $1.queryCount * $1.keyCount * heads * headWidth })
    let loops = loops
    try scratch.withFloats(all) { memory in
      nonisolated(unsafe) let memory = memory
      pool.run(sequences.count * heads) { index, slot in
        let sequence = sequences[index / heads]
        let column = index % heads * headWidth
        guard let keys = sequence.runs.first else { return }
        assert(sequence.runs.count == 1)
        loops.gradients.attention(
          AttentionGradientTask(
            q: q.pointer + sequence.queryRow * q.stride + column, k: k.pointer + keys.row * k.stride + column,
            v: v.pointer + keys.row * v.stride + column,
            dOut: dOut.pointer + sequence.queryRow * dOut.stride + column,
            dq: dq.pointer + sequence.queryRow * dq.stride + column,
            dk: dk.pointer + keys.row * dk.stride + column, dv: dv.pointer + keys.row * dv.stride + column,
            qStride: q.stride, kvStride: k.stride, dOutStride: dOut.stride, dqStride: dq.stride,
            dkvStride: dk.stride, queries: sequence.queryCount, keys: sequence.keyCount, width: headWidth,
            visible: causal ? sequence.keyCount - sequence.queryCount + 1 : sequence.keyCount, scale: scale,
            scratch: memory + slot * floats))
      }
    }
  }

  /// y = activation(x), which must be one of the two GELUs.
  public func activate(_ x: MatrixView, _ activation: Epilogue.Activation, into y: MatrixView) {
    let activate = loops.gradients.activate
    forEachChunk(of: x) { row, rows in
      for row in row..<row + rows {
        activate(
          x.pointer + row * x.stride, y.pointer + row * y.stride, x.columns, activation == .quickGELU)
      }
    }
  }

  /// Turns the gradient of an activation's output into that of its input, in place; y = activation(x) again.
  public func activationGradient(
    _ x: MatrixView, _ activation: Epilogue.Activation, output y: MatrixView, inPlace dy: MatrixView
  ) {
    let gradient = loops.gradients.activation
    forEachChunk(of: x) { row, rows in
      for row in row..<row + rows {
        gradient(
          x.pointer + row * x.stride, y.pointer + row * y.stride, dy.pointer + row * dy.stride, x.columns,
          activation == .quickGELU)
      }
    }
  }

  /// target += source.
  public func add(_ source: MatrixView, to target: MatrixView) {
    let add = loops.gradients.add
    forEachChunk(of: source) { row, rows in
      for row in row..<row + rows {
        add(source.pointer + row * source.stride, target.pointer + row * target.stride, source.columns)
      }
    }
  }

  /// Rows in shares that are worth waking a thread for.
  private func forEachChunk(of x: MatrixView, _ body: @Sendable (_ row: Int, _ rows: Int) -> Void) {
    guard x.rows > 0, x.columns > 0 else { return }
    let chunk = max(1, 16_384 / x.columns)
    pool.run((x.rows + chunk - 1) / chunk) { index, _ in
      body(index * chunk, min(chunk, x.rows - index * chunk))
    }
  }
}
