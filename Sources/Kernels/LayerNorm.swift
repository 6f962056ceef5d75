import CPlatform

extension Compute {
  /// y = (x - mean) / √(variance + ε) · gain + bias for each row; y may be x. The variance is that of the
  /// differences from the mean, in a second pass.
  public func layerNorm(
    _ x: MatrixView, gain: UnsafePointer<Float>, bias: UnsafePointer<Float>, epsilon: Float,
    into y: MatrixView
  ) {
    assert(x.rows == y.rows && x.columns == y.columns)
    guard x.rows > 0, x.columns > 0 else { return }
    nonisolated(unsafe) let (gain, bias) = (gain, bias)
    let loops = loops
    // Enough work for a thread to be worth waking: some 10 µs.
    let chunk = max(1, 16_384 / x.columns)
    pool.run((x.rows + chunk - 1) / chunk) { index, _ in
      let first = index * chunk
      loops.layerNorm(
        LayerNormTask(
          x: x.pointer + first * x.stride, y: y.pointer + first * y.stride, xStride: x.stride,
          yStride: y.stride, rows: min(chunk, x.rows - first), columns: x.columns, gain: gain, bias: bias,
          epsilon: epsilon))
    }
  }
}
