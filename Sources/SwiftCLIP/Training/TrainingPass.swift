import Kernels

/// What every layer needs on its way forward and back.
final class TrainingPass {
  let compute: Compute
  let store: ParameterStore
  let budget: MemoryBudget
  /// Activations that the backward pass reads.
  let tape: Arena
  /// What only one layer's forward or backward needs.
  let scratch: Arena
  /// Whether BatchNorm takes its statistics from the batch.
  var isTraining = true
  /// False while a piece is computed a second time: its statistics were counted the first time.
  var countsStatistics = true

  init(_ compute: Compute, _ store: ParameterStore, _ budget: MemoryBudget) {
    self.compute = compute
    self.store = store
    self.budget = budget
    (tape, scratch) = (Arena(budget), Arena(budget))
  }

  /// Runs `body` with scratch matrices that end with it.
  func withScratch<R>(_ body: () throws(CLIPError) -> R) throws(CLIPError) -> R {
    let mark = scratch.mark
    defer { scratch.release(to: mark) }
    return try body()
  }
}
