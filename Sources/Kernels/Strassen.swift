import CPlatform

extension Compute {
  /// Inputs and outputs from which on seven products of halves cost less than eight.
  private static let leastSide = 256

  /// Whether the weights can be halved, and are worth it.
  func fitsStrassen(_ w: PackedWeights) -> Bool {
    !exactOrder && blas == nil && w.inputs % 2 == 0 && w.outputs % (2 * w.panelColumns) == 0
      && min(w.inputs, w.outputs) >= Self.leastSide
  }

  /// `linear` by the algorithm of `Loops/StrassenLoops.swift`.
  ///
  /// Sums of weights are made anew for each panel and turn, in memory that stays in the second-level cache: kept,
  /// they would take three quarters more memory, which batch 1 would wait for.
  func linearByStrassen(
    _ x: MatrixView, _ pairs: RowPairs, _ w: PackedWeights, into y: MatrixView, _ epilogue: Epilogue
  ) throws(KernelError) {
    let plan = StrassenPlan(pairs: pairs.count, w, loops)
    guard let floats = plan.floats(threads: threads) else { throw .outOfMemory(bytes: .max) }
    try scratch.withFloats(floats) { memory in
      pairs.upper.withUnsafeBufferPointer { upper in
        pairs.lower.withUnsafeBufferPointer { lower in
          guard let upper = upper.baseAddress, let lower = lower.baseAddress else { return }
          for first in stride(from: 0, to: pairs.count, by: plan.turnPairs) {
            let turn = StrassenTurn(
              plan: plan, pairs: min(plan.turnPairs, pairs.count - first), x: x, w: w, y: y,
              epilogue: epilogue, loops: loops, upper: upper + first, lower: lower + first, values: memory,
              slots: memory + 7 * plan.pointStride)
            turn.evaluateInputs(self)
            turn.multiply(self)
          }
        }
      }
    }
  }
}

/// How pairs of rows are cut into turns, and the memory of a turn: sums of inputs, and for each thread sums of
/// weights and products.
private struct StrassenPlan: Sendable {
  /// Floats of the sums of inputs in a turn: 4 MB, a part of the last-level cache.
  private static let turnFloats = 1 << 20
  /// Pairs that a thread multiplies at a time: its products are to stay in the second-level cache.
  static let sharePairs = 240

  let depth, turnPairs: Int
  /// Inputs whose weights are added up at a time: four panels of as many are to stay in the second-level cache.
  let blockDepth: Int
  let pointStride, weightFloats, slotFloats: Int

  init(pairs: Int, _ w: PackedWeights, _ loops: LoopTable) {
    depth = w.inputs / 2
    let fitting = max(loops.tileRows, Self.turnFloats / (7 * depth))
    let turns = max(1, (pairs + fitting - 1) / fitting)
    turnPairs = max(1, (pairs + turns - 1) / turns)
    let blocks = (depth + 511) / 512
    blockDepth = ((depth + blocks - 1) / blocks + 3) / 4 * 4
    // Whole cache lines, and one more, so that points do not meet in one set of the cache. No overflow: as many inputs lie in memory already.
    pointStride = (turnPairs * depth + 15) / 16 * 16 + 16
    weightFloats = loops.strassenWeightFloats(blockDepth)
    slotFloats =
      (weightFloats + 7 * min(turnPairs, Self.sharePairs) * w.panelColumns + 15) / 16 * 16
  }

  /// Floats of all, or nil if there are too many to count.
  func floats(threads: Int) -> Int? {
    let (slots, first) = threads.multipliedReportingOverflow(by: slotFloats)
    let (all, second) = slots.addingReportingOverflow(7 * pointStride)
    return first || second || all >= Int.max / 8 ? nil : all
  }
}

/// Two sweeps over some pairs.
private struct StrassenTurn: @unchecked Sendable {
  let plan: StrassenPlan
  let pairs: Int
  let x: MatrixView
  let w: PackedWeights
  let y: MatrixView
  let epilogue: Epilogue
  let loops: LoopTable
  let upper, lower: UnsafePointer<Int32>
  /// [point][pair][k], and a piece for each thread.
  let values, slots: UnsafeMutablePointer<Float>

  func evaluateInputs(_ compute: Compute) {
    let shares = (pairs + 7) / 8
    compute.pool.run(shares) { index, _ in
      let share = ProductPlan.part(index, of: shares, in: 0..<pairs)
      loops.strassenInput(
        StrassenInputTask(
          x: x.pointer, stride: x.stride, depth: plan.depth, upper: upper + share.lowerBound,
          lower: lower + share.lowerBound, pairs: share.count, values: values + share.lowerBound * plan.depth,
          pointStride: plan.pointStride))
    }
  }

  func multiply(_ compute: Compute) {
    let panels = w.panels / 2
    let fewest = (pairs + StrassenPlan.sharePairs - 1) / StrassenPlan.sharePairs
    let shares = min(pairs, max(fewest, (4 * compute.threads + panels - 1) / panels))
    compute.pool.run(panels * shares) { index, slot in
      let panel = index / shares
      let share = ProductPlan.part(index % shares, of: shares, in: 0..<pairs)
      let slotMemory = slots + slot * plan.slotFloats
      loops.strassenProduct(
        StrassenProductTask(
          values: values + share.lowerBound * plan.depth, pointStride: plan.pointStride, pairs: share.count,
          depth: plan.depth, upper: upper + share.lowerBound, lower: lower + share.lowerBound,
          left: w.address(panel: panel), right: w.address(panel: panel + panels),
          weightSize: w.storage.size, blockDepth: plan.blockDepth, weights: slotMemory,
          products: slotMemory + plan.weightFloats,
          epilogue: epilogue.task(w, into: y, row: 0, column: panel * w.panelColumns),
          columnsApart: panels * w.panelColumns))
    }
  }
}
