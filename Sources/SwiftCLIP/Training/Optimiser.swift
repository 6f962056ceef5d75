import Kernels

/// AdamW over all parameters, with decoupled decay on tensors of two or more dimensions only.
@safe final class Optimiser {
  /// Consecutive parameters that are treated alike.
  private struct Run {
    var range: Range<Int>
    let decays: Bool
  }

  private let store: ParameterStore
  let momentum: UnsafeMutablePointer<Float>
  let variance: UnsafeMutablePointer<Float>
  private let storage: (AlignedStorage, AlignedStorage)
  private var runs: [Run] = []

  init(_ store: ParameterStore) throws(CLIPError) {
    self.store = store
    storage = try (AlignedStorage(count: max(store.count, 1)), AlignedStorage(count: max(store.count, 1)))
    unsafe (momentum, variance) = (storage.0.pointer, storage.1.pointer)
    unsafe momentum.update(repeating: 0, count: store.count)
    unsafe variance.update(repeating: 0, count: store.count)
    for parameter in store.parameters where store.trains(parameter) {
      let range = parameter.offset..<parameter.offset + parameter.count
      if let last = runs.last, last.decays == parameter.decays, last.range.upperBound == range.lowerBound {
        runs[runs.count - 1].range = last.range.lowerBound..<range.upperBound
      } else {
        runs.append(Run(range: range, decays: parameter.decays))
      }
    }
  }

  /// The length of the gradient of all that learns.
  func gradientNorm(_ compute: Compute) throws(CLIPError) -> Double {
    var sum = 0.0
    for run in runs {
      sum += try converting { () throws(KernelError) in
        unsafe try compute.sumOfSquares(store.gradients + run.range.lowerBound, count: run.range.count)
      }
    }
    return sum.squareRoot()
  }

  func update(_ step: AdamWStep, weightDecay: Double, _ compute: Compute) {
    var step = step
    for run in runs {
      step.weightDecay = run.decays ? weightDecay : 0
      let first = run.range.lowerBound
      unsafe compute.adamW(
        step, values: store.values + first, gradients: store.gradients + first, momentum: momentum + first,
        variance: variance + first, count: run.range.count)
    }
  }
}
