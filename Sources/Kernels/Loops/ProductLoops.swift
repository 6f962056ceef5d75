import CPlatform

/// The entries of a kernel module. `Kernels/LoopTable.swift` names them for the rest of the room.
package enum Loops {
  /// Columns of a panel of packed weights.
  package static var panelColumns: Int { tileColumns }

  /// Rows that one tile can hold.
  package static var rowsPerTile: Int { tileRows }

  /// Computes one share of x·W and its epilogue.
  package static func product(_ task: ProductTask) {
    let tiles = max(1, (task.rows + tileRows - 1) / tileRows)
    // A K block has as many lines per k as a panel has per row; the tiles share them.
    let size = weightSize(task.weights)
    let aheadStep = (4 * tileColumns * size + tiles - 1) / tiles
    var k = 0
    repeat {
      let depth = min(task.depth, task.inputs - k)
      let isLast = k + depth >= task.inputs
      for panel in 0..<task.panelCount {
        let weights = block(panel, k, task)
        if task.weights == WEIGHTS_BFLOAT16 {
          widenUpperHalves(weights, into: task.widened, count: depth * tileColumns)
        }
        let ahead = next(after: panel, k: k, depth: depth, isLast: isLast, task)
        // With a single K block no sum has to wait for the next one: a tile's room is enough.
        let sums = task.partial + (k == 0 && isLast ? 0 : panel * task.rows * tileColumns)
        forEachTile(of: task.rows) { first, count in
          let c = sums + first * tileColumns
          let tile = TileTask(
            rows: count, depth: depth, a: task.a + first * task.aStride + k, rowStep: task.aStride, step: 1,
            c: c,
            stride: tileColumns, continues: k > 0,
            ahead: ahead + first * depth * tileColumns * size / task.rows, aheadStep: aheadStep)
          if isLast { prefetchOutputs(row: first, rows: count, panel: panel, task) }
          sum(tile, weights, isFirst: first == 0, task)
          if isLast { finish(c, row: first, rows: count, panel: panel, task) }
        }
      }
      k += depth
    } while k < task.inputs
  }

  /// Asks for the lines of y that a tile will write, most often the residual too, while it sums: they come from
  /// farther caches than all that the tile reads.
  @inline(__always)
  private static func prefetchOutputs(row: Int, rows: Int, panel: Int, _ task: ProductTask) {
    var y = task.epilogue.y + row * task.epilogue.yStride + panel * tileColumns
    for _ in 0..<rows {
      platform_prefetch(y)
      if tileColumns > 16 { platform_prefetch(y + 16) }
      y += task.epilogue.yStride
    }
  }

  /// Bytes of the weights of one k and column.
  @inline(__always)
  static func weightSize(_ weights: Int) -> Int { weights == WEIGHTS_FLOAT32 ? 4 : 2 }

  /// Sums a tile with the reader of its weights.
  @inline(__always)
  private static func sum(_ tile: TileTask, _ weights: UnsafeRawPointer, isFirst: Bool, _ task: ProductTask) {
    switch task.weights {
    case WEIGHTS_FLOAT32: FloatPanel(weights).add(tile)
    case WEIGHTS_BFLOAT16: FloatPanel(task.widened).add(tile)
    case WEIGHTS_INT8:
      guard let integerTile = task.integerTile else { return IntegerPanel(weights).add(tile) }
      withUnsafePointer(to: tile) { integerTile($0, weights) }
    case _ where !widensOnce || tile.rows == task.rows: HalfPanel(weights).add(tile)
    case _ where isFirst: WideningPanel(weights, into: task.widened).add(tile)
    default: FloatPanel(task.widened).add(tile)
    }
  }

  /// Where the weights of a panel's K block lie.
  @inline(__always)
  private static func block(_ panel: Int, _ k: Int, _ task: ProductTask) -> UnsafeRawPointer {
    task.panels + (panel * task.inputs + k) * tileColumns * weightSize(task.weights)
  }

  /// Where the weights lie that are read after this panel's K block.
  @inline(__always)
  private static func next(
    after panel: Int, k: Int, depth: Int, isLast: Bool, _ task: ProductTask
  ) -> UnsafeRawPointer {
    if panel + 1 < task.panelCount { return block(panel + 1, k, task) }
    return isLast ? task.ahead : block(0, k + depth, task)
  }

  /// Shares rows evenly over as few tiles as hold them: 50 rows are 5 tiles of 6 and 4 of 5.
  @inline(__always)
  static func forEachTile(of rows: Int, _ body: (_ first: Int, _ count: Int) -> Void) {
    guard rows > 0 else { return }
    let tiles = (rows + tileRows - 1) / tileRows
    let smaller = rows / tiles
    let larger = rows % tiles
    var first = 0
    for tile in 0..<tiles {
      let count = tile < larger ? smaller + 1 : smaller
      body(first, count)
      first += count
    }
  }

  /// Brings a finished tile to y.
  @inline(__always)
  private static func finish(
    _ c: UnsafeMutablePointer<Float>, row: Int, rows: Int, panel: Int, _ task: ProductTask
  ) {
    let column = panel * tileColumns
    let columns = min(tileColumns, task.columns - column)
    if let rowScales = task.rowScales, let columnScales = task.columnScales {
      scale(c, rows: rows, rowScales + row, columnScales + column)
    }
    var epilogue = task.epilogue
    epilogue.bias += column
    epilogue.y += row * epilogue.yStride + column
    if let residual = epilogue.residual {
      epilogue.residual = residual + row * epilogue.residualStride + column
    }
    Loops.epilogue(c, stride: tileColumns, rows: rows, columns: columns, epilogue)
  }

  /// y = activation(sums + bias) + residual for some rows.
  package static func epilogue(
    _ sums: UnsafePointer<Float>, stride: Int, rows: Int, columns: Int, _ task: EpilogueTask
  ) {
    for row in 0..<rows {
      let residual = task.residual.map { $0 + row * task.residualStride }
      finishRow(
        sums + row * stride, residual, task.bias, task.y + row * task.yStride, columns, task.activation)
    }
  }

  @inline(__always)
  private static func finishRow(
    _ sums: UnsafePointer<Float>, _ residual: UnsafePointer<Float>?, _ bias: UnsafePointer<Float>,
    _ y: UnsafeMutablePointer<Float>, _ columns: Int, _ activation: Int
  ) {
    var column = 0
    while column + lanes <= columns {
      let old = residual.map { load($0 + column) }
      store(finished(load(sums + column) + load(bias + column), old, activation), y + column)
      column += lanes
    }
    while column < columns {
      // Same arithmetic in the first lane: a value must not depend on where its column lies.
      let sum = Vector(repeating: sums[column] + bias[column])
      let old = residual.map { Vector(repeating: $0[column]) }
      y[column] = finished(sum, old, activation)[0]
      column += 1
    }
  }

  /// A vector of sums, of which the first `count` are finished and stored.
  @inline(__always)
  static func finish(
    _ sum: Vector, bias: UnsafePointer<Float>, residual: UnsafePointer<Float>?,
    y: UnsafeMutablePointer<Float>, _ count: Int, _ activation: Int
  ) {
    let old = residual.map { load($0, count) }
    store(finished(sum + load(bias, count), old, activation), y, count)
  }

  @inline(__always)
  private static func finished(_ sum: Vector, _ residual: Vector?, _ activation: Int) -> Vector {
    var value = sum
    switch activation {
    case 1: value = quickGELU(value)
    case 2: value = gelu(value)
    default: break
    }
    if let residual { value = value + residual }
    if activation == 3 { value = value.replacing(with: 0, where: value .< 0) }
    return value
  }
}
