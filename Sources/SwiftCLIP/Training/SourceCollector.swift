import ONNXImport

/// Takes recognised towers apart into parameters of the official code, and refuses what that code has no place for.
struct SourceCollector {
  private(set) var sources: [String: PretrainedModel.Source] = [:]
  /// Of all blocks; the official code has one for both towers.
  private(set) var activation: Activation?

  func refusal(_ what: String) -> CLIPError {
    CLIPError(
      .unsupported,
      "The model opens, but cannot be trained: \(what). Train a model as the official code builds it, or one that swiftclip exported."
    )
  }

  // MARK: Parameters

  mutating func add(_ name: String, _ weight: Weight) {
    sources[name] = PretrainedModel.Source(shape: weight.shape, parts: [.weight(weight, factor: 1)])
  }

  private mutating func add(_ name: String, rows shape: [Int], _ parts: [PretrainedModel.Source.Part]) {
    sources[name] = PretrainedModel.Source(shape: shape, parts: parts)
  }

  /// Biases of maps side by side; zeros for those that have none.
  private func biases(
    _ maps: [(ONNXImport.Linear, factor: Float)]
  ) -> [PretrainedModel.Source.Part] {
    maps.map { map, factor in map.bias.map { .weight($0, factor: factor) } ?? .zeros(map.weight.shape[1]) }
  }

  /// Affine maps below each other, each (outputs, inputs), as one matrix and one bias.
  private mutating func add(
    weight: String, bias: String, _ maps: [(ONNXImport.Linear, factor: Float)]
  ) {
    let outputs = maps.reduce(0) { $0 + $1.0.weight.shape[1] }
    add(
      weight, rows: [outputs, maps.first?.0.weight.shape[0] ?? 0],
      maps.map { map, factor in .weight(map.weight.transposed, factor: factor) })
    add(bias, rows: [outputs], biases(maps))
  }

  private mutating func add(_ name: String, _ map: ONNXImport.Linear, factor: Float = 1) {
    add(weight: "\(name).weight", bias: "\(name).bias", [(map, factor)])
  }

  /// A matrix (inputs, outputs) without bias.
  private mutating func add(projection name: String, _ map: ONNXImport.Linear?) throws(CLIPError) {
    guard let map else { throw refusal("it has no \(name), the projection into the common space") }
    guard map.bias == nil else {
      throw refusal("its \(name) has a bias, which the official projection lacks")
    }
    add(name, map.weight)
  }

  private mutating func add(_ name: String, _ norm: Norm?) throws(CLIPError) {
    guard let norm else { throw refusal("it has no \(name)") }
    guard abs(norm.epsilon - TrainedLayerNorm.epsilon) < 1e-9 else {
      throw refusal("\(name) adds \(norm.epsilon) to its variance, and the trainer knows 1e-5 only")
    }
    add("\(name).weight", norm.gain)
    add("\(name).bias", norm.bias)
  }

  /// What queries are multiplied by so that the official 1/√headWidth does the rest; 1 where they differ by rounding.
  private func queryFactor(_ scale: Float, _ headWidth: Int) -> Float {
    let factor = scale * Float(headWidth).squareRoot()
    return abs(factor - 1) < 1e-5 ? 1 : factor
  }

  // MARK: Towers

  private mutating func add(
    _ blocks: [ONNXImport.ResidualAttentionBlock], _ name: String, causal: Bool
  ) throws(CLIPError) {
    for (layer, block) in blocks.enumerated() {
      let name = "\(name).resblocks.\(layer)"
      guard block.causal == causal else {
        throw refusal("the attention of \(name) is \(block.causal ? "" : "not ")causal")
      }
      guard block.heads == blocks.first?.heads else {
        throw refusal("\(name) has other heads than the first")
      }
      guard block.activation == activation ?? block.activation else {
        throw refusal("\(name) has another activation than what comes before; both towers must have one")
      }
      activation = block.activation
      try add("\(name).ln_1", block.attentionNorm)
      add(
        weight: "\(name).attn.in_proj_weight", bias: "\(name).attn.in_proj_bias",
        [(block.query, queryFactor(block.scale, block.headWidth)), (block.key, 1), (block.value, 1)])
      add("\(name).attn.out_proj", block.output)
      try add("\(name).ln_2", block.mlpNorm)
      add("\(name).mlp.c_fc", block.up)
      add("\(name).mlp.c_proj", block.down)
    }
  }

  mutating func collect(_ tower: TextTower) throws(CLIPError) {
    switch tower.pooling {
    // The end of text has the largest id.
    case .largest, .first(tower.vocabularySize - 1): break
    case .first(let id):
      throw refusal("a text is read at token \(id), which is not the last of the vocabulary")
    case .last: throw refusal("a text is read at its last position instead of at its end")
    }
    add("token_embedding.weight", tower.tokenEmbedding)
    add("positional_embedding", tower.positions)
    try add(tower.blocks, "transformer", causal: true)
    try add("ln_final", tower.finalNorm)
    try add(projection: "text_projection", tower.projection)
  }

  mutating func collect(_ tower: ImageTower) throws(CLIPError) -> Architecture.Vision {
    switch tower {
    case .visionTransformer(let tower): try collect(tower)
    case .modifiedResNet(let tower): try collect(tower)
    }
  }

  private mutating func collect(
    _ tower: VisionTransformerTower
  ) throws(CLIPError) -> Architecture.Vision {
    try VisionTransformer.check(tower)
    let patch = tower.patchSize
    guard tower.patchEmbedding.bias == nil else {
      throw refusal("its patch embedding has a bias, which the official one lacks")
    }
    add(
      "visual.conv1.weight", rows: [tower.width, 3, patch, patch],
      [.weight(tower.patchEmbedding.weight.transposed, factor: 1)])
    add("visual.class_embedding", tower.classToken)
    add("visual.positional_embedding", tower.positions)
    try add("visual.ln_pre", tower.preNorm)
    try add(tower.blocks, "visual.transformer", causal: false)
    try add("visual.ln_post", tower.postNorm)
    try add(projection: "visual.proj", tower.projection)
    return .transformer(
      layers: tower.blocks.count, width: tower.width, patch: patch, heads: tower.blocks.first?.heads ?? 0)
  }

  // MARK: Modified ResNet

  private mutating func add(
    _ name: String, _ norm: String, _ layer: ONNXImport.Convolution
  ) throws(CLIPError) {
    guard let statistics = layer.norm else {
      throw CLIPError(
        .unsupported,
        "The model opens, but cannot be trained: its exporter folded the BatchNorm \(norm) into \(name). Export it again with BatchNorms of their own: torch.onnx.export(model.eval(), ..., dynamo=False, training=torch.onnx.TrainingMode.PRESERVE), or swiftclip's own export."
      )
    }
    guard abs(statistics.epsilon - TowerGraph.batchNormEpsilon) < 1e-9 else {
      throw refusal("\(norm) adds \(statistics.epsilon) to its variance, and the trainer knows 1e-5 only")
    }
    add("\(name).weight", layer.weight)
    add("\(norm).weight", statistics.gain)
    add("\(norm).bias", statistics.bias)
    add("\(norm).running_mean", statistics.mean)
    add("\(norm).running_var", statistics.variance)
  }

  private mutating func collect(_ tower: ModifiedResNetTower) throws(CLIPError) -> Architecture.Vision {
    _ = try ModifiedResNet.room(tower)
    guard tower.stages.count == 4 else {
      throw refusal(
        "its ResNet has \(tower.stages.count) stages with a shortcut convolution of their own, not four")
    }
    for (index, layer) in tower.stem.enumerated() {
      try add("visual.conv\(index + 1)", "visual.bn\(index + 1)", layer)
    }
    for (stage, blocks) in tower.stages.enumerated() {
      for (index, block) in blocks.enumerated() {
        let name = "visual.layer\(stage + 1).\(index)"
        let stride = stage > 0 && index == 0 ? 2 : 1
        guard block.pool == stride, block.downsample?.pool ?? 1 == stride else {
          throw refusal("\(name) pools by \(block.pool), where a CLIP pools by \(stride)")
        }
        try add("\(name).conv1", "\(name).bn1", block.conv1)
        try add("\(name).conv2", "\(name).bn2", block.conv2)
        try add("\(name).conv3", "\(name).bn3", block.conv3)
        if let shortcut = block.downsample?.conv {
          try add("\(name).downsample.0", "\(name).downsample.1", shortcut)
        }
      }
    }
    let (pool, name) = (tower.attentionPool, "visual.attnpool")
    add("\(name).positional_embedding", pool.positions)
    add("\(name).q_proj", pool.query, factor: queryFactor(pool.scale, pool.headWidth))
    add("\(name).k_proj", pool.key)
    add("\(name).v_proj", pool.value)
    add("\(name).c_proj", pool.output)
    return .resNet(blocks: tower.stages.map(\.count), width: tower.width, heads: pool.heads)
  }
}
