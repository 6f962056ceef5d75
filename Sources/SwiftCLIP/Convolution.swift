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
    let inputs = layer.kernel * layer.kernel * layer.inputs
    let ordered = try Convolution.channelsLast(layer, named: name, compute)
    let source = unsafe WeightSource(
      base: UnsafeRawPointer(ordered.pointer), type: .float32, inputStride: 1, outputStride: inputs,
      outputs: layer.outputs)
    weights = try converting { () throws(KernelError) in
      unsafe try compute.pack(inputs: inputs, sources: [source], bias: bias?.pointer)
    }
    guard weights.isFinite else { throw notFinite(name) }
  }

  /// The weights [output][y][x][channel], times each output's gain: the order in which windows are read.
  private static func channelsLast(
    _ layer: ONNXImport.Convolution, named name: String, _ compute: Compute
  ) throws(CLIPError) -> AlignedStorage {
    let stored = try Parameters(layer.weight, named: name, compute)  // [output][channel][y][x]
    let gain = try layer.gain.map { (gain) throws(CLIPError) in
      try Parameters(gain, named: "\(name).gain", compute)
    }
    let ordered = try AlignedStorage(count: stored.count)
    let (channels, taps) = (layer.inputs, layer.kernel * layer.kernel)
    // Each output's weights are written by one thread.
    compute.parallel(layer.outputs) { output in
      let factor = unsafe gain?.pointer[output] ?? 1
      let source = unsafe stored.row(output, width: channels * taps)
      let target = unsafe ordered.pointer + output * channels * taps
      for tap in 0..<taps {
        for channel in 0..<channels {
          unsafe target[tap * channels + channel] = source[channel * taps + tap] * factor
        }
      }
    }
    return ordered
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
