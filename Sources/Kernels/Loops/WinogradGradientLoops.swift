import CPlatform

// The gradient of the filters of Winograd's convolution. Forward, y = Aᵀ((G g Gᵀ) ∘ (Bᵀ d B))A for a tile d of inputs
// and a filter g (see WinogradLoops.swift), so
//
//     dg = Gᵀ(Σ (A dy Aᵀ) ∘ (Bᵀ d B))G
//
// over all tiles: 36 multiplications for each pair of channels again, instead of 144.

extension Loops {
  /// A dy Aᵀ of some tiles of 4 × 4 gradients: values[point][tile][channel]. Pixels outside are zero.
  package static func winogradGradientInput(_ task: WinogradInputTask) {
    var channel = 0
    while channel < task.channels {
      let count = min(lanes, task.channels - channel)
      for tile in 0..<task.tiles {
        spreadLines(task, tile: task.firstTile + tile, channel, count, into: task.scratch)
        let values = task.values + tile * task.rowStride + channel
        for x in 0..<6 {
          let column = task.scratch + x * lanes
          @inline(__always) func line(_ y: Int) -> Vector { load(column + y * 6 * lanes) }
          storeSix(
            gradientAtPoints(line(0), line(1), line(2), line(3)), values + x * task.pointStride,
            step: 6 * task.pointStride, count)
        }
      }
      channel += lanes
    }
  }

  /// The four lines of a tile at the points of x, for a vector of channels.
  @inline(__always)
  private static func spreadLines(
    _ task: WinogradInputTask, tile: Int, _ channel: Int, _ count: Int,
    into lines: UnsafeMutablePointer<Float>
  ) {
    let perPicture = task.tilesPerSide * task.tilesPerSide
    let place = tile % perPicture
    let (top, left) = (place / task.tilesPerSide * 4, place % task.tilesPerSide * 4)
    let picture = task.x + tile / perPicture * task.pictureStride + channel
    for y in 0..<4 {
      let isInside = top + y < task.side
      let line = picture + (isInside ? top + y : 0) * task.side * task.pixelStride
      @inline(__always) func pixel(_ x: Int) -> Vector {
        guard isInside && left + x < task.side else { return Vector() }
        return load(line + (left + x) * task.pixelStride, count)
      }
      storeSix(
        gradientAtPoints(pixel(0), pixel(1), pixel(2), pixel(3)), lines + y * 6 * lanes, step: lanes)
    }
  }

  /// Four neighbours at the six points: Σ yⱼ·pʲ, and y₃ at ∞.
  @inline(__always)
  private static func gradientAtPoints(_ y0: Vector, _ y1: Vector, _ y2: Vector, _ y3: Vector) -> Six {
    let (half, two) = (Vector(repeating: 0.5), Vector(repeating: 2))
    let (even1, odd1) = (multiplyAdd(y2, half, y0), multiplyAdd(y3, half, y1) * rootHalf)
    let (even2, odd2) = (multiplyAdd(y2, two, y0), multiplyAdd(y3, two, y1) * rootTwo)
    return (y0, even1 + odd1, even1 - odd1, even2 + odd2, even2 - odd2, y3)
  }

  /// Adds the gradients of one output's filters to dW [channel][3][3], from products[point][channel].
  package static func winogradFilterGradient(
    _ products: UnsafePointer<Float>, pointStride: Int, channels: Int, into dW: UnsafeMutablePointer<Float>,
    scratch: UnsafeMutablePointer<Float>
  ) {
    forEachVector(channels) { channel, n in
      let products = products + channel
      for y in 0..<6 {
        let line = products + y * 6 * pointStride
        @inline(__always) func point(_ x: Int) -> Vector { load(line + x * pointStride, n) }
        storeThree(
          filterGradient(point(0), point(1), point(2), point(3), point(4), point(5)),
          scratch + y * 3 * lanes, step: lanes)
      }
      for x in 0..<3 {
        let column = scratch + x * lanes
        @inline(__always) func point(_ y: Int) -> Vector { load(column + y * 3 * lanes) }
        storeThree(
          filterGradient(point(0), point(1), point(2), point(3), point(4), point(5)),
          scratch + (18 + x) * lanes, step: 3 * lanes)
      }
      for lane in 0..<n {
        let target = dW + (channel + lane) * 9
        for tap in 0..<9 { target[tap] += scratch[(18 + tap) * lanes + lane] }
      }
    }
  }

  /// Floats of scratch that `winogradFilterGradient` needs.
  package static var filterGradientScratch: Int { 27 * lanes }

  private typealias Three = (Vector, Vector, Vector)

  /// The gradients of three taps from those at the six points.
  @inline(__always)
  private static func filterGradient(
    _ m0: Vector, _ m1: Vector, _ m2: Vector, _ m3: Vector, _ m4: Vector, _ m5: Vector
  ) -> Three {
    let (third, sixth) = (Vector(repeating: -2 / 3), Vector(repeating: 1 / 6))
    let (sum1, difference1) = ((m1 + m2) * third, (m1 - m2) * (third * rootHalf))
    let (sum2, difference2) = ((m3 + m4) * sixth, (m3 - m4) * (sixth * rootTwo))
    let (half, two) = (Vector(repeating: 0.5), Vector(repeating: 2))
    return (m0 + sum1 + sum2, difference1 + difference2, multiplyAdd(sum1, half, multiplyAdd(sum2, two, m5)))
  }

  @inline(__always)
  private static func storeThree(_ three: Three, _ target: UnsafeMutablePointer<Float>, step: Int) {
    store(three.0, target)
    store(three.1, target + step)
    store(three.2, target + 2 * step)
  }
}
