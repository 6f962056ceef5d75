import CPlatform

// The way back through a BatchNorm. With g the gradient of its output, d = x - mean, n the number of pixels:
//
//     dBias = Σ g,  dGain = Σ g·d / √(variance + ε)
//     dx = scale · (g - dBias / n - d · Σ g·d / (n · (variance + ε)))
//
// in two sweeps: first the sums, then dx, in the place of x. With statistics that do not come from the batch, the last
// two terms are missing.

/// What the first sweep finds for each channel: sums of g and of g · (x - mean); two rows of floats.
public struct NormSums: @unchecked Sendable {
  public let channels: Int
  public let gradients, products: UnsafeMutablePointer<Float>

  /// - Parameter memory: (2, channels), dense, which somebody keeps alive.
  public init(_ memory: MatrixView) {
    assert(memory.rows == 2 && memory.stride == memory.columns)
    channels = memory.columns
    (gradients, products) = (memory.pointer, memory.pointer + channels)
  }
}

/// What the second sweep subtracts: two rows of floats.
public struct NormOffsets: @unchecked Sendable {
  let rows: UnsafeMutablePointer<Float>
  public let channels: Int
  public var offsets: UnsafeMutablePointer<Float> { rows }
  public var slopes: UnsafeMutablePointer<Float> { rows + channels }

  /// - Parameter memory: (2, channels), dense, which somebody keeps alive.
  public init(_ memory: MatrixView) {
    assert(memory.rows == 2 && memory.stride == memory.columns)
    (rows, channels) = (memory.pointer, memory.columns)
  }
}

extension Compute {
  /// First sweep for y = relu(norm(x)).
  /// - Parameters:
  ///   - dy: of y, or of its `halve`.
  ///   - side: of the pictures of x.
  public func rectifiedSums(
    _ x: MatrixView, side: Int, _ norm: ChannelNorm, _ dy: MatrixView, into sums: NormSums
  ) throws(KernelError) {
    guard x.rows > 0, x.columns > 0 else { return }
    let lines = PixelShares(rows: x.rows / side, floatsPerRow: side * x.columns)
    let loop = resNet.rectifiedSums
    try scratch.withFloats(lines.count * 2 * x.columns) { memory in
      nonisolated(unsafe) let memory = memory
      pool.run(lines.count) { index, _ in
        loop(rectified(x, side, norm, dy, lines.range(index), memory + index * 2 * x.columns))
      }
      add(memory, lines.count, stride: 2 * x.columns, into: sums)
    }
  }

  /// Second sweep: x becomes its gradient.
  public func rectifiedGradient(
    inPlace x: MatrixView, side: Int, _ norm: ChannelNorm, _ dy: MatrixView, _ offsets: NormOffsets
  ) {
    guard x.rows > 0, x.columns > 0 else { return }
    let lines = PixelShares(rows: x.rows / side, floatsPerRow: side * x.columns)
    let loop = resNet.rectifiedGradient
    pool.run(lines.count) { index, _ in
      loop(rectified(x, side, norm, dy, lines.range(index), offsets.rows))
    }
  }

  private func rectified(
    _ x: MatrixView, _ side: Int, _ norm: ChannelNorm, _ dy: MatrixView, _ lines: (first: Int, count: Int),
    _ sums: UnsafeMutablePointer<Float>
  ) -> RectifiedTask {
    assert(x.isDense && dy.isDense && (dy.rows == x.rows || 4 * dy.rows == x.rows && side % 2 == 0))
    return RectifiedTask(
      x: x.pointer, norm: norm.rows, dy: dy.pointer, isPooled: dy.rows == x.rows ? 0 : 1,
      firstLine: lines.first, lines: lines.count, lineRows: side, columns: x.columns, sums: sums)
  }

  /// First sweep for y = relu(norm(x) + shortcut): dy becomes the gradient of what was rectified.
  public func joinedSums(
    output y: MatrixView, inPlace dy: MatrixView, _ x: MatrixView, _ norm: ChannelNorm, into sums: NormSums
  ) throws(KernelError) {
    try joinedSums(y, dy, x, norm, nil, nil, sums, nil)
  }

  /// The same for y = relu(norm(x) + shortcutNorm(shortcut)).
  public func joinedSums(
    output y: MatrixView, inPlace dy: MatrixView, _ x: MatrixView, _ norm: ChannelNorm,
    into sums: NormSums, shortcut: MatrixView, _ shortcutNorm: ChannelNorm, into shortcutSums: NormSums
  ) throws(KernelError) {
    try joinedSums(y, dy, x, norm, shortcut, shortcutNorm, sums, shortcutSums)
  }

  private func joinedSums(
    _ y: MatrixView, _ dy: MatrixView, _ x: MatrixView, _ norm: ChannelNorm, _ shortcut: MatrixView?,
    _ shortcutNorm: ChannelNorm?, _ sums: NormSums, _ shortcutSums: NormSums?
  ) throws(KernelError) {
    assert(y.isDense && dy.isDense && x.isDense && shortcut?.isDense ?? true)
    guard x.rows > 0, x.columns > 0 else { return }
    let columns = x.columns
    let shares = PixelShares(rows: x.rows, floatsPerRow: columns)
    let loop = resNet.joinedSums
    try scratch.withFloats(shares.count * 4 * columns) { memory in
      nonisolated(unsafe) let memory = memory
      pool.run(shares.count) { index, _ in
        let (first, count) = shares.range(index)
        let place = first * columns
        loop(
          JoinedTask(
            y: y.pointer + place, dy: dy.pointer + place, x: x.pointer + place, norm: norm.rows,
            shortcut: shortcut.map { UnsafePointer($0.pointer + place) },
            shortcutNorm: shortcutNorm.map { UnsafePointer($0.rows) }, rows: count, columns: columns,
            sums: memory + index * 4 * columns))
      }
      add(memory, shares.count, stride: 4 * columns, into: sums)
      if let shortcutSums {
        add(memory + 2 * columns, shares.count, stride: 4 * columns, into: shortcutSums)
      }
    }
  }

  /// Second sweep where dy is the gradient of norm(x): x becomes its gradient.
  public func normGradient(
    inPlace x: MatrixView, _ norm: ChannelNorm, _ dy: MatrixView, _ offsets: NormOffsets
  ) {
    assert(x.isDense && dy.isDense && x.rows == dy.rows && x.columns == dy.columns)
    guard x.rows > 0, x.columns > 0 else { return }
    let columns = x.columns
    let shares = PixelShares(rows: x.rows, floatsPerRow: columns)
    let loop = resNet.normGradient
    pool.run(shares.count) { index, _ in
      let (first, count) = shares.range(index)
      loop(
        NormGradientTask(
          x: x.pointer + first * columns, norm: norm.rows, dy: dy.pointer + first * columns,
          offsets: offsets.rows, rows: count, columns: columns))
    }
  }

  /// Adds the parts of all shares in order, in double precision.
  private func add(
    _ parts: UnsafeMutablePointer<Float>, _ count: Int, stride: Int, into sums: NormSums
  ) {
    for channel in 0..<sums.channels {
      var (gradient, product) = (0.0, 0.0)
      for index in 0..<count {
        let part = parts + index * stride + channel
        gradient += Double(part[0])
        product += Double(part[sums.channels])
      }
      (sums.gradients[channel], sums.products[channel]) = (Float(gradient), Float(product))
    }
  }
}
