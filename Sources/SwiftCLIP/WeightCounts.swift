import Kernels

/// How many parameters of a model are held in which way, biases and gains included.
public struct WeightCounts: Sendable, Equatable {
  public var float16 = 0
  public var float32 = 0
  public var bfloat16 = 0
  public var int8 = 0

  static func + (a: WeightCounts, b: WeightCounts) -> WeightCounts {
    WeightCounts(
      float16: a.float16 + b.float16, float32: a.float32 + b.float32, bfloat16: a.bfloat16 + b.bfloat16,
      int8: a.int8 + b.int8)
  }

  init(float16: Int = 0, float32: Int = 0, bfloat16: Int = 0, int8: Int = 0) {
    self.float16 = float16
    self.float32 = float32
    self.bfloat16 = bfloat16
    self.int8 = int8
  }

  init(_ count: Int, _ storage: WeightStorage) {
    switch storage {
    case .float16: self.init(float16: count)
    case .float32: self.init(float32: count)
    case .bfloat16: self.init(bfloat16: count)
    case .int8: self.init(int8: count)
    }
  }

  init(_ weights: PackedWeights) {
    self = WeightCounts(weights.inputs * weights.outputs, weights.storage)
    if weights.hasBias { float32 += weights.outputs }
  }
}

extension CLIP {
  /// What the opened model holds. A matrix counts as float16 if each of its numbers is that of a half.
  public var weightCounts: WeightCounts {
    (image?.weightCounts ?? WeightCounts()) + (text?.weightCounts ?? WeightCounts())
  }
}

extension ImageEncoder {
  var weightCounts: WeightCounts {
    switch self {
    case .visionTransformer(let model): model.weightCounts
    case .modifiedResNet(let model): model.weightCounts
    }
  }
}

extension [WeightCounts] {
  fileprivate var total: WeightCounts { reduce(WeightCounts(), +) }
}

extension Parameters {
  fileprivate var weightCounts: WeightCounts { WeightCounts(float32: count) }
}

extension LayerNorm {
  fileprivate var weightCounts: WeightCounts { gain.weightCounts + bias.weightCounts }
}

extension Linear {
  fileprivate var weightCounts: WeightCounts { WeightCounts(weights) }
}

extension VisionTransformer {
  fileprivate var weightCounts: WeightCounts {
    let norms = [lnPre, lnPost].compactMap { $0?.weightCounts }.total
    let ends = [patchEmbedding, projection].compactMap { $0?.weightCounts }.total
    return norms + ends + classToken.weightCounts + positions.weightCounts + transformer.weightCounts
  }
}

extension TextTransformer {
  var weightCounts: WeightCounts {
    let embeddings = WeightCounts(tokenEmbedding.count, tokenEmbedding.storage) + positions.weightCounts
    let end = lnFinal.weightCounts + (projection?.weightCounts ?? WeightCounts())
    return embeddings + transformer.weightCounts + end
  }
}

extension Transformer {
  fileprivate var weightCounts: WeightCounts {
    blocks.map { block in
      let maps = [block.attention.projections, block.attention.output, block.mlp.up, block.mlp.down]
      let norms = block.attentionNorm.weightCounts + block.mlpNorm.weightCounts
      return norms + maps.map(\.weightCounts).total + (block.attention.query?.weightCounts ?? WeightCounts())
    }.total
  }
}

extension ModifiedResNet {
  fileprivate var weightCounts: WeightCounts {
    let convolutions = stem + stages.joined().flatMap(\.convolutions)
    return convolutions.map { WeightCounts($0.weights) }.total + attentionPool.weightCounts
  }
}

extension AttentionPool {
  fileprivate var weightCounts: WeightCounts {
    positions.weightCounts + [query, keyValue, output].map(\.weightCounts).total
  }
}
