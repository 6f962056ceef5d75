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
  /// Where `fitsWinograd`, fewer multiplications do. Else the windows are written out as rows of a matrix, some at
  /// a time; every element is one chain of multiply-adds over the inputs in ascending order, zeros around the
  /// picture included.
  public func convolve(
    _ x: Pictures, _ window: Window, _ w: PackedWeights, into y: MatrixView, _ epilogue: Epilogue = .init()
  ) throws(KernelError) {
    let windows = Windows(x, window)
    assert(w.inputs == windows.inputs && y.rows == windows.count && y.columns == w.outputs)
    guard y.rows > 0, w.outputs > 0 else { return }
    try Attachments.check()
    if blas == nil && fitsWinograd(x, window) {
      return try convolveByWinograd(x, w, into: y, epilogue)
    }
    let piece = min(y.rows, max(64, (1 << 18) / w.inputs))
    let (floats, overflow) = piece.multipliedReportingOverflow(by: w.inputs)
    guard !overflow else { throw .outOfMemory(bytes: .max) }
    try scratch.withFloats(floats) { (memory) throws(KernelError) in
      nonisolated(unsafe) let memory = memory
      for first in stride(from: 0, to: y.rows, by: piece) {
        let rows = first..<min(first + piece, y.rows)
        pool.run(rows.count) { index, _ in
          windows.copy(first + index, to: memory + index * w.inputs)
        }
        var part = epilogue
        part.residual = epilogue.residual?.rows(rows)
        try linear(
          MatrixView(pointer: memory, rows: rows.count, columns: w.inputs), w, into: y.rows(rows), part)
      }
    }
  }
}

/// All windows of some pictures, as the rows of a matrix.
struct Windows: Sendable {
  private let x: Pictures
  private let window: Window
  private let outputSide: Int

  init(_ x: Pictures, _ window: Window) {
    self.x = x
    self.window = window
    outputSide = window.outputSide(of: x.side)
  }

  var count: Int { x.count * outputSide * outputSide }
  var inputs: Int { window.kernel * window.kernel * x.channels }

  /// Writes the values of a window: (y, x, channel), zero outside of the picture.
  func copy(_ row: Int, to target: UnsafeMutablePointer<Float>) {
    let (picture, place) = row.quotientAndRemainder(dividingBy: outputSide * outputSide)
    let base = x.pointer + picture * x.pictureStride
    let top = place / outputSide * window.stride - window.padding
    let left = place % outputSide * window.stride - window.padding
    var target = target
    for line in top..<top + window.kernel {
      for column in left..<left + window.kernel {
        if line < 0 || line >= x.side || column < 0 || column >= x.side {
          target.update(repeating: 0, count: x.channels)
        } else {
          let pixel = base + (line * x.side + column) * x.pixelStride
          for channel in 0..<x.channels { target[channel] = pixel[channel * x.channelStride] }
        }
        target += x.channels
      }
    }
  }
}
