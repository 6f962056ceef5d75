import CPlatform
import Counters

// Gradients of y = x·Wᵀ + b, W being (outputs, inputs) as PyTorch keeps it. That of x is another `linear`, with W
// packed the other way round; those of W and b are here.

extension Compute {
  /// Rows of a block: a panel of it (rows × panel columns) stays in the first-level cache, the tiles of a share
  /// in the second.
  private static let gradientDepth = 384

  /// dW += dYᵀ·X. Every element is one chain of multiply-adds over the rows in ascending order.
  /// - Parameters:
  ///   - dY: (rows, outputs).
  ///   - x: (rows, inputs).
  ///   - dW: (outputs, inputs), or (inputs, outputs) if `transposed`.
  public func weightGradient(
    _ dY: MatrixView, _ x: MatrixView, into dW: UnsafeMutablePointer<Float>, transposed: Bool = false
  ) throws(KernelError) {
    assert(dY.rows == x.rows)
    if transposed { return try weightGradient(x, dY, into: dW) }
    guard dY.rows > 0, dY.columns > 0, x.columns > 0 else { return }
    try Attachments.check()
    Counters.count(multiplyAdds: dY.rows * dY.columns * x.columns)
    let (tile, panel) = (loops.tileRows, loops.panelColumns)
    let tiles = (dY.columns + tile - 1) / tile
    let panels = (x.columns + panel - 1) / panel
    let plan = GradientPlan(
      rows: dY.rows, depth: Self.gradientDepth, tiles: tiles, panels: panels, tileRows: tile,
      panelColumns: panel, threads: threads)
    let (floats, overflow) = dY.rows.multipliedReportingOverflow(by: tiles * tile + panels * panel)
    guard !overflow else { throw .outOfMemory(bytes: .max) }
    try scratch.withFloats(floats + 16 + threads * tile * panel) { memory in
      nonisolated(unsafe) let a = memory
      nonisolated(unsafe) let b = memory + (dY.rows * tiles * tile + 15) / 16 * 16
      packBlocks(dY, width: tile, depth: plan.depth, into: a)
      packBlocks(x, width: panel, depth: plan.depth, into: b)
      let room = b + dY.rows * panels * panel
      nonisolated(unsafe) let (target, rooms) = (dW, room)
      let (loops, columns) = (loops.gradients, x.columns)
      let outputs = dY.columns
      let rows = dY.rows
      pool.run(plan.tasks) { index, slot in
        let (tileRange, panelRange) = plan.share(index)
        let (output, column) = (tileRange.lowerBound * tile, panelRange.lowerBound * panel)
        loops.product(
          GradientProductTask(
            a: a, b: b, aBlockStride: plan.depth * tiles * tile, bBlockStride: plan.depth * panels * panel,
            rows: rows, depth: plan.depth, firstTile: tileRange.lowerBound, firstPanel: panelRange.lowerBound,
            outputs: min(outputs, tileRange.upperBound * tile) - output,
            columns: min(columns, panelRange.upperBound * panel) - column,
            c: target + output * columns + column, cStride: columns, scratch: rooms + slot * tile * panel))
      }
    }
  }

  /// [block][strip][row][column of strip], strips being `width` columns, zero beyond the last one.
  private func packBlocks(_ x: MatrixView, width: Int, depth: Int, into target: UnsafeMutablePointer<Float>) {
    let strips = (x.columns + width - 1) / width
    let blocks = (x.rows + depth - 1) / depth
    // Enough work for a thread to be worth waking; neighbouring strips read the same lines.
    let group = 8
    let groups = (strips + group - 1) / group
    nonisolated(unsafe) let target = target
    let pack = loops.gradients.packPanel
    pool.run(blocks * groups) { index, _ in
      let first = index / groups * depth
      let rows = min(depth, x.rows - first)
      for strip in index % groups * group..<min(strips, (index % groups + 1) * group) {
        let column = strip * width
        pack(
          x.pointer + first * x.stride + column, x.stride, rows, min(width, x.columns - column), width,
          target + first * strips * width + strip * rows * width)
      }
    }
  }

  /// sums += the sums of the columns of x, rows in ascending order.
  public func addColumnSums(_ x: MatrixView, to sums: UnsafeMutablePointer<Float>) {
    let width = 128
    nonisolated(unsafe) let sums = sums
    let add = loops.gradients.add
    pool.run((x.columns + width - 1) / width) { index, _ in
      let first = index * width
      let count = min(width, x.columns - first)
      for row in 0..<x.rows { add(x.pointer + row * x.stride + first, sums + first, count) }
    }
  }
}

/// How the gradient of weights is cut into shares of outputs and columns. Cutting changes no sum.
private struct GradientPlan: Sendable {
  let depth: Int
  private let tileGroups, panelGroups, tiles, panels: Int
  var tasks: Int { tileGroups * panelGroups }

  init(
    rows: Int, depth: Int, tiles: Int, panels: Int, tileRows: Int, panelColumns: Int, threads: Int
  ) {
    self.depth = min(depth, max(1, rows))
    (self.tiles, self.panels) = (tiles, panels)
    // A share's tiles of a block (outputs × depth) stay in the second-level cache.
    tileGroups = max(1, (tiles * tileRows + 191) / 192)
    let wanted = threads == 1 ? 1 : 6 * threads
    panelGroups = max(1, min(panels, (wanted + tileGroups - 1) / tileGroups))
  }

  func share(_ index: Int) -> (tiles: Range<Int>, panels: Range<Int>) {
    (
      ProductPlan.part(index % tileGroups, of: tileGroups, in: 0..<tiles),
      ProductPlan.part(index / tileGroups, of: panelGroups, in: 0..<panels)
    )
  }
}
