import Counters
import Kernels
import ONNXImport

/// The paper's image encoder in its ResNet form (section 2.4), a ResNet-D with three changes: a stem of three
/// convolutions and an average pool, anti-aliased strides (average pools instead of strided convolutions), and
/// attention pooling at the end.
struct ModifiedResNet: Sendable {
  let imageSize: Int
  let width: Int
  let embedDim: Int

  let stem: [Convolution]  // each followed by ReLU, the first of stride 2
  let stages: [[Bottleneck]]
  let attentionPool: AttentionPool
  let normalised: Bool
  private let room: ResNetWorkspace.Room

  /// Side and stride of the average pool that ends the stem.
  private static let stemPool = 2

  init(_ tower: ModifiedResNetTower, _ compute: Compute) throws(CLIPError) {
    imageSize = tower.imageSize
    width = tower.width
    embedDim = tower.embedDim
    var stem: [Convolution] = []
    for (index, layer) in tower.stem.enumerated() {
      stem.append(try Convolution(layer, named: "visual.conv\(index + 1)", compute))
    }
    var stages: [[Bottleneck]] = []
    for (stage, blocks) in tower.stages.enumerated() {
      var packed: [Bottleneck] = []
      for (index, block) in blocks.enumerated() {
        packed.append(try Bottleneck(block, named: "visual.layer\(stage + 1).\(index)", compute))
      }
      stages.append(packed)
    }
    (self.stem, self.stages) = (stem, stages)
    attentionPool = try AttentionPool(tower.attentionPool, named: "visual.attnpool", compute)
    normalised = tower.normalised
    room = try ModifiedResNet.room(tower)
  }

  /// `pixels` (count, 3, size, size) to `embeddings` (count, embedDim).
  func callAsFunction(
    _ pixels: UnsafePointer<Float>, count: Int, into embeddings: UnsafeMutablePointer<Float>,
    _ compute: Compute
  ) throws(CLIPError) {
    defer { Counters.enter(.outside) }
    Counters.enter(.stem)
    let workspace = try ResNetWorkspace(count: count, room)
    var x = unsafe try stem(pixels, count: count, workspace, compute)  // (count · side², width)
    for stage in stages {
      for block in stage {
        x = try block(x, count: count, workspace, compute)
      }
    }
    let result = unsafe MatrixView(pointer: embeddings, rows: count, columns: embedDim, stride: embedDim)
    try attentionPool(x, count: count, into: result, compute)
    if normalised { normaliseRows(result) }
  }

  /// The convolutions write to the branches in turn, so that the pool's result is the first trunk.
  private func stem(
    _ pixels: UnsafePointer<Float>, count: Int, _ workspace: borrowing ResNetWorkspace, _ compute: Compute
  ) throws(CLIPError) -> FeatureMaps {
    let relu = Epilogue(activation: .relu)
    var x: FeatureMaps?
    for (index, layer) in stem.enumerated() {
      let side = layer.window.outputSide(of: x?.side ?? imageSize)
      let y = workspace.branch(index % 2, side: side, channels: layer.outputs)
      if let x {
        try layer(x, into: y.view, compute, relu)
      } else {
        unsafe try layer(pixels, count: count, side: imageSize, into: y.view, compute, relu)
      }
      x = y
    }
    guard let x else { throw CLIPError(.unsupported, "The image encoder has a stem without convolutions.") }
    let side = x.side / ModifiedResNet.stemPool
    let pooled = workspace.trunk(0, side: side, channels: x.view.columns)
    compute.averagePool(x.view, side: x.side, pool: ModifiedResNet.stemPool, into: pooled.view)
    return pooled
  }

  /// Room for the activations of one picture. Each layer must fit the one before it: the kernels do not ask.
  static func room(_ tower: ModifiedResNetTower) throws(CLIPError) -> ResNetWorkspace.Room {
    var room = ResNetWorkspace.Room()
    var side = tower.imageSize
    var channels = 3
    for layer in tower.stem {
      guard layer.inputs == channels else { throw misfit(channels, layer.inputs) }
      side = Window(layer).outputSide(of: side)
      channels = layer.outputs
      try room.branch(side: side, channels: channels)
    }
    side /= stemPool
    try room.trunk(side: side, channels: channels)
    for (stage, blocks) in tower.stages.enumerated() {
      for (index, block) in blocks.enumerated() {
        guard block.conv1.inputs == channels else { throw misfit(channels, block.conv1.inputs) }
        side = try Bottleneck.measure(block, named: "visual.layer\(stage + 1).\(index)", &room, side: side)
        channels = block.conv3.outputs
      }
    }
    let pool = tower.attentionPool
    guard channels == pool.width else { throw misfit(channels, pool.width) }
    guard side * side + 1 == pool.tokens else { throw misfit(side * side + 1, pool.tokens) }
    return room
  }

  private static func misfit(_ made: Int, _ read: Int) -> CLIPError {
    CLIPError(
      .unsupported,
      "The image encoder is a Modified ResNet whose layers do not fit: one makes \(made) channels or places, the next reads \(read). Give a model for colour pictures, exported whole."
    )
  }
}

extension ModifiedResNet {
  /// Pictures whose activations take 64 MB, but at least one: the widest lie at the stem's resolution.
  var imagesPerPass: Int { max(1, (1 << 24) / max(1, room.total)) }
}
