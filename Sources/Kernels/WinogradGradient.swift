import CPlatform
import Counters

extension Compute {
  /// `convolutionGradient` by the algorithm of `Loops/WinogradGradientLoops.swift`. Tiles are summed in ascending
  /// order, for each point and pair of channels in one chain.
  func winogradGradient(
    _ dY: MatrixView, _ x: Pictures, into dW: UnsafeMutablePointer<Float>
  ) throws(KernelError) {
    let plan = FilterGradientPlan(x, outputs: dY.columns, panelColumns: loops.panelColumns)
    Counters.count(multiplyAdds: 36 * plan.tiles * x.channels * dY.columns)
    guard let floats = plan.floats(threads: threads, slot: slotFloats) else {
      throw .outOfMemory(bytes: .max)
    }
    try scratch.withFloats(floats) { memory in
      let turn = FilterGradientTurn(
        plan: plan, x: x, dY: Pictures(dY, side: x.side), values: memory,
        gradients: memory + 36 * plan.pointFloats,
        products: memory + 36 * (plan.pointFloats + plan.gradientFloats),
        slots: memory + 36 * (plan.pointFloats + plan.gradientFloats + plan.productFloats),
        slotFloats: slotFloats, loops: loops, resNet: resNet)
      for first in stride(from: 0, to: plan.tiles, by: plan.turnTiles) {
        let tiles = first..<min(plan.tiles, first + plan.turnTiles)
        turn.evaluate(tiles, pool)
        turn.multiply(tiles, pool)
      }
      turn.interpolate(into: dW, pool)
    }
  }

  private var slotFloats: Int {
    (max(loops.winogradScratch, resNet.winogradFilterScratch) + 15) / 16 * 16
  }
}

/// How the tiles are cut into turns, and what a turn's memory holds: for each point evaluated inputs, in panels,
/// evaluated gradients, and the products.
private struct FilterGradientPlan: Sendable {
  /// Floats of evaluated inputs and gradients in a turn.
  private static let turnFloats = 1 << 19

  let panelColumns, panels, outputs, tilesPerSide, tiles, turnTiles: Int
  /// Floats from one panel of a point's inputs to the next one.
  let panelFloats: Int
  /// Floats from one tile's gradients to the next one's: an odd number of cache lines, so that they do not meet in
  /// one set of the cache.
  let gradientStride: Int
  let pointFloats, gradientFloats, productFloats: Int

  init(_ x: Pictures, outputs: Int, panelColumns: Int) {
    (self.outputs, self.panelColumns) = (outputs, panelColumns)
    panels = (x.channels + panelColumns - 1) / panelColumns
    tilesPerSide = (x.side + 3) / 4
    tiles = x.count * tilesPerSide * tilesPerSide
    gradientStride = (outputs + 15) / 32 * 32 + 16
    let fitting = max(64, Self.turnFloats / (36 * (panels * panelColumns + gradientStride)))
    let turns = (tiles + fitting - 1) / fitting
    turnTiles = (tiles + turns - 1) / turns
    panelFloats = turnTiles * panelColumns
    pointFloats = panels * panelFloats + 16
    gradientFloats = turnTiles * gradientStride
    productFloats = outputs * panels * panelColumns
  }

  /// Floats of all, or nil if there are too many to count. Inputs and gradients of a turn are few, or lie in memory
  /// already.
  func floats(threads: Int, slot: Int) -> Int? {
    let (all, first) = productFloats.multipliedReportingOverflow(by: 36)
    let (sum, second) = all.addingReportingOverflow(36 * (pointFloats + gradientFloats) + threads * slot)
    return first || second || sum >= Int.max / 8 ? nil : sum
  }
}

private struct FilterGradientTurn: @unchecked Sendable {
  let plan: FilterGradientPlan
  let x, dY: Pictures
  /// [point][panel][tile][column of panel], [point][tile][output], [point][output][column].
  let values, gradients, products, slots: UnsafeMutablePointer<Float>
  let slotFloats: Int
  let loops: LoopTable
  let resNet: ResNetLoops

  func evaluate(_ tiles: Range<Int>, _ pool: borrowing ThreadPool) {
    let shares = (tiles.count + 7) / 8
    pool.run(shares) { index, slot in
      let share = ProductPlan.part(index, of: shares, in: 0..<tiles.count)
      let first = tiles.lowerBound + share.lowerBound
      let scratch = slots + slot * slotFloats
      for panel in 0..<plan.panels {
        let channel = panel * plan.panelColumns
        loops.winogradInput(
          task(
            x, channel..<min(x.channels, channel + plan.panelColumns), first, share.count,
            values + panel * plan.panelFloats + share.lowerBound * plan.panelColumns, plan.pointFloats,
            plan.panelColumns, scratch))
      }
      resNet.winogradInput(
        task(
          dY, 0..<dY.channels, first, share.count, gradients + share.lowerBound * plan.gradientStride,
          plan.gradientFloats, plan.gradientStride, scratch))
    }
  }

  private func task(
    _ x: Pictures, _ channels: Range<Int>, _ firstTile: Int, _ tiles: Int,
    _ values: UnsafeMutablePointer<Float>, _ pointStride: Int, _ rowStride: Int,
    _ scratch: UnsafeMutablePointer<Float>
  ) -> WinogradInputTask {
    WinogradInputTask(
      x: x.pointer + channels.lowerBound, pictureStride: x.pictureStride, pixelStride: x.pixelStride,
      side: x.side, tilesPerSide: plan.tilesPerSide, channels: channels.count, firstTile: firstTile,
      tiles: tiles, values: values, pointStride: pointStride, rowStride: rowStride, scratch: scratch)
  }

  func multiply(_ tiles: Range<Int>, _ pool: borrowing ThreadPool) {
    // Outputs whose gradients stay in the second-level cache.
    let groups = (plan.outputs + 127) / 128
    pool.run(36 * groups) { index, _ in
      let point = index / groups
      let outputs = ProductPlan.part(index % groups, of: groups, in: 0..<plan.outputs)
      let columns = plan.panels * plan.panelColumns
      resNet.winogradProduct(
        WinogradGradientTask(
          a: gradients + point * plan.gradientFloats + outputs.lowerBound, aStride: plan.gradientStride,
          b: values + point * plan.pointFloats, panelStride: plan.panelFloats, tiles: tiles.count,
          outputs: outputs.count, panels: plan.panels, continues: tiles.lowerBound > 0 ? 1 : 0,
          c: products + point * plan.productFloats + outputs.lowerBound * columns, cStride: columns))
    }
  }

  func interpolate(into dW: UnsafeMutablePointer<Float>, _ pool: borrowing ThreadPool) {
    nonisolated(unsafe) let dW = dW
    let columns = plan.panels * plan.panelColumns
    pool.run(plan.outputs) { output, slot in
      resNet.winogradFilter(
        products + output * columns, plan.productFloats, x.channels, dW + output * x.channels * 9,
        slots + slot * slotFloats)
    }
  }
}
