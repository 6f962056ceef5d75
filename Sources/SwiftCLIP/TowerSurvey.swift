import Kernels
import ONNXImport

/// What a look at every weight of a tower tells. Weights are looked at in the order in which opening the model packs
/// them, so that a damaged one is told in the same words.
struct TowerSurvey {
  /// Numbers that the tower computes with.
  private(set) var parameters = 0
  /// Whether every matrix that is stored in single precision holds numbers that float16 can hold; nil where no matrix is.
  private(set) var isExactlyHalf: Bool?
  private let compute: Compute
  private var state: UInt64 = 0xcbf2_9ce4_8422_2325
  /// Of a tower: 64 GB in float32.
  private static let mostParameters = 1 << 34

  /// Stands for what the tower computes: its weights, and what it does with them.
  var digest: String {
    let hex = String(state, radix: 16)
    return String(repeating: "0", count: 16 - hex.utf8.count) + hex
  }

  private mutating func add(_ value: UInt64) {
    // The step of a multiplicative congruential generator, with its high bits brought down.
    state = (state ^ value) &* 0xd6e8_feb8_6659_fd93
    state ^= state >> 32
  }

  private mutating func add(_ value: Int) { add(UInt64(bitPattern: Int64(value))) }

  private mutating func add(_ weight: Weight, _ name: String) throws(CLIPError) {
    let (sum, overflow) = parameters.addingReportingOverflow(weight.count)
    // Broadcast constants cost a file nothing, but opening it memory, and this time.
    guard !overflow, sum <= TowerSurvey.mostParameters else {
      throw KernelError.outOfMemory(bytes: weight.count * MemoryLayout<Float>.size).told
    }
    parameters = sum
    try checkStop()
    let survey = unsafe weight.withBytes { (base) in
      unsafe WeightSurvey(
        base, ElementType(weight.kind), shape: weight.shape, strides: weight.strides, compute)
    }
    weight.discard()
    guard survey.isFinite else { throw notFinite(name) }
    if weight.kind == .float32, weight.shape.count > 1 {
      isExactlyHalf = isExactlyHalf ?? true && survey.isExactlyHalf
    }
    for size in weight.shape { add(size) }
    add(survey.digest)
  }

  private mutating func add(_ weight: Weight?, _ name: String) throws(CLIPError) {
    guard let weight else { return add(0) }
    try add(weight, name)
  }

  private mutating func add(_ norm: Norm?, _ name: String) throws(CLIPError) {
    guard let norm else { return add(0) }
    try add(norm.gain, "\(name).gain")
    try add(norm.bias, "\(name).bias")
    add(UInt64(norm.epsilon.bitPattern))
  }

  /// Maps that are packed side by side.
  private mutating func add(_ maps: [ONNXImport.Linear], _ name: String) throws(CLIPError) {
    for map in maps { try add(map.bias, "\(name).bias") }
    for map in maps { try add(map.weight, name) }
  }

  private mutating func add(_ layer: ONNXImport.Convolution?, _ name: String) throws(CLIPError) {
    guard let layer else { return add(0) }
    for number in [layer.stride, layer.padding, layer.kernel] { add(number) }
    try add(layer.bias, "\(name).bias")
    try add(layer.weight, name)
    try add(layer.gain, "\(name).gain")
  }

  /// A scale that is 1/√headWidth but for rounding is that.
  private mutating func add(heads: Int, width: Int, scale: Float) {
    add(heads)
    add(width)
    let relative = scale * Float(width).squareRoot()
    add(abs(relative - 1) < 1e-5 ? 0 : UInt64(scale.bitPattern))
  }

  private mutating func add(_ blocks: [ONNXImport.ResidualAttentionBlock], _ name: String) throws(CLIPError) {
    add(blocks.count)
    for (index, block) in blocks.enumerated() {
      let name = "\(name).\(index)"
      let keyValue = [block.key, block.value]
      add(heads: block.heads, width: block.headWidth, scale: block.scale)
      add(block.causal ? 1 : 0)
      add(block.activation == .quickGELU ? 1 : 2)
      try add(block.attentionNorm, "\(name).ln_1")
      // The last block's query is packed by itself.
      let isLast = index == blocks.count - 1
      try add(isLast ? keyValue : [block.query] + keyValue, "\(name).attention.qkv")
      if isLast { try add([block.query], "\(name).attention.q") }
      try add([block.output], "\(name).attention.out")
      try add(block.mlpNorm, "\(name).ln_2")
      try add([block.up], "\(name).mlp.up")
      try add([block.down], "\(name).mlp.down")
    }
  }
}

extension TowerSurvey {
  init(_ tower: ImageTower, _ compute: Compute) throws(CLIPError) {
    self.compute = compute
    switch tower {
    case .visionTransformer(let tower): try add(tower)
    case .modifiedResNet(let tower): try add(tower)
    }
  }

  private mutating func add(_ tower: VisionTransformerTower) throws(CLIPError) {
    try VisionTransformer.check(tower)
    for number in [tower.imageSize, tower.patchSize, tower.normalised ? 1 : 0] { add(number) }
    try add([tower.patchEmbedding], "visual.patch_embedding")
    try add(tower.classToken, "visual.class_token")
    try add(tower.positions, "visual.positions")
    try add(tower.preNorm, "visual.ln_pre")
    try add(tower.blocks, "visual.blocks")
    try add(tower.postNorm, "visual.ln_post")
    try add(tower.projection.map { [$0] } ?? [], "visual.projection")
  }

  private mutating func add(_ tower: ModifiedResNetTower) throws(CLIPError) {
    for number in [tower.imageSize, tower.stages.count, tower.normalised ? 1 : 0] { add(number) }
    for (index, layer) in tower.stem.enumerated() { try add(layer, "visual.conv\(index + 1)") }
    for (stage, blocks) in tower.stages.enumerated() {
      add(blocks.count)
      for (index, block) in blocks.enumerated() {
        let name = "visual.layer\(stage + 1).\(index)"
        add(block.pool)
        try add(block.conv1, "\(name).conv1")
        try add(block.conv2, "\(name).conv2")
        try add(block.conv3, "\(name).conv3")
        try add(block.downsample?.conv, "\(name).downsample")
      }
    }
    let pool = tower.attentionPool
    add(heads: pool.heads, width: pool.headWidth, scale: pool.scale)
    try add(pool.positions, "visual.attnpool.positions")
    try add([pool.query], "visual.attnpool.q")
    try add([pool.key, pool.value], "visual.attnpool.kv")
    try add([pool.output], "visual.attnpool.out")
    _ = try ModifiedResNet.room(tower)
  }

  init(_ tower: TextTower, _ compute: Compute) throws(CLIPError) {
    self.compute = compute
    for number in [tower.contextLength, tower.normalised ? 1 : 0] { add(number) }
    switch tower.pooling {
    case .largest: add(-1)
    case .last: add(-2)
    case .first(let id): add(id)
    }
    try add(tower.tokenEmbedding, "text.token_embedding")
    try add(tower.positions, "text.positions")
    try add(tower.blocks, "text.blocks")
    try add(tower.finalNorm, "text.ln_final")
    try add(tower.projection.map { [$0] } ?? [], "text.projection")
  }
}
