import CPlatform

/// What a BatchNorm does to the values of a channel: (x - mean) · scale + bias.
public struct ChannelNorm: @unchecked Sendable {
  /// Three rows of as many floats as there are channels: means, scales, biases.
  let rows: UnsafeMutablePointer<Float>
  public let channels: Int

  public var mean: UnsafeMutablePointer<Float> { rows }
  public var scale: UnsafeMutablePointer<Float> { rows + channels }
  public var bias: UnsafeMutablePointer<Float> { rows + 2 * channels }

  /// - Parameter memory: (3, channels), dense, which somebody keeps alive.
  public init(_ memory: MatrixView) {
    assert(memory.rows == 3 && memory.stride == memory.columns)
    rows = memory.pointer
    channels = memory.columns
  }
}

extension MatrixView {
  /// Whether rows follow each other without gaps.
  var isDense: Bool { rows <= 1 || stride == columns }
}

/// How pixels are cut into shares: by the shape alone, so that partial sums, added in order, have the same bits on
/// any number of threads.
struct PixelShares: Sendable {
  /// Floats of a share: two of them in a part of the second-level cache.
  private static let floats = 1 << 14
  let rows, share: Int
  var count: Int { (rows + share - 1) / share }

  /// - Parameter floatsPerRow: of a pixel, or of a line of them.
  init(rows: Int, floatsPerRow: Int) {
    self.rows = rows
    share = max(1, Self.floats / max(1, floatsPerRow))
  }

  func range(_ index: Int) -> (first: Int, count: Int) {
    (index * share, min(share, rows - index * share))
  }
}

extension Compute {
  var resNet: ResNetLoops { .of(instructions) }

  /// Means and variances (those of the values themselves, dividing by their number) of the columns of a dense
  /// matrix.
  public func moments(
    _ x: MatrixView, means: UnsafeMutablePointer<Float>, variances: UnsafeMutablePointer<Float>
  ) throws(KernelError) {
    assert(x.isDense)
    guard x.rows > 0, x.columns > 0 else { return }
    let columns = x.columns
    let shares = PixelShares(rows: x.rows, floatsPerRow: columns)
    let loop = resNet.moments
    try scratch.withFloats(shares.count * 3 * columns) { memory in
      nonisolated(unsafe) let memory = memory
      pool.run(shares.count) { index, _ in
        let (first, count) = shares.range(index)
        loop(
          MomentsTask(
            x: x.pointer + first * columns, rows: count, columns: columns, sums: memory + index * 3 * columns)
        )
      }
      for column in 0..<columns {
        // Two parts become one as Chan, Golub and LeVeque have it (1979).
        var (mean, squares) = (0.0, 0.0)
        for index in 0..<shares.count {
          let (first, count) = shares.range(index)
          let part = memory + index * 3 * columns + column
          let rest = Double(part[columns]) / Double(count)
          let difference = Double(part[0]) + rest - mean
          let share = Double(count) / Double(first + count)
          mean += difference * share
          squares += Double(part[2 * columns]) - rest * Double(part[columns])
          squares += difference * difference * share * Double(first)
        }
        means[column] = Float(mean)
        variances[column] = Float(squares / Double(x.rows))
      }
    }
  }

  /// y = relu(norm(x)); y may be x.
  public func rectify(_ x: MatrixView, _ norm: ChannelNorm, into y: MatrixView) {
    rectify(x, norm, nil, nil, into: y)
  }

  /// y = relu(norm(x) + shortcutNorm(shortcut)), or without a norm for the shortcut, as it is.
  public func rectifySum(
    _ x: MatrixView, _ norm: ChannelNorm, _ shortcut: MatrixView, _ shortcutNorm: ChannelNorm?,
    into y: MatrixView
  ) {
    rectify(x, norm, shortcut, shortcutNorm, into: y)
  }

  private func rectify(
    _ x: MatrixView, _ norm: ChannelNorm, _ shortcut: MatrixView?, _ shortcutNorm: ChannelNorm?,
    into y: MatrixView
  ) {
    assert(x.isDense && y.isDense && shortcut?.isDense ?? true && norm.channels == x.columns)
    let columns = x.columns
    let shares = PixelShares(rows: x.rows, floatsPerRow: columns)
    let loop = resNet.rectify
    pool.run(shares.count) { index, _ in
      let (first, count) = shares.range(index)
      loop(
        RectifyTask(
          x: x.pointer + first * columns, norm: norm.rows,
          shortcut: shortcut.map { UnsafePointer($0.pointer + first * columns) },
          shortcutNorm: shortcutNorm.map { UnsafePointer($0.rows) }, rows: count, columns: columns,
          y: y.pointer + first * columns))
    }
  }

  /// Means of 2 × 2 pixels of relu(norm(x)), or of x itself.
  /// - Parameter side: of the pictures of x; even.
  public func halve(_ x: MatrixView, side: Int, _ norm: ChannelNorm?, into y: MatrixView) {
    assert(side % 2 == 0 && x.isDense && y.isDense && 4 * y.rows == x.rows)
    guard x.rows > 0 else { return }
    let lines = PixelShares(rows: x.rows / side / 2, floatsPerRow: 2 * side * x.columns)
    let loop = resNet.pool
    pool.run(lines.count) { index, _ in
      let (first, count) = lines.range(index)
      loop(
        PoolTask(
          x: x.pointer, norm: norm.map { UnsafePointer($0.rows) }, side: side, columns: x.columns,
          firstLine: first, lines: count, y: y.pointer))
    }
  }

  /// The way back through `halve` without a norm: adds a quarter of each tile's gradient to those of its pixels.
  /// - Parameter side: of the pictures of dx.
  public func addHalvingGradient(_ dy: MatrixView, side: Int, to dx: MatrixView) {
    assert(side % 2 == 0 && dx.isDense && dy.isDense && 4 * dy.rows == dx.rows)
    guard dx.rows > 0 else { return }
    let lines = PixelShares(rows: dx.rows / side, floatsPerRow: side * dx.columns)
    let loop = resNet.unpool
    pool.run(lines.count) { index, _ in
      let (first, count) = lines.range(index)
      loop(
        UnpoolTask(
          dy: dy.pointer, side: side, columns: dx.columns, firstLine: first, lines: count, dx: dx.pointer))
    }
  }
}
