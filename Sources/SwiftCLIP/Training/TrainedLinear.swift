import Kernels

/// An affine map y = x·Wᵀ + b that learns. `weight` is (outputs, inputs) as in the official code, or (inputs, outputs)
/// where that keeps a bare matrix (`text_projection`, `proj`).
final class TrainedLinear {
  let weight: Parameter
  let bias: Parameter?
  let inputs, outputs: Int
  /// Where the map is a part of a larger matrix, such as queries of `in_proj_weight`: its first row.
  private let firstRow: Int
  private let isTransposed: Bool
  private var packedForward = PackedParameter()
  private var packedBackward = PackedParameter()

  init(
    _ weight: Parameter, _ bias: Parameter?, inputs: Int, outputs: Int, firstRow: Int = 0,
    isTransposed: Bool = false
  ) {
    (self.weight, self.bias, self.inputs, self.outputs) = (weight, bias, inputs, outputs)
    (self.firstRow, self.isTransposed) = (firstRow, isTransposed)
  }

  func trains(_ pass: TrainingPass) -> Bool { pass.store.trains(weight) }

  /// y = x·Wᵀ + b, and what the epilogue says.
  func forward(
    _ x: MatrixView, into y: MatrixView, _ pass: TrainingPass, _ epilogue: Epilogue = Epilogue()
  ) throws(CLIPError) {
    let weights = try forwardWeights(pass)
    try converting { () throws(KernelError) in try pass.compute.linear(x, weights, into: y, epilogue) }
  }

  /// Adds the gradients of weight and bias, if they are learned.
  func accumulate(_ dy: MatrixView, _ x: MatrixView, _ pass: TrainingPass) throws(CLIPError) {
    guard trains(pass) else { return }
    let target = unsafe pass.store.gradient(weight) + firstRow * inputs
    try converting { () throws(KernelError) in
      unsafe try pass.compute.weightGradient(dy, x, into: target, transposed: isTransposed)
    }
    if let bias { unsafe pass.compute.addColumnSums(dy, to: pass.store.gradient(bias) + firstRow) }
  }

  /// dx = dy·W, added to what `residual` holds, which may be dx itself.
  func backward(
    _ dy: MatrixView, into dx: MatrixView, _ pass: TrainingPass, residual: MatrixView? = nil
  ) throws(CLIPError) {
    let weights = try backwardWeights(pass)
    try converting { () throws(KernelError) in
      try pass.compute.linear(dy, weights, into: dx, Epilogue(residual: residual))
    }
  }

  private func forwardWeights(_ pass: TrainingPass) throws(CLIPError) -> PackedWeights {
    let source = unsafe WeightSource(
      base: UnsafeRawPointer(pass.store.value(weight) + firstRow * inputs), type: .float32,
      inputStride: isTransposed ? outputs : 1, outputStride: isTransposed ? 1 : inputs, outputs: outputs)
    let bias = unsafe bias.map { unsafe UnsafePointer(pass.store.value($0) + firstRow) }
    return unsafe try packedForward.weights(inputs: inputs, source, bias: bias, pass)
  }

  private func backwardWeights(_ pass: TrainingPass) throws(CLIPError) -> PackedWeights {
    let source = unsafe WeightSource(
      base: UnsafeRawPointer(pass.store.value(weight) + firstRow * inputs), type: .float32,
      inputStride: isTransposed ? 1 : inputs, outputStride: isTransposed ? outputs : 1, outputs: inputs)
    return unsafe try packedBackward.weights(inputs: outputs, source, pass)
  }
}

/// A LayerNorm that learns.
struct TrainedLayerNorm {
  let gain: Parameter
  let bias: Parameter
  static let epsilon: Float = 1e-5

  init(_ layout: inout ParameterLayout, _ name: String, width: Int) {
    gain = layout.parameter("\(name).weight", width)
    bias = layout.parameter("\(name).bias", width)
  }

  func forward(_ x: MatrixView, into y: MatrixView, _ pass: TrainingPass) {
    unsafe pass.compute.layerNorm(
      x, gain: pass.store.value(gain), bias: pass.store.value(bias), epsilon: Self.epsilon, into: y)
  }

  /// Adds the gradient of x to dx, and those of gain and bias to theirs.
  func backward(
    _ x: MatrixView, _ dy: MatrixView, addingTo dx: MatrixView, _ pass: TrainingPass
  ) throws(CLIPError) {
    let store = pass.store
    try converting { () throws(KernelError) in
      unsafe try pass.compute.layerNormGradient(
        x, dy, gain: store.value(gain), epsilon: Self.epsilon, addingTo: dx, dGain: store.gradient(gain),
        dBias: store.gradient(bias))
    }
  }
}
