import CPlatform

/// Convolutions of 3 × 3 by Winograd's F(4×4, 3×3) (Lavin and Gray, 2016): 16 outputs from 36 multiplications a
/// channel instead of 144. Tiles of 6 × 6 inputs and the filters are evaluated at 6 × 6 points, multiplied point
/// by point (a matrix product over the channels for each point), and the products interpolated back.
///
/// The points are 0, ±√½, ±√2, ∞ along each axis: with them the error is about twice that of the plain sum
/// (relative L2 6e-7 against 3e-7 at 64 channels), with the textbook's 0, ±1, ±2, ∞ over four times as large.
extension Loops {
  @inline(__always) static var rootHalf: Float { 0.707_106_781 }
  @inline(__always) static var rootTwo: Float { 1.414_213_56 }

  /// Floats of scratch that `winogradInput` and `winogradOutput` need.
  package static var winogradScratch: Int { 40 * lanes }

  // MARK: Inputs

  /// Evaluates some tiles of inputs at the 36 points: values[point][tile][channel].
  package static func winogradInput(_ task: WinogradInputTask) {
    var channel = 0
    while channel < task.channels {
      let count = min(lanes, task.channels - channel)
      for tile in 0..<task.tiles {
        evaluateLines(task, tile: task.firstTile + tile, channel, count, into: task.scratch)
        evaluateColumns(
          task.scratch, into: task.values + tile * task.rowStride + channel, pointStep: task.pointStride,
          count)
      }
      channel += lanes
    }
  }

  /// The six lines of a tile at the points of x, for a vector of channels. Pixels outside are zero.
  @inline(__always)
  private static func evaluateLines(
    _ task: WinogradInputTask, tile: Int, _ channel: Int, _ count: Int,
    into lines: UnsafeMutablePointer<Float>
  ) {
    let perPicture = task.tilesPerSide * task.tilesPerSide
    let place = tile % perPicture
    // A tile begins a pixel above and left of its outputs.
    let top = place / task.tilesPerSide * 4 - 1
    let left = place % task.tilesPerSide * 4 - 1
    let picture = task.x + tile / perPicture * task.pictureStride + channel
    for y in 0..<6 {
      let isInside = top + y >= 0 && top + y < task.side
      let line = picture + (isInside ? top + y : 0) * task.side * task.pixelStride
      @inline(__always) func pixel(_ x: Int) -> Vector {
        guard isInside && left + x >= 0 && left + x < task.side else { return Vector() }
        return load(line + (left + x) * task.pixelStride, count)
      }
      storeSix(
        atPoints(pixel(0), pixel(1), pixel(2), pixel(3), pixel(4), pixel(5)),
        lines + y * 6 * lanes, step: lanes)
    }
  }

  /// The columns of the lines, at the points of y.
  @inline(__always)
  private static func evaluateColumns(
    _ lines: UnsafePointer<Float>, into values: UnsafeMutablePointer<Float>, pointStep: Int, _ count: Int
  ) {
    for x in 0..<6 {
      let column = lines + x * lanes
      @inline(__always) func line(_ y: Int) -> Vector { load(column + y * 6 * lanes) }
      storeSix(
        atPoints(line(0), line(1), line(2), line(3), line(4), line(5)), values + x * pointStep,
        step: 6 * pointStep, count)
    }
  }

  typealias Six = (Vector, Vector, Vector, Vector, Vector, Vector)

  /// Six neighbours at the six points: coefficients of the product of all (x - p) but that of the point itself.
  /// Points of either sign share their even and odd parts.
  @inline(__always)
  private static func atPoints(
    _ d0: Vector, _ d1: Vector, _ d2: Vector, _ d3: Vector, _ d4: Vector, _ d5: Vector
  ) -> Six {
    let (half, two) = (Vector(repeating: -0.5), Vector(repeating: -2))
    let sum = Vector(repeating: -2.5)
    let (even1, odd1) = (multiplyAdd(d2, two, d4), multiplyAdd(d1, two, d3) * rootHalf)
    let (even2, odd2) = (multiplyAdd(d2, half, d4), multiplyAdd(d1, half, d3) * rootTwo)
    return (
      multiplyAdd(d2, sum, d0 + d4), even1 + odd1, even1 - odd1, even2 + odd2, even2 - odd2,
      multiplyAdd(d3, sum, d1 + d5)
    )
  }

  @inline(__always)
  static func storeSix(
    _ six: Six, _ target: UnsafeMutablePointer<Float>, step: Int, _ count: Int = lanes
  ) {
    store(six.0, target, count)
    store(six.1, target + step, count)
    store(six.2, target + 2 * step, count)
    store(six.3, target + 3 * step, count)
    store(six.4, target + 4 * step, count)
    store(six.5, target + 5 * step, count)
  }

  // MARK: Filters and products

  /// Evaluates a panel of filters and multiplies some tiles of inputs with them, a block of channels at a time:
  /// products[point][tile][column of panel].
  package static func winogradProduct(_ task: WinogradProductTask) {
    let tiles = max(1, (task.tiles + tileRows - 1) / tileRows)
    let aheadStep = (4 * tileColumns * MemoryLayout<Float>.stride + tiles - 1) / tiles
    var channel = 0
    while channel < task.channels {
      let depth = min(task.depth, task.channels - channel)
      let pointFloats = depth * tileColumns + filterGap
      if task.weights == WEIGHTS_FLOAT32 {
        evaluateFilters(FloatPanel.self, task, channel: channel, depth: depth, pointFloats: pointFloats)
      } else {
        evaluateFilters(HalfPanel.self, task, channel: channel, depth: depth, pointFloats: pointFloats)
      }
      for point in 0..<36 {
        let filters = task.filters + point * pointFloats
        forEachTile(of: task.tiles) { first, count in
          FloatPanel(filters).add(
            TileTask(
              rows: count, depth: depth,
              a: task.values + point * task.pointStride + first * task.channels + channel,
              rowStep: task.channels, step: 1,
              c: task.products + point * task.productStride + first * tileColumns,
              stride: tileColumns, continues: channel > 0,
              ahead: filters + pointFloats + first * depth * tileColumns / task.tiles, aheadStep: aheadStep))
        }
      }
      channel += depth
    }
  }

  /// Floats between two points' filters, so that points do not meet in one set of the cache.
  @inline(__always) private static var filterGap: Int { 16 }

  /// Floats that the filters of a block of channels take.
  package static func winogradFilterFloats(depth: Int) -> Int { 36 * (depth * tileColumns + filterGap) }

  /// filters[point][channel][column] from weights [y][x][channel][column].
  @inline(__always)
  private static func evaluateFilters<W: StoredPanel>(
    _: W.Type, _ task: WinogradProductTask, channel: Int, depth: Int, pointFloats: Int
  ) where W.Numbers == FloatArithmetic {
    let tapFloats = task.channels * tileColumns
    let size = weightSize(task.weights)
    var place = 0
    while place < depth * tileColumns {
      @inline(__always) func tap(_ index: Int) -> Vector {
        W(task.panel + (index * tapFloats + channel * tileColumns + place) * size).vector(0)
      }
      // The columns of the filter at the points of y.
      @inline(__always) func column(_ x: Int) -> Six {
        filterPoints(tap(x), tap(3 + x), tap(6 + x))
      }
      let (left, middle, right) = (column(0), column(1), column(2))
      let target = task.filters + place
      @inline(__always) func line(_ y: Int, _ a: Vector, _ b: Vector, _ c: Vector) {
        storeSix(filterPoints(a, b, c), target + 6 * y * pointFloats, step: pointFloats)
      }
      line(0, left.0, middle.0, right.0)
      line(1, left.1, middle.1, right.1)
      line(2, left.2, middle.2, right.2)
      line(3, left.3, middle.3, right.3)
      line(4, left.4, middle.4, right.4)
      line(5, left.5, middle.5, right.5)
      place += lanes
    }
  }

  /// Three taps at the six points: Σ tapⱼ·pʲ over the product of the point's distances from the others.
  @inline(__always)
  private static func filterPoints(_ g0: Vector, _ g1: Vector, _ g2: Vector) -> Six {
    let (third, sixth) = (Vector(repeating: -2 / 3), Vector(repeating: 1 / 6))
    let even1 = multiplyAdd(g2, Vector(repeating: 0.5), g0) * third
    let odd1 = g1 * (third * rootHalf)
    let even2 = multiplyAdd(g2, Vector(repeating: 2), g0) * sixth
    let odd2 = g1 * (sixth * rootTwo)
    return (g0, even1 + odd1, even1 - odd1, even2 + odd2, even2 - odd2, g2)
  }

  // MARK: Outputs

  /// Interpolates the 4 × 4 outputs of some tiles from their products, for one panel's columns, and applies the
  /// epilogue, whose y and residual begin at the first picture's first pixel.
  package static func winogradOutput(_ task: WinogradOutputTask) {
    let perPicture = task.tilesPerSide * task.tilesPerSide
    for tile in task.firstTile..<task.firstTile + task.count {
      let (picture, place) = (tile / perPicture, tile % perPicture)
      let (top, left) = (place / task.tilesPerSide * 4, place % task.tilesPerSide * 4)
      let firstPixel = picture * task.side * task.side + top * task.side + left
      let (height, width) = (min(4, task.side - top), min(4, task.side - left))
      var column = 0
      while column < task.columns {
        let products = task.products + (tile - task.firstTile) * tileColumns + column
        interpolate(products, pointStep: task.productStride, task.scratch)
        for y in 0..<height {
          for x in 0..<width {
            finishPixel(
              load(task.scratch + (4 * y + x) * lanes), firstPixel + y * task.side + x, column,
              min(lanes, task.columns - column), task.epilogue)
          }
        }
        column += lanes
      }
    }
  }

  /// outputs[y][x] from products[point of y][point of x].
  @inline(__always)
  private static func interpolate(
    _ products: UnsafePointer<Float>, pointStep: Int, _ outputs: UnsafeMutablePointer<Float>
  ) {
    let lines = outputs + 16 * lanes  // [point of y][x]
    for y in 0..<6 {
      let line = products + y * 6 * pointStep
      @inline(__always) func point(_ x: Int) -> Vector { load(line + x * pointStep) }
      storeFour(
        fromPoints(point(0), point(1), point(2), point(3), point(4), point(5)), lines + y * 4 * lanes,
        step: lanes)
    }
    for x in 0..<4 {
      let column = lines + x * lanes
      @inline(__always) func point(_ y: Int) -> Vector { load(column + y * 4 * lanes) }
      storeFour(
        fromPoints(point(0), point(1), point(2), point(3), point(4), point(5)), outputs + x * lanes,
        step: 4 * lanes)
    }
  }

  private typealias Four = (Vector, Vector, Vector, Vector)

  /// Σ pʲ · value at p for j = 0 … 3; the point ∞ counts for j = 3 only.
  @inline(__always)
  private static func fromPoints(
    _ m0: Vector, _ m1: Vector, _ m2: Vector, _ m3: Vector, _ m4: Vector, _ m5: Vector
  ) -> Four {
    let (sum1, difference1) = (m1 + m2, (m1 - m2) * rootHalf)
    let (sum2, difference2) = (m3 + m4, (m3 - m4) * rootTwo)
    let (half, two) = (Vector(repeating: 0.5), Vector(repeating: 2))
    return (
      m0 + sum1 + sum2, difference1 + difference2, multiplyAdd(sum1, half, sum2 * two),
      multiplyAdd(difference1, half, multiplyAdd(difference2, two, m5))
    )
  }

  @inline(__always)
  private static func storeFour(_ four: Four, _ target: UnsafeMutablePointer<Float>, step: Int) {
    store(four.0, target)
    store(four.1, target + step)
    store(four.2, target + 2 * step)
    store(four.3, target + 3 * step)
  }

  @inline(__always)
  private static func finishPixel(
    _ sum: Vector, _ pixel: Int, _ column: Int, _ count: Int, _ task: EpilogueTask
  ) {
    finish(
      sum, bias: task.bias + column,
      residual: task.residual.map { $0 + pixel * task.residualStride + column },
      y: task.y + pixel * task.yStride + column, count, task.activation)
  }
}
