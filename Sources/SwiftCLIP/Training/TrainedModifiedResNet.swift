import Kernels

/// The paper's image encoder in its ResNet form (see ModifiedResNet), that learns.
final class TrainedModifiedResNet: TrainedImageTower {
  private let imageSize: Int
  private let stem: [TrainedConvolutionUnit]  // the first of stride 2; means of 2 × 2 pixels end it
  private let blocks: [TrainedBottleneck]
  private let attentionPool: TrainedAttentionPool
  /// Floats of one picture's largest map.
  private let largestMap: Int

  /// - Parameters:
  ///   - blocks: of the four stages.
  ///   - width: channels after the stem; even.
  init(
    _ layout: inout ParameterLayout, embedDim: Int, imageSize: Int, blocks counts: [Int], width: Int,
    heads: Int
  ) {
    self.imageSize = imageSize
    var side = imageSize / 2
    var largest = 0
    func measure(_ channels: Int) { largest = max(largest, side * side * channels) }

    stem = [(3, width / 2, 2), (width / 2, width / 2, 1), (width / 2, width, 1)].enumerated().map {
      (index, shape) in
      measure(shape.1)
      return TrainedConvolutionUnit(
        &layout, convolution: "visual.conv\(index + 1)", norm: "visual.bn\(index + 1)", shape.0, shape.1,
        kernel: 3, stride: shape.2)
    }
    side /= 2
    var channels = width
    var blocks: [TrainedBottleneck] = []
    for (stage, count) in counts.enumerated() {
      for index in 0..<count {
        let planes = width << stage
        let isPooled = stage > 0 && index == 0
        measure(max(channels, planes))
        blocks.append(
          TrainedBottleneck(
            &layout, named: "visual.layer\(stage + 1).\(index)", inputs: channels, planes: planes,
            isPooled: isPooled))
        channels = 4 * planes
        if isPooled { side /= 2 }
        measure(channels)
      }
    }
    self.blocks = blocks
    attentionPool = TrainedAttentionPool(
      &layout, named: "visual.attnpool", side: side, width: channels, heads: heads, embedDim: embedDim)
    largestMap = largest
  }

  func initialise(_ store: ParameterStore, _ random: inout SeededRandom) {
    for unit in stem { unit.initialise(store, &random) }
    for block in blocks { block.initialise(store, &random) }
    attentionPool.initialise(store, &random)
  }

  /// BatchNorm takes its statistics from all pictures.
  var picturesPerPass: Int? { nil }

  func forward(
    _ pixels: UnsafePointer<Float>, count: Int, into embeddings: MatrixView, _ pass: TrainingPass
  ) throws(CLIPError) -> Pullback {
    let pictures = unsafe Pictures(planes: pixels, count: count, channels: 3, side: imageSize)
    var raws: [TrainedConvolutionUnit.Raw] = []
    var records: [TrainedBottleneck.Record] = []
    let pooled = try pass.withScratch { () throws(CLIPError) in
      let slots = try ResNetSlots(count: count, floats: largestMap, pass)
      for (index, unit) in stem.enumerated() {
        if index == 0 {
          raws.append(try unit.forward(pictures, count: count, side: imageSize, pass))
        } else {
          let x = stem[index - 1].output(raws[index - 1], isPooled: false, in: slots.activations, pass)
          raws.append(try unit.forward(x, count: count, pass))
        }
      }
      var x = try stemResult(raws[raws.count - 1], pass)
      for block in blocks {
        records.append(try block.forward(x, count: count, slots, pass))
        x = records[records.count - 1].y
      }
      return try attentionPool.forward(x, count: count, into: embeddings, pass)
    }
    return { [self] dResult throws(CLIPError) in
      try pass.withScratch { () throws(CLIPError) in
        let slots = try ResNetSlots(count: count, floats: largestMap, pass)
        let last = records[records.count - 1].y
        let learn = lowestLearning(pass)
        let dx =
          learn <= stem.count + blocks.count - 1
          ? slots.trunk.maps(side: last.side, channels: last.view.columns).view : nil
        try attentionPool.backward(dResult, pooled, count: count, into: dx, pass)
        for index in blocks.indices.reversed() where learn <= stem.count + index {
          try blocks[index].backward(
            records[index], wantsInput: learn < stem.count + index, slots, pass)
        }
        try backwardStem(raws, pictures, learn, slots, pass)
      }
    }
  }

  /// Means of 2 × 2 pixels, on the tape.
  private func stemResult(
    _ raw: TrainedConvolutionUnit.Raw, _ pass: TrainingPass
  ) throws(CLIPError) -> FeatureMaps {
    let y = try pass.tape.matrix(raw.view.rows / 4, raw.view.columns)
    pass.compute.halve(raw.view, side: raw.maps.side, raw.statistics.norm, into: y)
    return FeatureMaps(view: y, side: raw.maps.side / 2)
  }

  /// The first of the stem's convolutions and the blocks that learns: the way back ends there.
  private func lowestLearning(_ pass: TrainingPass) -> Int {
    stem.firstIndex { $0.trains(pass) }
      ?? blocks.firstIndex { $0.trains(pass) }.map { stem.count + $0 } ?? stem.count + blocks.count
  }

  /// From the gradient of the stem's result, in the trunk's slot.
  private func backwardStem(
    _ raws: [TrainedConvolutionUnit.Raw], _ pictures: Pictures, _ lowest: Int, _ slots: ResNetSlots,
    _ pass: TrainingPass
  ) throws(CLIPError) {
    for index in stem.indices.reversed() where lowest <= index {
      let (unit, raw) = (stem[index], raws[index])
      let isLast = index == stem.count - 1
      let slot = isLast ? slots.trunk : slots.branch
      let dy = slot.maps(side: isLast ? raw.maps.side / 2 : raw.maps.side, channels: raw.view.columns)
      try unit.backward(dy.view, raw, pass)
      guard index > 0 else { return try unit.convolution.accumulate(raw.view, pictures, pass) }
      let x = stem[index - 1].output(raws[index - 1], isPooled: false, in: slots.activations, pass)
      try unit.convolution.accumulate(raw.view, x, pass)
      guard lowest < index else { return }
      let dx = slots.branch.maps(side: x.side, channels: x.view.columns)
      try unit.convolution.backward(raw.maps, into: dx.view, pass)
    }
  }
}
