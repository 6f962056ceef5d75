import Kernels
import ONNXImport

/// Feature maps of a batch of pictures: a row of `view` is a pixel, a column a channel.
struct FeatureMaps {
  let view: MatrixView  // (count · side², channels)
  let side: Int
}

/// A convolution with its BatchNorm folded in: y = x ∗ W + b.
struct Convolution: Sendable {
  let weights: PackedWeights
  let window: Window
  let channels: Int
  var outputs: Int { weights.outputs }

  init(_ layer: ONNXImport.Convolution, named name: String, _ compute: Compute) throws(CLIPError) {
    window = Window(layer)
    channels = layer.inputs
    let bias = try layer.bias.map { (bias) throws(CLIPError) in
      try Parameters(bias, named: "\(name).bias", compute)
    }
    let gain = try layer.gain.map { (gain) throws(CLIPError) in
      try Parameters(gain, named: "\(name).gain", compute)
    }
    weights = unsafe try Convolution.withWindows(layer.weight) { (type, base, strides) throws(CLIPError) in
      let source = unsafe WeightSource(
        base: base, type: type, inputStride: strides[1], tapStride: strides[3], outputStride: strides[0],
        outputs: layer.outputs, gain: gain?.pointer)
      let taps = layer.kernel * layer.kernel
      return try converting { () throws(KernelError) in
        unsafe try compute.pack(
          inputs: taps * layer.inputs, taps: taps, sources: [source], bias: bias?.pointer)
      }
    }
    layer.weight.discard()
    guard weights.isFinite else { throw notFinite(name) }
  }

  /// Calls `body` with the address and strides of weights [output][channel][y][x] whose taps follow each other, row by
  /// row: as the file has them, or in a copy.
  private static func withWindows<R>(
    _ weight: Weight, _ body: (Kernels.ElementType, UnsafeRawPointer, [Int]) throws(CLIPError) -> R
  ) throws(CLIPError) -> R {
    if weight.strides[2] == weight.shape[3] * weight.strides[3] {
      return try unsafe weight.withBytes { (base) throws(CLIPError) in
        unsafe try body(Kernels.ElementType(weight.kind), base, weight.strides)
      }
    }
    let values = try converting { () throws(ImportError) in try weight.floats() }
    let taps = weight.shape[2] * weight.shape[3]
    let strides = [weight.shape[1] * taps, taps, weight.shape[3], 1]
    return try unsafe values.withUnsafeBufferPointer { (floats) throws(CLIPError) in
      guard let base = floats.baseAddress else {
        throw CLIPError(.invalidData, "A convolution has no weights. Export the model again.")
      }
      return unsafe try body(.float32, UnsafeRawPointer(base), strides)
    }
  }

  /// `x` (count · side², channels) to `y` (count · outputSide², outputs).
  func callAsFunction(
    _ x: FeatureMaps, into y: MatrixView, _ compute: Compute, _ epilogue: Epilogue = Epilogue()
  ) throws(CLIPError) {
    try converting { () throws(KernelError) in
      // A window of one pixel is a row of x as it is.
      if window.kernel == 1 && window.stride == 1 && window.padding == 0 {
        try compute.linear(x.view, weights, into: y, epilogue)
      } else {
        try compute.convolve(Pictures(x.view, side: x.side), window, weights, into: y, epilogue)
      }
    }
  }

  /// The same for `pixels` (count, channels, side, side).
  func callAsFunction(
    _ pixels: UnsafePointer<Float>, count: Int, side: Int, into y: MatrixView, _ compute: Compute,
    _ epilogue: Epilogue = Epilogue()
  ) throws(CLIPError) {
    let pictures = unsafe Pictures(planes: pixels, count: count, channels: channels, side: side)
    try converting { () throws(KernelError) in
      try compute.convolve(pictures, window, weights, into: y, epilogue)
    }
  }
}

extension Window {
  init(_ layer: ONNXImport.Convolution) {
    self.init(kernel: layer.kernel, stride: layer.stride, padding: layer.padding)
  }
}
