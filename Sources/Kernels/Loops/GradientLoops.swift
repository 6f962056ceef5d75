import CPlatform

// The backward halves of the loops: what training needs beside what inference has.

extension Loops {
  /// c += aᵀ·b for one share, block by block of rows, so that a block of a panel stays in the nearest caches. Each
  /// element is one chain of multiply-adds over the rows in ascending order.
  package static func gradientProduct(_ task: GradientProductTask) {
    let tiles = (task.outputs + tileRows - 1) / tileRows
    let panels = (task.columns + tileColumns - 1) / tileColumns
    var first = 0
    var (a, b) = (task.a, task.b)
    while first < task.rows {
      let depth = min(task.depth, task.rows - first)
      for panel in 0..<panels {
        let weights = b + (task.firstPanel + panel) * depth * tileColumns
        let columns = min(tileColumns, task.columns - panel * tileColumns)
        for tile in 0..<tiles {
          let rows = min(tileRows, task.outputs - tile * tileRows)
          let c = task.c + tile * tileRows * task.cStride + panel * tileColumns
          let isWhole = columns == tileColumns
          if !isWhole { copy(c, task.cStride, to: task.scratch, tileColumns, rows, columns) }
          FloatPanel(weights).add(
            TileTask(
              rows: rows, depth: depth, a: a + (task.firstTile + tile) * tileRows * depth, rowStep: 1,
              step: tileRows,
              c: isWhole ? c : task.scratch, stride: isWhole ? task.cStride : tileColumns, continues: true,
              ahead: weights, aheadStep: 0))
          if !isWhole { copy(task.scratch, tileColumns, to: c, task.cStride, rows, columns) }
        }
      }
      first += depth
      a += task.aBlockStride
      b += task.bBlockStride
    }
  }

  @inline(__always)
  private static func copy(
    _ source: UnsafePointer<Float>, _ sourceStride: Int, to target: UnsafeMutablePointer<Float>,
    _ targetStride: Int, _ rows: Int, _ columns: Int
  ) {
    for row in 0..<rows {
      for column in 0..<columns { target[row * targetStride + column] = source[row * sourceStride + column] }
    }
  }

  /// target[row][column] = source, zero beyond `columns`, `width` columns in all.
  package static func packPanel(
    _ source: UnsafePointer<Float>, stride: Int, rows: Int, columns: Int, width: Int,
    into target: UnsafeMutablePointer<Float>
  ) {
    if columns == tileColumns, width == tileColumns {
      for row in 0..<rows {
        store(load(source + row * stride), target + row * tileColumns)
        store(load(source + row * stride + lanes), target + row * tileColumns + lanes)
      }
      return
    }
    for row in 0..<rows {
      for column in 0..<width {
        target[row * width + column] = column < columns ? source[row * stride + column] : 0
      }
    }
  }

  /// dx += the gradient of a LayerNorm's input:
  ///
  ///     x̂ = (x - mean) / √(variance + ε),  g = dy · gain
  ///     dx = (g - mean(g) - x̂ · mean(g · x̂)) / √(variance + ε)
  package static func layerNormGradient(_ task: LayerNormGradientTask) {
    let count = Float(task.columns)
    for column in 0..<task.columns {
      task.dGain[column] = 0
      task.dBias[column] = 0
    }
    for row in 0..<task.rows {
      let x = task.x + row * task.xStride
      let dy = task.dy + row * task.dyStride
      let dx = task.dx + row * task.dxStride
      let mean = total(task.columns) { i, n in load(x + i, n) } / count
      let means = Vector(repeating: mean)
      let variance =
        total(task.columns) { i, n in
          // Lanes beyond the last column add nothing.
          let difference = load(x + i, n) - (n == lanes ? means : firstLanes(means, n))
          return difference * difference
        } / count
      let rate = 1 / (variance + task.epsilon).squareRoot()
      let rates = Vector(repeating: rate)
      let meanG = total(task.columns) { i, n in load(dy + i, n) * load(task.gain + i, n) } / count
      let meanGX =
        total(task.columns) { i, n in
          load(dy + i, n) * load(task.gain + i, n) * ((load(x + i, n) - means) * rates)
        } / count
      forEachVector(task.columns) { i, n in
        let normed = (load(x + i, n) - means) * rates
        let d = load(dy + i, n)
        let g = d * load(task.gain + i, n)
        let inner = g - Vector(repeating: meanG) - normed * meanGX
        store(multiplyAdd(inner, rates, load(dx + i, n)), dx + i, n)
        store(multiplyAdd(d, normed, load(task.dGain + i, n)), task.dGain + i, n)
        store(load(task.dBias + i, n) + d, task.dBias + i, n)
      }
    }
  }

  @inline(__always)
  private static func firstLanes(_ vector: Vector, _ count: Int) -> Vector {
    var result = Vector()
    for lane in 0..<count { result[lane] = vector[lane] }
    return result
  }

  @inline(__always)
  static func forEachVector(_ count: Int, _ body: (_ index: Int, _ lanes: Int) -> Void) {
    var i = 0
    while i + lanes <= count {
      body(i, lanes)
      i += lanes
    }
    if i < count { body(i, count - i) }
  }

  /// The sum over all lanes of what `body` gives for each vector of a row.
  @inline(__always)
  private static func total(_ count: Int, _ body: (_ index: Int, _ lanes: Int) -> Vector) -> Float {
    var sums = Vector()
    forEachVector(count) { i, n in sums += body(i, n) }
    var total: Float = 0
    for lane in 0..<lanes { total += sums[lane] }
    return total
  }

  /// Of an activation's input `x` and the gradient of its output: the output again into `y`, and the gradient of
  /// the input in the place of that of the output.
  package static func activationGradient(
    _ x: UnsafePointer<Float>, _ y: UnsafeMutablePointer<Float>, _ dy: UnsafeMutablePointer<Float>,
    _ count: Int,
    isQuick: Bool
  ) {
    let one = Vector(repeating: 1)
    forEachVector(count) { i, n in
      let value = load(x + i, n)
      if isQuick {
        let sigmoid = one / (exponential(value * -1.702) + one)
        let slope = sigmoid * multiplyAdd(value * 1.702, one - sigmoid, one)
        store(value * sigmoid, y + i, n)
        store(load(dy + i, n) * slope, dy + i, n)
      } else {
        // Φ(x) + x·φ(x)
        let output = gelu(value)
        let small = abs(value) .< 1e-30
        let phi = (output / value.replacing(with: one, where: small)).replacing(with: 0.5, where: small)
        let density = exponential(value * value * -0.5) * 0.398_942_28
        store(output, y + i, n)
        store(load(dy + i, n) * multiplyAdd(value, density, phi), dy + i, n)
      }
    }
  }

  @inline(__always)
  private static func abs(_ x: Vector) -> Vector { x.replacing(with: -x, where: x .< 0) }

  /// y = activation(x).
  package static func activate(
    _ x: UnsafePointer<Float>, _ y: UnsafeMutablePointer<Float>, _ count: Int, isQuick: Bool
  ) {
    forEachVector(count) { i, n in
      let value = load(x + i, n)
      store(isQuick ? quickGELU(value) : gelu(value), y + i, n)
    }
  }

  /// target += source.
  package static func add(
    _ source: UnsafePointer<Float>, to target: UnsafeMutablePointer<Float>, _ count: Int
  ) {
    forEachVector(count) { i, n in store(load(target + i, n) + load(source + i, n), target + i, n) }
  }

  /// One step of AdamW (Loshchilov & Hutter, 2019), in the order in which PyTorch takes it.
  package static func adamW(_ task: AdamWTask) {
    let (keep1, keep2) = (Vector(repeating: 1 - task.beta1), Vector(repeating: 1 - task.beta2))
    forEachVector(task.count) { i, n in
      let g = load(task.gradients + i, n) * task.gradientScale
      let m = multiplyAdd(g, keep1, load(task.momentum + i, n) * task.beta1)
      let v = multiplyAdd(g * g, keep2, load(task.variance + i, n) * task.beta2)
      store(m, task.momentum + i, n)
      store(v, task.variance + i, n)
      let divisor = v.squareRoot() * task.varianceScale + Vector(repeating: task.epsilon)
      let value = load(task.values + i, n) * task.decay
      store(value - (m / divisor) * task.stepSize, task.values + i, n)
    }
  }
}
