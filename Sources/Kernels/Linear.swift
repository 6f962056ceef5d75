import CPlatform
import Counters

/// What is applied to each sum of a product: y = activation(x·W + b) + residual.
public struct Epilogue: Sendable {
  public enum Activation: Int, Sendable {
    case none = 0
    /// x · sigmoid(1.702 x), as the official CLIP has it.
    case quickGELU = 1
    /// x · Φ(x).
    case gelu = 2
    /// max(0, x), applied after the residual is added, as the blocks of a ResNet have it.
    case relu = 3
  }

  public var activation: Activation
  /// Added after the activation; may be y itself.
  public var residual: MatrixView?

  public init(activation: Activation = .none, residual: MatrixView? = nil) {
    self.activation = activation
    self.residual = residual
  }

  /// The task for a share whose first element is (row, column).
  func task(_ w: PackedWeights, into y: MatrixView, row: Int, column: Int) -> EpilogueTask {
    EpilogueTask(
      bias: UnsafePointer(w.bias.pointer + column),
      residual: residual.map { UnsafePointer($0.pointer + row * $0.stride + column) },
      residualStride: residual?.stride ?? 0,
      y: y.pointer + row * y.stride + column, yStride: y.stride, activation: activation.rawValue)
  }
}

extension Compute {
  /// y = activation(x·W + b) + residual.
  ///
  /// Every element is one chain of multiply-adds over the inputs in ascending order, then the bias.
  public func linear(
    _ x: MatrixView, _ w: PackedWeights, into y: MatrixView, _ epilogue: Epilogue = .init()
  ) throws(KernelError) {
    assert(x.columns == w.inputs && y.columns == w.outputs && x.rows == y.rows)
    assert(epilogue.residual.map { $0.rows == y.rows && $0.columns == y.columns } ?? true)
    guard x.rows > 0, w.outputs > 0 else { return }
    try Attachments.check()
    Counters.count(multiplyAdds: x.rows * w.inputs * w.outputs)
    if let blas {
      try linear(x, w, into: y, epilogue, blas)
    } else {
      try product(x, w, into: y, epilogue)
    }
  }

  private func product(
    _ x: MatrixView, _ w: PackedWeights, into y: MatrixView, _ epilogue: Epilogue
  ) throws(KernelError) {
    let plan = ProductPlan(rows: x.rows, w, threads: threads, loops)
    // Slots start at a cache line.
    let integers = w.storage == .int8 ? (x.rows * (w.steps + 1) + 15) / 16 * 16 : 0
    try scratch.withFloats(threads * plan.slotFloats + integers) { memory in
      let slots = memory + integers
      guard w.storage == .int8 else {
        return product(
          Factors(a: x.pointer, aStride: x.stride), w, plan, slots: slots, into: y, epilogue)
      }
      let rowScales = memory + x.rows * w.steps
      quantise(x, limit: Self.integerLimit(inputs: w.inputs), into: memory, stride: w.steps, rowScales)
      product(
        Factors(a: memory, aStride: w.steps, rowScales: rowScales, columnScales: w.scales.pointer), w, plan,
        slots: slots, into: y, epilogue)
    }
  }

  /// What the weights are multiplied with, as the loops read it, and what integers stand for.
  private struct Factors: @unchecked Sendable {
    var a: UnsafePointer<Float>
    var aStride: Int
    var rowScales, columnScales: UnsafePointer<Float>?
  }

  private func product(
    _ x: Factors, _ w: PackedWeights, _ plan: ProductPlan, slots: UnsafeMutablePointer<Float>,
    into y: MatrixView, _ epilogue: Epilogue
  ) {
    nonisolated(unsafe) let slots = slots
    let loops = loops
    pool.run(plan.blocks * plan.groups) { index, slot in
      let rows = plan.rows(index / plan.groups)
      let panels = plan.panels(index % plan.groups)
      let column = panels.lowerBound * w.panelColumns
      let partial = slots + slot * plan.slotFloats
      loops.product(
        ProductTask(
          a: x.a + rows.lowerBound * x.aStride, aStride: x.aStride,
          panels: w.address(panel: panels.lowerBound), weights: w.storage.code,
          rowScales: x.rowScales.map { $0 + rows.lowerBound },
          columnScales: x.columnScales.map { $0 + column },
          integerTile: loops.integerTile,
          ahead: w.address(panel: panels.upperBound), partial: partial,
          widened: partial + plan.partialFloats, rows: rows.count, inputs: w.steps, depth: plan.depth,
          panelCount: panels.count, columns: min(w.outputs - column, panels.count * w.panelColumns),
          epilogue: epilogue.task(w, into: y, row: rows.lowerBound, column: column)))
    }
  }

  /// Rounds each row to integers, two of which take the place of a float, and writes what 1 stands for in it.
  private func quantise(
    _ x: MatrixView, limit: Int, into target: UnsafeMutablePointer<Float>, stride: Int,
    _ scales: UnsafeMutablePointer<Float>
  ) {
    nonisolated(unsafe) let (target, scales) = (target, scales)
    let loops = loops
    // Enough work for a thread to be worth waking.
    let chunk = max(1, 16_384 / max(1, x.columns))
    pool.run((x.rows + chunk - 1) / chunk) { index, _ in
      for row in index * chunk..<min(x.rows, (index + 1) * chunk) {
        let integers = UnsafeMutableRawPointer(target + row * stride).assumingMemoryBound(to: Int16.self)
        scales[row] = loops.quantise(x.pointer + row * x.stride, x.columns, Float(limit), integers)
      }
    }
  }
}
