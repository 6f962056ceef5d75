import Kernels

/// A residual block of a Modified ResNet that learns:
///
///     x = relu(conv3(pool(relu(conv1, conv2 (x)))) + downsample(pool(x)))
///
/// each convolution with its BatchNorm.
final class TrainedBottleneck {
  let conv1: TrainedConvolutionUnit  // 1 × 1
  let conv2: TrainedConvolutionUnit  // 3 × 3
  let conv3: TrainedConvolutionUnit  // 1 × 1
  /// 1 × 1, of the shortcut; nil where x itself is added.
  let downsample: TrainedConvolutionUnit?
  /// Whether means of 2 × 2 pixels follow conv2 and begin the shortcut.
  let isPooled: Bool
  let outputs: Int

  init(
    _ layout: inout ParameterLayout, named name: String, inputs: Int, planes: Int, isPooled: Bool
  ) {
    func unit(
      _ layout: inout ParameterLayout, _ index: Int, _ inputs: Int, _ outputs: Int, _ kernel: Int
    ) -> TrainedConvolutionUnit {
      TrainedConvolutionUnit(
        &layout, convolution: "\(name).conv\(index)", norm: "\(name).bn\(index)", inputs, outputs,
        kernel: kernel)
    }
    self.isPooled = isPooled
    outputs = 4 * planes
    conv1 = unit(&layout, 1, inputs, planes, 1)
    conv2 = unit(&layout, 2, planes, planes, 3)
    conv3 = unit(&layout, 3, planes, outputs, 1)
    downsample =
      isPooled || inputs != outputs
      ? TrainedConvolutionUnit(
        &layout, convolution: "\(name).downsample.0", norm: "\(name).downsample.1", inputs, outputs) : nil
  }

  /// The last gain is zero: at first a block is its shortcut.
  func initialise(_ store: ParameterStore, _ random: inout SeededRandom) {
    conv1.initialise(store, &random)
    conv2.initialise(store, &random)
    conv3.initialise(store, &random, gain: 0)
    downsample?.initialise(store, &random)
  }

  func trains(_ pass: TrainingPass) -> Bool {
    conv1.trains(pass) || conv2.trains(pass) || conv3.trains(pass) || downsample?.trains(pass) ?? false
  }

  /// What the way back reads, on the tape.
  struct Record {
    let x, y: FeatureMaps
    let raw1, raw2, raw3: TrainedConvolutionUnit.Raw
    let shortcut: TrainedConvolutionUnit.Raw?
  }

  func forward(
    _ x: FeatureMaps, count: Int, _ slots: ResNetSlots, _ pass: TrainingPass
  ) throws(CLIPError) -> Record {
    let raw1 = try conv1.forward(x, count: count, pass)
    let narrow = conv1.output(raw1, isPooled: false, in: slots.activations, pass)
    let raw2 = try conv2.forward(narrow, count: count, pass)
    let branch = conv2.output(raw2, isPooled: isPooled, in: slots.activations, pass)
    let raw3 = try conv3.forward(branch, count: count, pass)
    let y = FeatureMaps(view: try pass.tape.matrix(raw3.view.rows, outputs), side: raw3.maps.side)
    var shortcut: TrainedConvolutionUnit.Raw?
    if let downsample {
      let made = try downsample.forward(shortcutInput(x, slots.branch, pass), count: count, pass)
      pass.compute.rectifySum(
        raw3.view, raw3.statistics.norm, made.view, made.statistics.norm, into: y.view)
      shortcut = made
    } else {
      pass.compute.rectifySum(raw3.view, raw3.statistics.norm, x.view, nil, into: y.view)
    }
    return Record(x: x, y: y, raw1: raw1, raw2: raw2, raw3: raw3, shortcut: shortcut)
  }

  private func shortcutInput(
    _ x: FeatureMaps, _ slot: ResNetSlots.Slot, _ pass: TrainingPass
  ) -> FeatureMaps {
    guard isPooled else { return x }
    let pooled = slot.maps(side: x.side / 2, channels: x.view.columns)
    pass.compute.halve(x.view, side: x.side, nil, into: pooled.view)
    return pooled
  }

  /// From the gradient of the result, in the trunk's slot, to that of x, in the same slot if it is wanted.
  func backward(
    _ record: Record, wantsInput: Bool, _ slots: ResNetSlots, _ pass: TrainingPass
  ) throws(CLIPError) {
    try backwardJoint(record, slots.trunk.maps(side: record.y.side, channels: outputs).view, pass)

    let branch = conv2.output(record.raw2, isPooled: isPooled, in: slots.activations, pass)
    try conv3.convolution.accumulate(record.raw3.view, branch, pass)
    let dBranch = slots.branch.maps(side: branch.side, channels: branch.view.columns)
    try conv3.convolution.backward(record.raw3.maps, into: dBranch.view, pass)

    try conv2.backward(dBranch.view, record.raw2, pass)
    let narrow = conv1.output(record.raw1, isPooled: false, in: slots.activations, pass)
    try conv2.convolution.accumulate(record.raw2.view, narrow, pass)
    let dNarrow = slots.branch.maps(side: narrow.side, channels: narrow.view.columns)
    try conv2.convolution.backward(record.raw2.maps, into: dNarrow.view, pass)

    try conv1.backward(dNarrow.view, record.raw1, pass)
    try conv1.convolution.accumulate(record.raw1.view, record.x, pass)
    try backwardInput(record, wantsInput: wantsInput, slots, pass)
  }

  /// Through the last ReLU and the norms before it.
  private func backwardJoint(_ record: Record, _ dy: MatrixView, _ pass: TrainingPass) throws(CLIPError) {
    try pass.withScratch { () throws(CLIPError) in
      let (raw, pixels) = (record.raw3, record.raw3.view.rows)
      let sums = NormSums(try pass.scratch.matrix(2, outputs))
      if let downsample, let shortcut = record.shortcut {
        let shortcutSums = NormSums(try pass.scratch.matrix(2, outputs))
        try converting { () throws(KernelError) in
          try pass.compute.joinedSums(
            output: record.y.view, inPlace: dy, raw.view, raw.statistics.norm, into: sums,
            shortcut: shortcut.view, shortcut.statistics.norm, into: shortcutSums)
        }
        let offsets = try downsample.norm.offsets(shortcutSums, shortcut.statistics, pixels: pixels, pass)
        pass.compute.normGradient(inPlace: shortcut.view, shortcut.statistics.norm, dy, offsets)
      } else {
        try converting { () throws(KernelError) in
          try pass.compute.joinedSums(
            output: record.y.view, inPlace: dy, raw.view, raw.statistics.norm, into: sums)
        }
      }
      let offsets = try conv3.norm.offsets(sums, raw.statistics, pixels: pixels, pass)
      pass.compute.normGradient(inPlace: raw.view, raw.statistics.norm, dy, offsets)
    }
  }

  /// The gradient of x: what comes through conv1 and the shortcut.
  private func backwardInput(
    _ record: Record, wantsInput: Bool, _ slots: ResNetSlots, _ pass: TrainingPass
  ) throws(CLIPError) {
    let x = record.x
    let dx = slots.trunk.maps(side: x.side, channels: x.view.columns)
    guard let downsample, let shortcut = record.shortcut else {
      // The trunk's slot holds the shortcut's share already.
      guard wantsInput else { return }
      return try conv1.convolution.backward(record.raw1.maps, into: dx.view, pass, residual: dx.view)
    }
    try downsample.convolution.accumulate(
      shortcut.view, shortcutInput(x, slots.activations, pass), pass)
    guard wantsInput else { return }
    try conv1.convolution.backward(record.raw1.maps, into: dx.view, pass)
    guard isPooled else {
      return try downsample.convolution.backward(shortcut.maps, into: dx.view, pass, residual: dx.view)
    }
    let pooled = slots.branch.maps(side: x.side / 2, channels: x.view.columns)
    try downsample.convolution.backward(shortcut.maps, into: pooled.view, pass)
    pass.compute.addHalvingGradient(pooled.view, side: x.side, to: dx.view)
  }
}
