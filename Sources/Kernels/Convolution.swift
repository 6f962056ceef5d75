/// Square pictures in memory, channels last or first: value (picture, y, x, channel) lies at
/// `picture · pictureStride + (y · side + x) · pixelStride + channel · channelStride`.
public struct Pictures: @unchecked Sendable {
  let pointer: UnsafePointer<Float>
  let count, side, channels: Int
  let pictureStride, pixelStride, channelStride: Int

  /// Channels last: a row of the matrix is a pixel, the pixels of a picture follow each other line by line.
  public init(_ pixels: MatrixView, side: Int) {
    assert(pixels.rows % (side * side) == 0)
    pointer = UnsafePointer(pixels.pointer)
    (count, self.side, channels) = (pixels.rows / (side * side), side, pixels.columns)
    (pictureStride, pixelStride, channelStride) = (side * side * pixels.stride, pixels.stride, 1)
  }

  /// Channels first: dense planes [picture][channel][y][x].
  public init(planes: UnsafePointer<Float>, count: Int, channels: Int, side: Int) {
    pointer = planes
    (self.count, self.side, self.channels) = (count, side, channels)
    (pictureStride, pixelStride, channelStride) = (channels * side * side, 1, side * side)
  }
}

/// The square window of a convolution: side, step, and the zeros on each of the four sides of a picture.
public struct Window: Sendable {
  public let kernel, stride, padding: Int

  public init(kernel: Int, stride: Int, padding: Int) {
    assert(kernel > 0 && stride > 0 && padding >= 0)
    (self.kernel, self.stride, self.padding) = (kernel, stride, padding)
  }

  /// Side of the pictures that come from pictures of this side; 0 where not one window fits.
  public func outputSide(of side: Int) -> Int {
    let room = side + 2 * padding - kernel
    return room < 0 ? 0 : room / stride + 1
  }
}

extension Compute {
  /// y = activation(x ∗ W + b) + residual, with a row of `y` for each place of the window, channels last. The
  /// inputs of W are the values of a window in the order (y, x, channel).
  ///
  /// A product whose rows are windows, which are copied from the pictures a K block at a time. Every element is
  /// one chain of multiply-adds over the inputs in ascending order, zeros around the picture included.
  public func convolve(
    _ x: Pictures, _ window: Window, _ w: PackedWeights, into y: MatrixView, _ epilogue: Epilogue = .init()
  ) throws(KernelError) {
    let windows = Windows(x, window)
    assert(w.inputs == windows.inputs && y.rows == windows.count && y.columns == w.outputs)
    guard y.rows > 0, w.outputs > 0 else { return }
    if blas != nil {
      try convolveDense(windows, w, into: y, epilogue)
    } else {
      let tileRows = loops.tileRows
      try product(rows: y.rows, w, into: y, epilogue) { rows, inputs, target in
        windows.pack(rows, inputs, tileRows: tileRows, into: target)
      }
    }
  }

  /// The same for a backend that reads plain matrices: windows are written out, some at a time.
  private func convolveDense(
    _ windows: Windows, _ w: PackedWeights, into y: MatrixView, _ epilogue: Epilogue
  ) throws(KernelError) {
    let piece = min(y.rows, max(64, (1 << 20) / w.inputs))
    let (floats, overflow) = piece.multipliedReportingOverflow(by: w.inputs)
    guard !overflow else { throw .outOfMemory(bytes: .max) }
    try scratch.withFloats(floats) { (memory) throws(KernelError) in
      nonisolated(unsafe) let memory = memory
      for first in stride(from: 0, to: y.rows, by: piece) {
        let rows = first..<min(first + piece, y.rows)
        pool.run(rows.count) { index, _ in
          windows.copy(first + index, 0..<w.inputs, to: memory + index * w.inputs, step: 1)
        }
        var part = epilogue
        part.residual = epilogue.residual?.rows(rows)
        try linear(
          MatrixView(pointer: memory, rows: rows.count, columns: w.inputs), w, into: y.rows(rows), part)
      }
    }
  }
}

/// All windows of some pictures as the rows of a matrix that is never written out.
private struct Windows: Sendable {
  private let x: Pictures
  private let window: Window
  private let outputSide: Int

  init(_ x: Pictures, _ window: Window) {
    (self.x, self.window) = (x, window)
    outputSide = window.outputSide(of: x.side)
  }

  var count: Int { x.count * outputSide * outputSide }
  var inputs: Int { window.kernel * window.kernel * x.channels }

  /// Brings a K block of some rows into the order of the tiles, as `Loops.packRows` does with a matrix: the rows
  /// are shared evenly over as few tiles as hold them.
  func pack(_ rows: Range<Int>, _ inputs: Range<Int>, tileRows: Int, into target: UnsafeMutablePointer<Float>)
  {
    let tiles = (rows.count + tileRows - 1) / tileRows
    let (smaller, larger) = (rows.count / tiles, rows.count % tiles)
    var first = 0
    for tile in 0..<tiles {
      let count = tile < larger ? smaller + 1 : smaller
      for row in 0..<count {
        copy(
          rows.lowerBound + first + row, inputs, to: target + first * inputs.count + row, step: count)
      }
      first += count
    }
  }

  /// target[k · step] = input k of a window, for some inputs.
  func copy(_ row: Int, _ inputs: Range<Int>, to target: UnsafeMutablePointer<Float>, step: Int) {
    let (picture, place) = row.quotientAndRemainder(dividingBy: outputSide * outputSide)
    let top = place / outputSide * window.stride - window.padding
    let left = place % outputSide * window.stride - window.padding
    let base = x.pointer + picture * x.pictureStride
    var channel = inputs.lowerBound % x.channels
    var (tapY, tapX) = (inputs.lowerBound / x.channels).quotientAndRemainder(dividingBy: window.kernel)
    var (target, remaining) = (target, inputs.count)
    while remaining > 0 {
      let count = min(x.channels - channel, remaining)
      let (pixelY, pixelX) = (top + tapY, left + tapX)
      if pixelY >= 0, pixelY < x.side, pixelX >= 0, pixelX < x.side {
        var source = base + (pixelY * x.side + pixelX) * x.pixelStride + channel * x.channelStride
        for _ in 0..<count {
          target[0] = source[0]
          source += x.channelStride
          target += step
        }
      } else {
        for _ in 0..<count {
          target[0] = 0
          target += step
        }
      }
      remaining -= count
      (channel, tapX) = (0, tapX + 1)
      if tapX == window.kernel { (tapX, tapY) = (0, tapY + 1) }
    }
  }
}
