import CPlatform
import Counters

// The gradient of a convolution's weights. That of its input is another convolution, with the window turned by 180° and
// inputs and outputs exchanged.

extension Compute {
  /// Adds the gradient of the weights of y = x ∗ W to dW, (outputs, channels, kernel, kernel) as PyTorch keeps it.
  ///
  /// By Winograd's algorithm where `convolve` uses it too. Else rows are cut into shares by the shape alone, and the
  /// sums of the shares are added in order, so that threads change no bit.
  public func convolutionGradient(
    _ dY: MatrixView, _ x: Pictures, _ window: Window, into dW: UnsafeMutablePointer<Float>
  ) throws(KernelError) {
    let windows = Windows(x, window)
    assert(dY.rows == windows.count)
    guard dY.rows > 0, dY.columns > 0, windows.inputs > 0 else { return }
    try Attachments.check()
    if fitsWinograd(x, window) && dY.stride == dY.columns {
      return try winogradGradient(dY, x, into: dW)
    }
    let taps = window.kernel * window.kernel
    let inputs = windows.inputs
    let depth = resNet.tallDepth
    try tallGradient(
      dY, columns: inputs, roomPerThread: depth * inputs,
      rows: { first, count, room in
        for row in 0..<count { windows.copy(first + row, to: room + row * inputs) }
        return (UnsafePointer(room), inputs)
      },
      add: { output, sums in
        for tap in 0..<taps {
          for channel in 0..<x.channels {
            dW[(output * x.channels + channel) * taps + tap] += sums[tap * x.channels + channel]
          }
        }
      })
  }

  /// As `weightGradient`, dW += dYᵀ·X, for many rows of few columns: rows are shared, not sums.
  public func tallWeightGradient(
    _ dY: MatrixView, _ x: MatrixView, into dW: UnsafeMutablePointer<Float>
  ) throws(KernelError) {
    assert(dY.rows == x.rows)
    guard TallPlan(rows: dY.rows, sums: dY.columns * x.columns).shares > 3 else {
      return try weightGradient(dY, x, into: dW)
    }
    try tallGradient(
      dY, columns: x.columns, roomPerThread: 0,
      rows: { first, _, _ in (UnsafePointer(x.pointer + first * x.stride), x.stride) },
      add: { output, sums in
        for column in 0..<x.columns { dW[output * x.columns + column] += sums[column] }
      })
  }

  /// Sums of dYᵀ·X, X coming in pieces of `tallDepth` rows from `rows`, which may write them to some room. `add` gets
  /// the sums of one output after the other.
  private func tallGradient(
    _ dY: MatrixView, columns: Int, roomPerThread: Int,
    rows: @Sendable (_ first: Int, _ count: Int, UnsafeMutablePointer<Float>) -> (UnsafePointer<Float>, Int),
    add: (_ output: Int, UnsafePointer<Float>) -> Void
  ) throws(KernelError) {
    Counters.count(multiplyAdds: dY.rows * dY.columns * columns)
    let loops = resNet
    let panel = self.loops.panelColumns
    let stride = (columns + panel - 1) / panel * panel
    let sums = dY.columns * stride
    let plan = TallPlan(rows: dY.rows, sums: sums)
    let room = loops.tallDepth * panel + (roomPerThread + 15) / 16 * 16
    let add2 = self.loops.gradients.add
    try scratch.withFloats(plan.shares * sums + threads * room) { memory in
      nonisolated(unsafe) let (parts, rooms) = (memory, memory + plan.shares * sums)
      pool.run(plan.shares) { index, slot in
        let part = parts + index * sums
        part.update(repeating: 0, count: sums)
        let range = plan.range(index)
        let (packed, own) = (rooms + slot * room, rooms + slot * room + loops.tallDepth * panel)
        for first in Swift.stride(from: range.lowerBound, to: range.upperBound, by: loops.tallDepth) {
          let count = min(loops.tallDepth, range.upperBound - first)
          let (b, bStride) = rows(first, count, own)
          loops.tallProduct(
            TallProductTask(
              a: dY.pointer + first * dY.stride, b: b, aStride: dY.stride, bStride: bStride, rows: count,
              outputs: dY.columns, columns: columns, c: part, cStride: stride, panel: packed))
        }
      }
      for index in 1..<max(1, plan.shares) { add2(parts + index * sums, parts, sums) }
      for output in 0..<dY.columns { add(output, parts + output * stride) }
    }
  }
}

/// How the rows of tall matrices are shared: by the shape alone.
private struct TallPlan: Sendable {
  let rows, shares: Int

  init(rows: Int, sums: Int) {
    self.rows = rows
    // Enough rows that adding the shares' sums costs little, enough shares for some threads.
    shares = max(1, min(rows / 1024, 32, (1 << 20) / max(1, sums)))
  }

  func range(_ index: Int) -> Range<Int> { ProductPlan.part(index, of: shares, in: 0..<rows) }
}
