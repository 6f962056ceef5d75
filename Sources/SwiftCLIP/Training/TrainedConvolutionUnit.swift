import Kernels

/// y = relu(BatchNorm(x ∗ W)), what a Modified ResNet is made of. Of the forward pass only the raw sums are kept: y is
/// computed from them again where the way back reads it.
final class TrainedConvolutionUnit {
  let convolution: TrainedConvolution
  let norm: TrainedBatchNorm

  init(
    _ layout: inout ParameterLayout, convolution: String, norm: String, _ channels: Int, _ outputs: Int,
    kernel: Int = 1, stride: Int = 1
  ) {
    self.convolution = TrainedConvolution(
      &layout, named: convolution, channels, outputs,
      Window(kernel: kernel, stride: stride, padding: kernel / 2))
    self.norm = TrainedBatchNorm(&layout, named: norm, outputs)
  }

  func initialise(_ store: ParameterStore, _ random: inout SeededRandom, gain: Float = 1) {
    convolution.initialise(store, &random)
    norm.initialise(store, gain: gain)
  }

  func trains(_ pass: TrainingPass) -> Bool { convolution.trains(pass) || norm.trains(pass) }

  /// Raw sums and their statistics, on the tape. The way back leaves the sums' gradient in their place.
  struct Raw {
    let maps: FeatureMaps
    let statistics: TrainedBatchNorm.Statistics
    var view: MatrixView { maps.view }
  }

  func forward(_ x: FeatureMaps, count: Int, _ pass: TrainingPass) throws(CLIPError) -> Raw {
    let side = convolution.window.outputSide(of: x.side)
    let sums = try pass.tape.matrix(count * side * side, convolution.outputs)
    try convolution.forward(x, into: sums, pass)
    return try raw(sums, side, pass)
  }

  func forward(_ x: Pictures, count: Int, side: Int, _ pass: TrainingPass) throws(CLIPError) -> Raw {
    let side = convolution.window.outputSide(of: side)
    let sums = try pass.tape.matrix(count * side * side, convolution.outputs)
    try convolution.forward(x, into: sums, pass)
    return try raw(sums, side, pass)
  }

  private func raw(_ sums: MatrixView, _ side: Int, _ pass: TrainingPass) throws(CLIPError) -> Raw {
    Raw(maps: FeatureMaps(view: sums, side: side), statistics: try norm.statistics(sums, pass))
  }

  /// relu(norm(raw)), or the means of 2 × 2 pixels of it.
  func output(
    _ raw: Raw, isPooled: Bool, in slot: ResNetSlots.Slot, _ pass: TrainingPass
  ) -> FeatureMaps {
    let y = slot.maps(side: isPooled ? raw.maps.side / 2 : raw.maps.side, channels: raw.view.columns)
    if isPooled {
      pass.compute.halve(raw.view, side: raw.maps.side, raw.statistics.norm, into: y.view)
    } else {
      pass.compute.rectify(raw.view, raw.statistics.norm, into: y.view)
    }
    return y
  }

  /// The way from the gradient of the output, pooled if that was, to that of the raw sums, in the place of these.
  func backward(_ dy: MatrixView, _ raw: Raw, _ pass: TrainingPass) throws(CLIPError) {
    try pass.withScratch { () throws(CLIPError) in
      let (view, side, statistics) = (raw.view, raw.maps.side, raw.statistics)
      let sums = NormSums(try pass.scratch.matrix(2, norm.channels))
      try converting { () throws(KernelError) in
        try pass.compute.rectifiedSums(view, side: side, statistics.norm, dy, into: sums)
      }
      let offsets = try norm.offsets(sums, statistics, pixels: view.rows, pass)
      pass.compute.rectifiedGradient(inPlace: view, side: side, statistics.norm, dy, offsets)
    }
  }
}
