import CPlatform

/// Products by Strassen's algorithm in Winograd's form: rows, inputs and columns are halved, and seven products
/// of halves do instead of eight. With A the rows (upper 1, lower 2) and B the weights:
///
///     S1 = A21 + A22   S2 = S1 - A11   S3 = A11 - A21   S4 = A12 - S2
///     T1 = B12 - B11   T2 = B22 - T1   T3 = B22 - B12   T4 = T2 - B21
///     P1 = A11·B11   P2 = A12·B21   P3 = S4·B22   P4 = A22·T4   P5 = S1·T1   P6 = S2·T2   P7 = S3·T3
///     C11 = P1 + P2   C12 = P1 + P6 + P5 + P3   C21 = P1 + P6 + P7 - P4   C22 = P1 + P6 + P7 + P5
extension Loops {
  /// Floats of scratch that `strassenInput` needs.
  package static var strassenScratch: Int { 7 * tileRows * lanes }

  /// values[point][k][pair]: A11, A12, S4, A22, S1, S2, S3 of some pairs of rows, each packed as `packRows` packs.
  package static func strassenInput(_ task: StrassenInputTask) {
    let pointStep = task.pairs * lanes
    var k = 0
    while k < task.depth {
      let count = min(lanes, task.depth - k)
      for pair in 0..<task.pairs {
        let upper = task.x + Int(task.upper[pair]) * task.stride + k
        let (a11, a12) = (load(upper, count), load(upper + task.depth, count))
        var (a21, a22) = (Vector(), Vector())
        if task.lower[pair] >= 0 {
          let lower = task.x + Int(task.lower[pair]) * task.stride + k
          (a21, a22) = (load(lower, count), load(lower + task.depth, count))
        }
        let s1 = a21 + a22
        let s2 = s1 - a11
        let target = task.scratch + pair * lanes
        store(a11, target)
        store(a12, target + pointStep)
        store(a12 - s2, target + 2 * pointStep)
        store(a22, target + 3 * pointStep)
        store(s1, target + 4 * pointStep)
        store(s2, target + 5 * pointStep)
        store(a11 - a21, target + 6 * pointStep)
      }
      for point in 0..<7 {
        transpose(
          task.scratch + point * pointStep, rows: task.pairs, columns: count,
          into: task.values + point * task.pointStride + k * task.pairs)
      }
      k += lanes
    }
  }

  /// Floats between two sums of weights, so that they do not meet in one set of the cache.
  @inline(__always) private static var weightGap: Int { 16 }

  /// Floats that T1 … T4 of a block take.
  package static func strassenWeightFloats(blockDepth: Int) -> Int {
    4 * (blockDepth * tileColumns + weightGap)
  }

  package static func strassenProduct(_ task: StrassenProductTask) {
    var k = 0
    while k < task.depth {
      let depth = min(task.blockDepth, task.depth - k)
      let left = task.left + k * tileColumns
      let right = task.right + k * tileColumns
      let sumFloats = depth * tileColumns + weightGap
      addWeights(task, left, right, depth: depth, step: sumFloats)
      let sums = UnsafePointer(task.weights)
      let half = task.depth * tileColumns
      multiply(task, 0, left, k, depth)
      multiply(task, 1, left + half, k, depth)
      multiply(task, 2, right + half, k, depth)
      multiply(task, 3, sums + 3 * sumFloats, k, depth)
      multiply(task, 4, sums, k, depth)
      multiply(task, 5, sums + sumFloats, k, depth)
      multiply(task, 6, sums + 2 * sumFloats, k, depth)
      k += depth
    }
    addProducts(task)
  }

  /// T1 … T4 of a block of inputs.
  @inline(__always)
  private static func addWeights(
    _ task: StrassenProductTask, _ left: UnsafePointer<Float>, _ right: UnsafePointer<Float>, depth: Int,
    step: Int
  ) {
    let half = task.depth * tileColumns
    var place = 0
    while place < depth * tileColumns {
      let (b11, b12) = (load(left + place), load(right + place))
      let (b21, b22) = (load(left + half + place), load(right + half + place))
      let t1 = b12 - b11
      let t2 = b22 - t1
      let target = task.weights + place
      store(t1, target)
      store(t2, target + step)
      store(b22 - b12, target + 2 * step)
      store(t2 - b21, target + 3 * step)
      place += lanes
    }
  }

  /// One of the seven products, for a block of inputs.
  @inline(__always)
  private static func multiply(
    _ task: StrassenProductTask, _ point: Int, _ weights: UnsafePointer<Float>, _ k: Int, _ depth: Int
  ) {
    let values = task.values + point * task.pointStride
    let products = task.products + point * task.pairs * tileColumns
    let tiles = max(1, (task.pairs + tileRows - 1) / tileRows)
    let aheadStep = (4 * tileColumns * MemoryLayout<Float>.stride + tiles - 1) / tiles
    // The next panel of the quarter that this product's number stands for.
    let quarter = (point & 1 == 0 ? task.left : task.right) + (point & 2 == 0 ? 0 : task.depth * tileColumns)
    let ahead = quarter + (2 * task.depth + k) * tileColumns
    forEachTile(of: task.pairs) { first, count in
      tile(
        rows: count, depth: depth, a: values + first * task.depth + k * count, step: count, b: weights,
        c: products + first * tileColumns, stride: tileColumns, continues: k > 0,
        ahead: ahead + first * depth * tileColumns / task.pairs, aheadStep: aheadStep)
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
