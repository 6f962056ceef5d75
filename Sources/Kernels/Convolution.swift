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
  /// Where `fitsWinograd`, fewer multiplications do. Else a product whose rows are windows, which are copied from
  /// the pictures a K block at a time; every element is one chain of multiply-adds over the inputs in ascending
  /// order, zeros around the picture included.
  public func convolve(
    _ x: Pictures, _ window: Window, _ w: PackedWeights, into y: MatrixView, _ epilogue: Epilogue = .init()
  ) throws(KernelError) {
    let windows = Windows(x, window)
    assert(w.inputs == windows.inputs && y.rows == windows.count && y.columns == w.outputs)
    guard y.rows > 0, w.outputs > 0 else { return }
    if blas != nil {
      try convolveDense(windows, w, into: y, epilogue)
    } else if fitsWinograd(x, window) {
      try convolveByWinograd(x, w, into: y, epilogue)
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
      packTile(rows.lowerBound + first, count, inputs, into: target + first * inputs.count)
      first += count
    }
  }

  /// target[k][row] = input k of the row's window. Four rows at a time where there are as many; the last four may
  /// write again what others wrote, the same values.
  private func packTile(
    _ first: Int, _ count: Int, _ inputs: Range<Int>, into target: UnsafeMutablePointer<Float>
  ) {
    if count >= 4 && x.channelStride == 1 {
      for row in stride(from: 0, to: count, by: 4) {
        let start = min(row, count - 4)
        copyFour(first + start, inputs, to: target + start, step: count)
      }
    } else {
      for row in 0..<count { copy(first + row, inputs, to: target + row, step: count) }
    }
  }

  /// Where a window lies: its picture and its upper left pixel, which may be outside.
  private struct Corner {
    let base: UnsafePointer<Float>
    let top, left: Int
  }

  private func corner(_ row: Int) -> Corner {
    let (picture, place) = row.quotientAndRemainder(dividingBy: outputSide * outputSide)
    return Corner(
      base: x.pointer + picture * x.pictureStride, top: place / outputSide * window.stride - window.padding,
      left: place % outputSide * window.stride - window.padding)
  }

  /// The first channel of a window's pixel, or nil where it is outside of the picture.
  @inline(__always)
  private func pixel(_ corner: Corner, _ tapY: Int, _ tapX: Int) -> UnsafePointer<Float>? {
    let (pixelY, pixelX) = (corner.top + tapY, corner.left + tapX)
    guard pixelY >= 0, pixelY < x.side, pixelX >= 0, pixelX < x.side else { return nil }
    return corner.base + (pixelY * x.side + pixelX) * x.pixelStride
  }

  /// Calls the body for each run of inputs that are channels of one pixel.
  @inline(__always)
  private func forEachTap(
    _ inputs: Range<Int>, _ body: (_ tapY: Int, _ tapX: Int, _ channel: Int, _ count: Int) -> Void
  ) {
    var channel = inputs.lowerBound % x.channels
    var (tapY, tapX) = (inputs.lowerBound / x.channels).quotientAndRemainder(dividingBy: window.kernel)
    var remaining = inputs.count
    while remaining > 0 {
      let count = min(x.channels - channel, remaining)
      body(tapY, tapX, channel, count)
      remaining -= count
      (channel, tapX) = (0, tapX + 1)
      if tapX == window.kernel { (tapX, tapY) = (0, tapY + 1) }
    }
  }

  /// target[k · step] = input k of a window, for some inputs.
  func copy(_ row: Int, _ inputs: Range<Int>, to target: UnsafeMutablePointer<Float>, step: Int) {
    let corner = corner(row)
    var target = target
    forEachTap(inputs) { tapY, tapX, channel, count in
      let source = pixel(corner, tapY, tapX)
      for offset in channel..<channel + count {
        target[0] = source.map { $0[offset * x.channelStride] } ?? 0
        target += step
      }
    }
  }

  /// target[k · step + r] = input k of window row + r, for four rows of pictures whose channels lie side by side.
  private func copyFour(
    _ row: Int, _ inputs: Range<Int>, to target: UnsafeMutablePointer<Float>, step: Int
  ) {
    let corners = (corner(row), corner(row + 1), corner(row + 2), corner(row + 3))
    var target = target
    forEachTap(inputs) { tapY, tapX, channel, count in
      let (a, b) = (pixel(corners.0, tapY, tapX), pixel(corners.1, tapY, tapX))
      let (c, d) = (pixel(corners.2, tapY, tapX), pixel(corners.3, tapY, tapX))
      var k = channel
      while k + 4 <= channel + count {
        let columns = transposed(four(a, k), four(b, k), four(c, k), four(d, k))
        store(columns.0, target)
        store(columns.1, target + step)
        store(columns.2, target + 2 * step)
        store(columns.3, target + 3 * step)
        target += 4 * step
        k += 4
      }
      while k < channel + count {
        store(SIMD4(a?[k] ?? 0, b?[k] ?? 0, c?[k] ?? 0, d?[k] ?? 0), target)
        target += step
        k += 1
      }
    }
  }
}

/// Four neighbouring floats, or zeros where there is no pixel.
@inline(__always)
private func four(_ pixel: UnsafePointer<Float>?, _ offset: Int) -> SIMD4<Float> {
  guard let pixel else { return .zero }
  return UnsafeRawPointer(pixel + offset).loadUnaligned(as: SIMD4<Float>.self)
}

/// The columns of four rows of four.
@inline(__always)
private func transposed(
  _ a: SIMD4<Float>, _ b: SIMD4<Float>, _ c: SIMD4<Float>, _ d: SIMD4<Float>
) -> (SIMD4<Float>, SIMD4<Float>, SIMD4<Float>, SIMD4<Float>) {
  (
    SIMD4(a[0], b[0], c[0], d[0]), SIMD4(a[1], b[1], c[1], d[1]), SIMD4(a[2], b[2], c[2], d[2]),
    SIMD4(a[3], b[3], c[3], d[3])
  )
}
