import Counters
import Kernels
import ONNXImport

/// A residual block of a Modified ResNet:
///
///     x = relu(conv3(pool(relu(conv2(relu(conv1(x)))))) + downsample(x))
///
/// Its stride is anti-aliased: an average pool after a convolution of stride 1, in the shortcut too.
struct Bottleneck: Sendable {
  let conv1: Convolution  // 1 × 1
  let conv2: Convolution  // 3 × 3
  let conv3: Convolution  // 1 × 1
  /// 1 × 1, of the shortcut; nil where x itself is added.
  let downsample: Convolution?
  /// Side and stride of the average pools; 1: none.
  let stride: Int
  var convolutions: [Convolution] { [conv1, conv2, conv3] + (downsample.map { [$0] } ?? []) }

  init(_ block: ONNXImport.Bottleneck, named name: String, _ compute: Compute) throws(CLIPError) {
    conv1 = try Convolution(block.conv1, named: "\(name).conv1", compute)
    conv2 = try Convolution(block.conv2, named: "\(name).conv2", compute)
    conv3 = try Convolution(block.conv3, named: "\(name).conv3", compute)
    downsample = try block.downsample.map { (shortcut) throws(CLIPError) in
      try Convolution(shortcut.conv, named: "\(name).downsample", compute)
    }
    stride = block.pool
  }

  /// The block's result, which lies where `x` lay or in the workspace's other trunk.
  func callAsFunction(
    _ x: FeatureMaps, count: Int, _ workspace: borrowing ResNetWorkspace, _ compute: Compute
  ) throws(CLIPError) -> FeatureMaps {
    let (side, outputSide) = (x.side, x.side / stride)
    let relu = Epilogue(activation: .relu)

    let narrow = workspace.branch(0, side: side, channels: conv1.outputs)
    Counters.enter(.pointwise)
    try conv1(x, into: narrow.view, compute, relu)
    var branch = workspace.branch(1, side: side, channels: conv2.outputs)
    Counters.enter(.convolution)
    try conv2(narrow, into: branch.view, compute, relu)
    if stride > 1 {
      let pooled = workspace.branch(0, side: outputSide, channels: conv2.outputs)
      Counters.enter(.averagePool)
      compute.averagePool(branch.view, side: side, pool: stride, into: pooled.view)
      branch = pooled
    }
    guard let downsample else {
      Counters.enter(.pointwise)
      try conv3(branch, into: x.view, compute, Epilogue(activation: .relu, residual: x.view))
      return x
    }

    var shortcut = x
    if stride > 1 {
      shortcut = workspace.branch(1, side: outputSide, channels: x.view.columns)
      Counters.enter(.averagePool)
      compute.averagePool(x.view, side: side, pool: stride, into: shortcut.view)
    }
    let y = workspace.trunk(besides: x, side: outputSide, channels: conv3.outputs)
    Counters.enter(.pointwise)
    try downsample(shortcut, into: y.view, compute)
    try conv3(branch, into: y.view, compute, Epilogue(activation: .relu, residual: y.view))
    return y
  }

  /// Makes room for what a block computes from maps of this side and returns its result's side.
  static func measure(
    _ block: ONNXImport.Bottleneck, named name: String, _ room: inout ResNetWorkspace.Room, side: Int
  ) throws(CLIPError) -> Int {
    guard block.downsample?.pool ?? 1 == block.pool else {
      throw CLIPError(
        .unsupported,
        "\(name) pools by \(block.pool) and its shortcut by \(block.downsample?.pool ?? 1). A Modified ResNet pools both alike."
      )
    }
    let outputSide = side / block.pool
    try room.branch(side: side, channels: block.conv1.outputs)
    try room.branch(side: side, channels: block.conv2.outputs)
    if block.pool > 1 { try room.branch(side: outputSide, channels: block.conv1.inputs) }
    try room.trunk(side: outputSide, channels: block.conv3.outputs)
    return outputSide
  }
}
