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
    let loops = loops
    try scratch.withFloats(threads * plan.slotFloats) { memory in
      nonisolated(unsafe) let slots = memory
      pool.run(plan.blocks * plan.groups) { index, slot in
        let rows = plan.rows(index / plan.groups)
        let panels = plan.panels(index % plan.groups)
        let column = panels.lowerBound * w.panelColumns
        let partial = slots + slot * plan.slotFloats
        loops.product(
          ProductTask(
            a: x.pointer + rows.lowerBound * x.stride, aStride: x.stride,
            panels: w.address(panel: panels.lowerBound), weightSize: w.storage.size,
            ahead: w.address(panel: panels.upperBound), partial: partial,
            widened: partial + plan.partialFloats, rows: rows.count, inputs: w.inputs, depth: plan.depth,
            panelCount: panels.count, columns: min(w.outputs - column, panels.count * w.panelColumns),
            epilogue: epilogue.task(w, into: y, row: rows.lowerBound, column: column)))
      }
    }
  }
}
