import CPlatform

extension Compute {
  /// Channels from which on the evaluation of tiles costs less than it saves.
  private static let fewestChannels = 16
  /// Floats of evaluated inputs and of products in a turn: 4 MB, a part of the last-level cache.
  private static let turnFloats = 1 << 20

  /// Whether a convolution is one of 3 × 3 that keeps the side, over enough channels.
  func fitsWinograd(_ x: Pictures, _ window: Window) -> Bool {
    !exactOrder && window.kernel == 3 && window.stride == 1 && window.padding == 1 && x.channelStride == 1
      && x.channels >= Self.fewestChannels
  }

  /// `convolve` for windows that fit, by the algorithm of `Loops/WinogradLoops.swift`.
  ///
  /// The filters are evaluated anew in each turn, a panel and six points at a time, into memory that stays in the
  /// second-level cache: kept, they would take four times the memory of the weights, and batch 1 would wait for
  /// them. Tiles lie at fixed places of a picture, so a picture's sums do not depend on its neighbours.
  func convolveByWinograd(
    _ x: Pictures, _ w: PackedWeights, into y: MatrixView, _ epilogue: Epilogue
  ) throws(KernelError) {
    let tilesPerSide = (x.side + 3) / 4
    let tiles = x.count * tilesPerSide * tilesPerSide
    let columns = w.panels * w.panelColumns
    let fitting = max(loops.tileRows, Self.turnFloats / (36 * max(x.channels + columns, 1)))
    let turns = (tiles + fitting - 1) / fitting
    let turn = WinogradTurn(
      tilesPerSide: tilesPerSide, capacity: (tiles + turns - 1) / turns, channels: x.channels, w, loops)
    guard let floats = turn.floats(threads: threads) else { throw .outOfMemory(bytes: .max) }
    try scratch.withFloats(floats) { memory in
      for first in stride(from: 0, to: tiles, by: turn.capacity) {
        run(turn, first..<min(tiles, first + turn.capacity), x, w, into: y, epilogue, memory)
      }
    }
  }

  /// Evaluates the inputs, multiplies, interpolates: three sweeps over the tiles of a turn.
  private func run(
    _ turn: WinogradTurn, _ tiles: Range<Int>, _ x: Pictures, _ w: PackedWeights, into y: MatrixView,
    _ epilogue: Epilogue, _ memory: UnsafeMutablePointer<Float>
  ) {
    nonisolated(unsafe) let values = memory
    nonisolated(unsafe) let products = values + 36 * turn.pointStride
    nonisolated(unsafe) let slots = products + w.panels * turn.productFloats
    let loops = loops
    let groups = (tiles.count + loops.tileRows - 1) / loops.tileRows
    // Few groups are shared by channels too.
    let pieces = max(1, min((x.channels + 63) / 64, (2 * threads + groups - 1) / groups))
    let piece = ((x.channels + pieces - 1) / pieces + 15) / 16 * 16
    pool.run(groups * pieces) { index, slot in
      let group = ProductPlan.part(index / pieces, of: groups, in: tiles)
      let first = index % pieces * piece
      guard first < x.channels else { return }
      loops.winogradInput(
        WinogradInputTask(
          x: x.pointer + first, pictureStride: x.pictureStride, pixelStride: x.pixelStride, side: x.side,
          tilesPerSide: turn.tilesPerSide, channels: min(piece, x.channels - first),
          firstTile: group.lowerBound, tiles: group.count,
          values: values + (group.lowerBound - tiles.lowerBound) * x.channels + first * group.count,
          pointStride: turn.pointStride, scratch: slots + slot * turn.slotFloats))
    }
    pool.run(w.panels * 6) { index, slot in
      let panel = index / 6
      loops.winogradProduct(
        WinogradProductTask(
          values: values, pointStride: turn.pointStride, tiles: tiles.count, channels: x.channels,
          panel: w.weights.pointer + panel * w.panelColumns * w.inputs, line: index % 6,
          filters: slots + slot * turn.slotFloats, products: products + panel * turn.productFloats))
    }
    let parts = max(1, min(tiles.count, (4 * threads + w.panels - 1) / w.panels))
    pool.run(w.panels * parts) { index, slot in
      let panel = index / parts
      let column = panel * w.panelColumns
      let part = ProductPlan.part(index % parts, of: parts, in: tiles)
      loops.winogradOutput(
        WinogradOutputTask(
          products: products + panel * turn.productFloats, tiles: tiles.count,
          firstProduct: tiles.lowerBound, firstTile: part.lowerBound, count: part.count, side: x.side,
          tilesPerSide: turn.tilesPerSide, columns: min(w.panelColumns, w.outputs - column),
          epilogue: epilogue.task(w, into: y, row: 0, column: column),
          scratch: slots + slot * turn.slotFloats))
    }
  }
}

/// The memory of a turn: evaluated inputs, products, and for each thread evaluated filters or scratch.
private struct WinogradTurn: Sendable {
  let tilesPerSide: Int
  /// Most tiles of a turn.
  let capacity: Int
  /// Floats from one point's inputs to the next one's.
  let pointStride: Int
  /// Floats of a panel's products.
  let productFloats: Int
  let slotFloats: Int
  private let panels: Int

  init(tilesPerSide: Int, capacity: Int, channels: Int, _ w: PackedWeights, _ loops: LoopTable) {
    self.tilesPerSide = tilesPerSide
    self.capacity = capacity
    panels = w.panels
    // Whole cache lines; no overflow, as inputs of so many pixels and channels lie in memory already.
    pointStride = (capacity * channels + 15) / 16 * 16
    productFloats = 36 * capacity * w.panelColumns
    slotFloats = (max(6 * channels * w.panelColumns, loops.winogradScratch) + 15) / 16 * 16
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
