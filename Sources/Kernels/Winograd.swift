import CPlatform
import Counters

extension Compute {
  /// Channels from which on the evaluation of tiles costs less than it saves.
  private static let fewestChannels = 16

  /// Whether a convolution is one of 3 × 3 that keeps the side, over enough channels.
  func fitsWinograd(_ x: Pictures, _ window: Window) -> Bool {
    !exactOrder && window.kernel == 3 && window.stride == 1 && window.padding == 1 && x.channelStride == 1
      && x.channels >= Self.fewestChannels
  }

  /// `convolve` for windows that fit, by the algorithm of `Loops/WinogradLoops.swift`.
  ///
  /// The filters are evaluated anew in each turn, some channels of a panel at a time, into memory that stays in
  /// the second-level cache: kept, they would take four times the memory of the weights, and batch 1 would wait
  /// for them. Tiles lie at fixed places of a picture, so a picture's sums do not depend on its neighbours.
  func convolveByWinograd(
    _ x: Pictures, _ w: PackedWeights, into y: MatrixView, _ epilogue: Epilogue
  ) throws(KernelError) {
    let plan = WinogradPlan(x, w, loops)
    Counters.count(multiplyAdds: 36 * plan.tiles * x.channels * w.outputs)
    guard let floats = plan.floats(threads: threads) else { throw .outOfMemory(bytes: .max) }
    try scratch.withFloats(floats) { memory in
      for first in stride(from: 0, to: plan.tiles, by: plan.turnTiles) {
        let turn = WinogradTurn(
          plan: plan, tiles: first..<min(plan.tiles, first + plan.turnTiles), x: x, w: w, y: y,
          epilogue: epilogue, loops: loops, values: memory, products: memory + 36 * plan.pointStride,
          slots: memory + 36 * plan.pointStride + w.panels * plan.productFloats)
        turn.evaluateInputs(self)
        turn.multiply(self)
        turn.interpolate(self)
      }
    }
  }
}

/// How the tiles of some pictures are cut into turns, and the memory of a turn: evaluated inputs, products, and for
/// each thread evaluated filters or scratch.
private struct WinogradPlan: Sendable {
  /// Floats of evaluated inputs and of products in a turn.
  private static let turnFloats = 1 << 20

  let tilesPerSide, tiles, turnTiles: Int
  /// Channels whose filters are evaluated at a time: with a panel's columns at 36 points 288 KB (AVX2), a part of
  /// the second-level cache.
  let depth: Int
  /// Floats from one point's inputs to the next one's.
  let pointStride: Int
  /// Floats of a panel's products.
  let productFloats: Int
  let slotFloats: Int
  private let panels: Int

  init(_ x: Pictures, _ w: PackedWeights, _ loops: LoopTable) {
    panels = w.panels
    tilesPerSide = (x.side + 3) / 4
    tiles = x.count * tilesPerSide * tilesPerSide
    let fitting = max(
      loops.tileRows, Self.turnFloats / (36 * max(x.channels + panels * w.panelColumns, 1)))
    let turns = (tiles + fitting - 1) / fitting
    turnTiles = (tiles + turns - 1) / turns
    depth = min(x.channels, 128)
    // Whole cache lines, and one more, so that points do not meet in one set of the cache. No overflow: inputs of
    // so many pixels and channels lie in memory already.
    pointStride = (turnTiles * x.channels + 15) / 16 * 16 + 16
    productFloats = 36 * turnTiles * w.panelColumns
    slotFloats = (max(loops.winogradFilterFloats(depth), loops.winogradScratch) + 15) / 16 * 16
  }

  /// Floats of all, or nil if there are too many to count.
  func floats(threads: Int) -> Int? {
    let (products, first) = panels.multipliedReportingOverflow(by: productFloats)
    let (slots, second) = threads.multipliedReportingOverflow(by: slotFloats)
    let (some, third) = products.addingReportingOverflow(slots)
    let (all, fourth) = some.addingReportingOverflow(36 * pointStride)
    return first || second || third || fourth || all >= Int.max / 8 ? nil : all
  }
}

/// Three sweeps over some tiles.
private struct WinogradTurn: @unchecked Sendable {
  let plan: WinogradPlan
  let tiles: Range<Int>
  let x: Pictures
  let w: PackedWeights
  let y: MatrixView
  let epilogue: Epilogue
  let loops: LoopTable
  /// [point][tile][channel], [panel][point][tile][column], and a piece for each thread.
  let values, products, slots: UnsafeMutablePointer<Float>

  func evaluateInputs(_ compute: Compute) {
    // Few tiles are shared by channels too.
    let shares = (tiles.count + 3) / 4
    let pieces = max(1, min((x.channels + 63) / 64, (4 * compute.threads + shares - 1) / shares))
    let piece = ((x.channels + pieces - 1) / pieces + 15) / 16 * 16
    compute.pool.run(shares * pieces) { index, slot in
      let share = ProductPlan.part(index / pieces, of: shares, in: 0..<tiles.count)
      let first = index % pieces * piece
      guard first < x.channels else { return }
      loops.winogradInput(
        WinogradInputTask(
          x: x.pointer + first, pictureStride: x.pictureStride, pixelStride: x.pixelStride, side: x.side,
          tilesPerSide: plan.tilesPerSide, channels: min(piece, x.channels - first),
          firstTile: tiles.lowerBound + share.lowerBound, tiles: share.count,
          values: values + share.lowerBound * x.channels + first, pointStride: plan.pointStride,
          rowStride: x.channels, scratch: slots + slot * plan.slotFloats))
    }
  }

  func multiply(_ compute: Compute) {
    // Few panels are shared by tiles too, but each share evaluates the filters again.
    let shares = max(1, min(tiles.count / 48, (2 * compute.threads + w.panels - 1) / w.panels))
    compute.pool.run(w.panels * shares) { index, slot in
      let panel = index / shares
      let share = ProductPlan.part(index % shares, of: shares, in: 0..<tiles.count)
      loops.winogradProduct(
        WinogradProductTask(
          values: values + share.lowerBound * x.channels, pointStride: plan.pointStride, tiles: share.count,
          channels: x.channels, panel: w.address(panel: panel), weights: w.storage.code,
          depth: plan.depth, filters: slots + slot * plan.slotFloats,
          products: products + panel * plan.productFloats + share.lowerBound * w.panelColumns,
          productStride: plan.turnTiles * w.panelColumns))
    }
  }

  func interpolate(_ compute: Compute) {
    let shares = max(1, min(tiles.count, (4 * compute.threads + w.panels - 1) / w.panels))
    compute.pool.run(w.panels * shares) { index, slot in
      let panel = index / shares
      let column = panel * w.panelColumns
      let share = ProductPlan.part(index % shares, of: shares, in: 0..<tiles.count)
      loops.winogradOutput(
        WinogradOutputTask(
          products: products + panel * plan.productFloats + share.lowerBound * w.panelColumns,
          productStride: plan.turnTiles * w.panelColumns, firstTile: tiles.lowerBound + share.lowerBound,
          count: share.count, side: x.side, tilesPerSide: plan.tilesPerSide,
          columns: min(w.panelColumns, w.outputs - column),
          epilogue: epilogue.task(w, into: y, row: 0, column: column),
          scratch: slots + slot * plan.slotFloats))
    }
  }
}
