import Kernels

/// A BatchNorm that learns. In training it takes mean and variance from the batch and counts them into its running
/// statistics; in evaluation, and where it is frozen, it uses these.
struct TrainedBatchNorm {
  private static let epsilon: Float = 1e-5
  /// Share of a batch in the running statistics.
  private static let momentum: Float = 0.1

  let gain: Parameter
  let bias: Parameter
  let runningMean: Parameter
  let runningVariance: Parameter
  let channels: Int

  init(_ layout: inout ParameterLayout, named name: String, _ channels: Int) {
    self.channels = channels
    gain = layout.parameter("\(name).weight", channels)
    bias = layout.parameter("\(name).bias", channels)
    runningMean = layout.buffer("\(name).running_mean", channels)
    runningVariance = layout.buffer("\(name).running_var", channels)
  }

  func initialise(_ store: ParameterStore, gain value: Float = 1) {
    store.fill(gain, value)
    store.fill(bias, 0)
    unsafe store.buffer(runningMean).update(repeating: 0, count: channels)
    unsafe store.buffer(runningVariance).update(repeating: 1, count: channels)
  }

  func trains(_ pass: TrainingPass) -> Bool { pass.store.trains(gain) || pass.store.trains(bias) }

  /// What the norm is for one batch; on the tape.
  @safe struct Statistics {
    let norm: ChannelNorm
    /// 1 / √(variance + ε)
    let rates: UnsafeMutablePointer<Float>
    let isFromBatch: Bool
  }

  func statistics(_ x: MatrixView, _ pass: TrainingPass) throws(CLIPError) -> Statistics {
    let store = pass.store
    let norm = ChannelNorm(try pass.tape.matrix(3, channels))
    let rates = unsafe try pass.tape.matrix(1, channels).pointer
    let isFromBatch = pass.isTraining && trains(pass)
    if isFromBatch {
      try converting { () throws(KernelError) in
        unsafe try pass.compute.moments(x, means: norm.mean, variances: rates)
      }
      if pass.countsStatistics { unsafe count(norm.mean, rates, pixels: x.rows, store) }
    } else {
      unsafe norm.mean.update(from: store.buffer(runningMean), count: channels)
      unsafe rates.update(from: store.buffer(runningVariance), count: channels)
    }
    for channel in 0..<channels {
      unsafe rates[channel] = 1 / (rates[channel] + Self.epsilon).squareRoot()
      unsafe norm.scale[channel] = store.value(gain)[channel] * rates[channel]
      unsafe norm.bias[channel] = store.value(bias)[channel]
    }
    return unsafe Statistics(norm: norm, rates: rates, isFromBatch: isFromBatch)
  }

  /// The running variance is that of the population which the batch is a sample of.
  private func count(
    _ means: UnsafePointer<Float>, _ variances: UnsafePointer<Float>, pixels: Int, _ store: ParameterStore
  ) {
    let correction = Float(pixels) / Float(max(1, pixels - 1))
    let (mean, variance) = unsafe (store.buffer(runningMean), store.buffer(runningVariance))
    for channel in 0..<channels {
      unsafe mean[channel] += Self.momentum * (means[channel] - mean[channel])
      unsafe variance[channel] += Self.momentum * (variances[channel] * correction - variance[channel])
    }
  }

  /// Adds the gradients of gain and bias, and tells what is to be subtracted on the way to the input's gradient; in the
  /// pass's scratch memory.
  func offsets(
    _ sums: NormSums, _ statistics: Statistics, pixels: Int, _ pass: TrainingPass
  ) throws(CLIPError) -> NormOffsets {
    let offsets = NormOffsets(try pass.scratch.matrix(2, channels))
    let store = pass.store
    let (dGain, dBias) = unsafe (store.gradient(gain), store.gradient(bias))
    let (trainsGain, trainsBias) = (store.trains(gain), store.trains(bias))
    let share = statistics.isFromBatch ? 1 / Float(pixels) : 0
    for channel in 0..<channels {
      let (gradient, product) = unsafe (sums.gradients[channel], sums.products[channel])
      let rate = unsafe statistics.rates[channel]
      if trainsGain { unsafe dGain[channel] += product * rate }
      if trainsBias { unsafe dBias[channel] += gradient }
      unsafe offsets.offsets[channel] = gradient * share
      unsafe offsets.slopes[channel] = product * rate * rate * share
    }
    return offsets
  }
}
