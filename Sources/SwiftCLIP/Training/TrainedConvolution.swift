import Kernels

/// A convolution that learns, without bias, as all before a BatchNorm are.
final class TrainedConvolution {
  let weight: Parameter  // (outputs, channels, kernel, kernel)
  let channels, outputs: Int
  let window: Window
  private var forwardWeights = PackedParameter()
  private var backwardWeights = PackedParameter()
  private var taps: Int { window.kernel * window.kernel }
  /// A window of one pixel: rows are multiplied as they lie.
  private var isPointwise: Bool { window.kernel == 1 && window.stride == 1 && window.padding == 0 }

  init(
    _ layout: inout ParameterLayout, named name: String, _ channels: Int, _ outputs: Int, _ window: Window
  ) {
    (self.channels, self.outputs, self.window) = (channels, outputs, window)
    weight = layout.parameter("\(name).weight", outputs, channels, window.kernel, window.kernel)
  }

  /// PyTorch's: uniform within 1/√(inputs of an output).
  func initialise(_ store: ParameterStore, _ random: inout SeededRandom) {
    store.fillUniform(weight, bound: 1 / Double(channels * taps).squareRoot(), &random)
  }

  func trains(_ pass: TrainingPass) -> Bool { pass.store.trains(weight) }

  /// `x` (count · side², channels) to `y` (count · outputSide², outputs).
  func forward(_ x: FeatureMaps, into y: MatrixView, _ pass: TrainingPass) throws(CLIPError) {
    let weights = try weights(pass)
    try converting { () throws(KernelError) in
      if isPointwise {
        try pass.compute.linear(x.view, weights, into: y)
      } else {
        try pass.compute.convolve(Pictures(x.view, side: x.side), window, weights, into: y)
      }
    }
  }

  /// The same for pictures in planes.
  func forward(_ x: Pictures, into y: MatrixView, _ pass: TrainingPass) throws(CLIPError) {
    let weights = try weights(pass)
    try converting { () throws(KernelError) in try pass.compute.convolve(x, window, weights, into: y) }
  }

  /// Adds the weights' gradient, if they are learned.
  func accumulate(_ dy: MatrixView, _ x: FeatureMaps, _ pass: TrainingPass) throws(CLIPError) {
    guard trains(pass) else { return }
    guard isPointwise else { return try accumulate(dy, Pictures(x.view, side: x.side), pass) }
    try converting { () throws(KernelError) in
      unsafe try pass.compute.tallWeightGradient(dy, x.view, into: pass.store.gradient(weight))
    }
  }

  func accumulate(_ dy: MatrixView, _ x: Pictures, _ pass: TrainingPass) throws(CLIPError) {
    guard trains(pass) else { return }
    try converting { () throws(KernelError) in
      unsafe try pass.compute.convolutionGradient(dy, x, window, into: pass.store.gradient(weight))
    }
  }

  /// The gradient of x, of which the window must not have changed the side, added to the residual, which may be dx.
  func backward(
    _ dy: FeatureMaps, into dx: MatrixView, _ pass: TrainingPass, residual: MatrixView? = nil
  ) throws(CLIPError) {
    let values = unsafe UnsafeRawPointer(pass.store.value(weight) + taps - 1)
    // The window turned by 180°: its last tap comes first.
    let source = unsafe WeightSource(
      base: values, type: .float32, inputStride: channels * taps, tapStride: -1, outputStride: taps,
      outputs: channels)
    let weights = unsafe try backwardWeights.weights(inputs: outputs * taps, taps: taps, source, pass)
    let epilogue = Epilogue(residual: residual)
    try converting { () throws(KernelError) in
      if isPointwise {
        try pass.compute.linear(dy.view, weights, into: dx, epilogue)
      } else {
        try pass.compute.convolve(Pictures(dy.view, side: dy.side), window, weights, into: dx, epilogue)
      }
    }
  }

  private func weights(_ pass: TrainingPass) throws(CLIPError) -> PackedWeights {
    let source = unsafe WeightSource(
      base: UnsafeRawPointer(pass.store.value(weight)), type: .float32, inputStride: taps, tapStride: 1,
      outputStride: channels * taps, outputs: outputs)
    return unsafe try forwardWeights.weights(inputs: channels * taps, taps: taps, source, pass)
  }
}
