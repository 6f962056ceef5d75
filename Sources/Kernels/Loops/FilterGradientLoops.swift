import CPlatform

// The gradient of a convolution's filters: aᵀ·b of tall, narrow matrices, plain or at Winograd's points.

extension Loops {
  /// Rows of a block of `tallProduct`: with a panel of them a quarter of the first-level cache.
  package static var tallDepth: Int { 128 }

  /// c += aᵀ·b. Each element is one chain of multiply-adds over the rows in ascending order.
  package static func tallProduct(_ task: TallProductTask) {
    var first = 0
    while first < task.rows {
      let depth = min(tallDepth, task.rows - first)
      let a = task.a + first * task.aStride
      var column = 0
      while column < task.columns {
        copyPanel(
          task.b + first * task.bStride + column, task.bStride, rows: depth,
          min(tileColumns, task.columns - column), into: task.panel)
        tiles(
          a, task.aStride, depth: depth, task.panel, task.c + column, task.cStride, outputs: task.outputs,
          continues: true)
        column += tileColumns
      }
      first += depth
    }
  }

  /// All tiles of one panel.
  @inline(__always)
  private static func tiles(
    _ a: UnsafePointer<Float>, _ aStride: Int, depth: Int, _ panel: UnsafePointer<Float>,
    _ c: UnsafeMutablePointer<Float>, _ cStride: Int, outputs: Int, continues: Bool
  ) {
    forEachTile(of: outputs) { output, count in
      FloatPanel(panel).add(
        TileTask(
          rows: count, depth: depth, a: a + output, rowStep: 1, step: aStride, c: c + output * cStride,
          stride: cStride, continues: continues, ahead: panel, aheadStep: 0))
    }
  }

  /// Some columns of some rows, zero beyond the last column.
  @inline(__always)
  private static func copyPanel(
    _ source: UnsafePointer<Float>, _ stride: Int, rows: Int, _ columns: Int,
    into target: UnsafeMutablePointer<Float>
  ) {
    for row in 0..<rows {
      let (from, to) = (source + row * stride, target + row * tileColumns)
      store(load(from, min(lanes, columns)), to)
      store(columns > lanes ? load(from + lanes, columns - lanes) : Vector(), to + lanes)
    }
  }

  package static func winogradGradientProduct(_ task: WinogradGradientTask) {
    var first = 0
    while first < task.tiles {
      // A block of a panel takes half of the first-level cache.
      let depth = min(256, task.tiles - first)
      for panel in 0..<task.panels {
        tiles(
          task.a + first * task.aStride, task.aStride, depth: depth,
          task.b + panel * task.panelStride + first * tileColumns, task.c + panel * tileColumns, task.cStride,
          outputs: task.outputs, continues: task.continues != 0 || first > 0)
      }
      first += depth
    }
  }
}
