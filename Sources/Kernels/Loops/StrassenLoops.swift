import CPlatform

/// Products by Strassen's algorithm in Winograd's form: rows, inputs and columns are halved, and seven products
/// of halves do instead of eight. With A the rows (upper 1, lower 2) and B the weights:
///
///     S1 = A21 + A22   S2 = S1 - A11   S3 = A11 - A21   S4 = A12 - S2
///     T1 = B12 - B11   T2 = B22 - T1   T3 = B22 - B12   T4 = T2 - B21
///     P1 = A11·B11   P2 = A12·B21   P3 = S4·B22   P4 = A22·T4   P5 = S1·T1   P6 = S2·T2   P7 = S3·T3
///     C11 = P1 + P2   C12 = P1 + P6 + P5 + P3   C21 = P1 + P6 + P7 - P4   C22 = P1 + P6 + P7 + P5
extension Loops {
  /// values[point][pair][k]: A11, A12, S4, A22, S1, S2, S3 of some pairs of rows.
  package static func strassenInput(_ task: StrassenInputTask) {
    for pair in 0..<task.pairs {
      let upper = task.x + Int(task.upper[pair]) * task.stride
      let lower = task.lower[pair] < 0 ? nil : task.x + Int(task.lower[pair]) * task.stride
      var k = 0
      while k < task.depth {
        let count = min(lanes, task.depth - k)
        let (a11, a12) = (load(upper + k, count), load(upper + task.depth + k, count))
        let a21 = lower.map { load($0 + k, count) } ?? Vector()
        let a22 = lower.map { load($0 + task.depth + k, count) } ?? Vector()
        let s1 = a21 + a22
        let s2 = s1 - a11
        let target = task.values + pair * task.depth + k
        store(a11, target, count)
        store(a12, target + task.pointStride, count)
        store(a12 - s2, target + 2 * task.pointStride, count)
        store(a22, target + 3 * task.pointStride, count)
        store(s1, target + 4 * task.pointStride, count)
        store(s2, target + 5 * task.pointStride, count)
        store(a11 - a21, target + 6 * task.pointStride, count)
        k += lanes
      }
    }
  }

  /// Floats between two sums of weights, so that they do not meet in one set of the cache.
  @inline(__always) private static var weightGap: Int { 16 }

  /// Floats that T1 … T4 of a block take.
  package static func strassenWeightFloats(blockDepth: Int) -> Int {
    4 * (blockDepth * tileColumns + weightGap)
  }

  package static func strassenProduct(_ task: StrassenProductTask) {
    if task.weightSize == MemoryLayout<Float>.size {
      multiply(FloatPanel.self, task)
    } else {
      multiply(HalfPanel.self, task)
    }
    addProducts(task)
  }

  /// The seven products, a block of inputs at a time.
  @inline(__always)
  private static func multiply<W: StoredPanel>(_: W.Type, _ task: StrassenProductTask) {
    var k = 0
    while k < task.depth {
      let depth = min(task.blockDepth, task.depth - k)
      let block = k * tileColumns * task.weightSize
      let half = task.depth * tileColumns * task.weightSize
      let (b11, b12) = (task.left + block, task.right + block)
      let (b21, b22) = (b11 + half, b12 + half)
      let sumFloats = depth * tileColumns + weightGap
      addWeights(W(b11), W(b12), W(b21), W(b22), into: task.weights, vectors: 2 * depth, step: sumFloats)
      let sums = UnsafePointer(task.weights)
      // The next panels of all quarters are fetched meanwhile.
      let next = 2 * half
      multiply(task, 0, W(b11), k, depth, ahead: b11 + next)
      multiply(task, 1, W(b21), k, depth, ahead: b21 + next)
      multiply(task, 2, W(b22), k, depth, ahead: b22 + next)
      multiply(task, 3, FloatPanel(sums + 3 * sumFloats), k, depth, ahead: b12 + next)
      multiply(task, 4, FloatPanel(sums), k, depth, ahead: sums + sumFloats)
      multiply(task, 5, FloatPanel(sums + sumFloats), k, depth, ahead: sums + 2 * sumFloats)
      multiply(task, 6, FloatPanel(sums + 2 * sumFloats), k, depth, ahead: sums)
      k += depth
    }
  }

  /// T1 … T4 of a block of inputs.
  @inline(__always)
  private static func addWeights<W: StoredPanel>(
    _ b11: W, _ b12: W, _ b21: W, _ b22: W, into sums: UnsafeMutablePointer<Float>, vectors: Int, step: Int
  ) {
    for index in 0..<vectors {
      let corner = b22.vector(index)
      let t1 = b12.vector(index) - b11.vector(index)
      let t2 = corner - t1
      let target = sums + index * lanes
      store(t1, target)
      store(t2, target + step)
      store(corner - b12.vector(index), target + 2 * step)
      store(t2 - b21.vector(index), target + 3 * step)
    }
  }

  /// One of the seven products, for a block of inputs.
  @inline(__always)
  private static func multiply<B: PanelReader>(
    _ task: StrassenProductTask, _ point: Int, _ weights: B, _ k: Int, _ depth: Int, ahead: UnsafeRawPointer
  ) {
    let values = task.values + point * task.pointStride + k
    let products = task.products + point * task.pairs * tileColumns
    let tiles = max(1, (task.pairs + tileRows - 1) / tileRows)
    let aheadStep = (4 * tileColumns * task.weightSize + tiles - 1) / tiles
    forEachTile(of: task.pairs) { first, count in
      weights.add(
        TileTask(
          rows: count, depth: depth, a: values + first * task.depth, rowStep: task.depth,
          c: products + first * tileColumns, stride: tileColumns, continues: k > 0,
          ahead: ahead + first * depth * tileColumns * task.weightSize / task.pairs, aheadStep: aheadStep))
    }
  }

  @inline(__always)
  private static func addProducts(_ task: StrassenProductTask) {
    let step = task.pairs * tileColumns
    for pair in 0..<task.pairs {
      let (upper, lower) = (Int(task.upper[pair]), Int(task.lower[pair]))
      for column in stride(from: 0, to: tileColumns, by: lanes) {
        let products = task.products + pair * tileColumns + column
        let p1 = load(products)
        let u2 = p1 + load(products + 5 * step)
        let p5 = load(products + 4 * step)
        finish(p1 + load(products + step), upper, column, task.epilogue)
        finish(u2 + p5 + load(products + 2 * step), upper, task.columnsApart + column, task.epilogue)
        guard lower >= 0 else { continue }
        let u3 = u2 + load(products + 6 * step)
        finish(u3 - load(products + 3 * step), lower, column, task.epilogue)
        finish(u3 + p5, lower, task.columnsApart + column, task.epilogue)
      }
    }
  }

  @inline(__always)
  private static func finish(_ sum: Vector, _ row: Int, _ column: Int, _ task: EpilogueTask) {
    finish(
      sum, bias: task.bias + column, residual: task.residual.map { $0 + row * task.residualStride + column },
      y: task.y + row * task.yStride + column, lanes, task.activation)
  }
}
