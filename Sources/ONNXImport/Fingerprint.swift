/// A text that two readings of one file share exactly when they recognised the same computation.
extension ImportedModel {
  func fingerprint() throws(ImportError) -> String {
    var parts: [String] = ["\(String(describing: logitScale))"]
    if case .visionTransformer(let tower) = image {
      parts.append(
        "\(tower.imageSize) \(tower.patchSize) \(tower.channels) \(tower.tokens) \(tower.normalised)")
      parts.append(try Fingerprint.of(tower.patchEmbedding))
      parts.append(try Fingerprint.of(tower.classToken) + Fingerprint.of(tower.positions))
      parts.append(try Fingerprint.of(tower.preNorm) + Fingerprint.of(tower.postNorm))
      parts.append(try Fingerprint.of(tower.projection))
      for block in tower.blocks { parts.append(try Fingerprint.of(block)) }
    }
    if case .modifiedResNet(let tower) = image {
      parts.append("\(tower.imageSize) \(tower.width) \(tower.embedDim) \(tower.normalised)")
      for layer in tower.stem { parts.append(try Fingerprint.of(layer)) }
      for stage in tower.stages {
        for block in stage { parts.append(try Fingerprint.of(block)) }
      }
      parts.append(try Fingerprint.of(tower.attentionPool))
    }
    if let text {
      parts.append("\(text.contextLength) \(text.pooling) \(text.normalised)")
      parts.append(try Fingerprint.of(text.tokenEmbedding) + Fingerprint.of(text.positions))
      parts.append(try Fingerprint.of(text.finalNorm) + Fingerprint.of(text.projection))
      for block in text.blocks { parts.append(try Fingerprint.of(block)) }
    }
    return parts.joined(separator: "\n")
  }
}

private enum Fingerprint {
  static func of(_ block: ResidualAttentionBlock) throws(ImportError) -> String {
    var parts = ["\(block.heads) \(block.headWidth) \(block.scale) \(block.causal) \(block.activation)"]
    for norm in [block.attentionNorm, block.mlpNorm] { parts.append(try of(norm)) }
    for layer in [block.query, block.key, block.value, block.output, block.up, block.down] {
      parts.append(try of(layer))
    }
    return parts.joined(separator: " ")
  }

  static func of(_ layer: Convolution) throws(ImportError) -> String {
    var text = try "\(layer.stride) \(layer.padding) \(layer.kernel)" + of(layer.weight)
    for part in [layer.gain, layer.bias] {
      text += try part.map { (p) throws(ImportError) in try of(p) } ?? "none"
    }
    return text
  }

  static func of(_ block: Bottleneck) throws(ImportError) -> String {
    var text = "\(block.pool) \(block.downsample?.pool ?? 0)"
    for layer in [block.conv1, block.conv2, block.conv3] { text += try of(layer) }
    if let layer = block.downsample?.conv { text += try of(layer) }
    return text
  }

  static func of(_ pool: AttentionPoolTower) throws(ImportError) -> String {
    var text = try "\(pool.heads) \(pool.headWidth) \(pool.scale)" + of(pool.positions)
    for layer in [pool.query, pool.key, pool.value, pool.output] { text += try of(layer) }
    return text
  }

  static func of(_ layer: Linear?) throws(ImportError) -> String {
    guard let layer else { return "none" }
    return try of(layer.weight)
      + (try layer.bias.map { (bias) throws(ImportError) in try of(bias) } ?? "none")
  }

  static func of(_ norm: Norm?) throws(ImportError) -> String {
    guard let norm else { return "none" }
    return try of(norm.gain) + of(norm.bias) + "\(norm.epsilon)"
  }

  /// Where a weight lies in its file, or, for one with memory of its own, what it holds.
  static func of(_ weight: Weight) throws(ImportError) -> String {
    var text = "\(weight.kind)\(weight.shape)\(weight.strides)"
    if weight.region.isOwned {
      var hasher = Hasher()
      for value in try weight.floats() { hasher.combine(value.bitPattern) }
      text += "=\(hasher.finalize())"
    } else {
      text += "@\(weight.byteOffset)/\(weight.region.count)"
    }
    return text
  }
}
