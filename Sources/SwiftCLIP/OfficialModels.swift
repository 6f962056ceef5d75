import ONNXImport

/// The nine official models, by the sizes that tell them apart.
struct OfficialModel {
  let name: String
  private let embedDim, imageSize: Int
  /// Layers of a Vision Transformer, or bottlenecks of each stage.
  private let layers: [Int]
  private let width: Int
  /// 0: a Modified ResNet.
  private let patchSize: Int
  private let textWidth, textHeads: Int

  private init(
    _ name: String, _ embedDim: Int, _ imageSize: Int, _ layers: [Int], _ width: Int, patch: Int = 0,
    text: Int, heads: Int
  ) {
    (self.name, self.embedDim, self.imageSize) = (name, embedDim, imageSize)
    (self.layers, self.width, patchSize) = (layers, width, patch)
    (textWidth, textHeads) = (text, heads)
  }

  private static let all = [
    OfficialModel("RN50", 1024, 224, [3, 4, 6, 3], 64, text: 512, heads: 8),
    OfficialModel("RN101", 512, 224, [3, 4, 23, 3], 64, text: 512, heads: 8),
    OfficialModel("RN50x4", 640, 288, [4, 6, 10, 6], 80, text: 640, heads: 10),
    OfficialModel("RN50x16", 768, 384, [6, 8, 18, 8], 96, text: 768, heads: 12),
    OfficialModel("RN50x64", 1024, 448, [3, 15, 36, 10], 128, text: 1024, heads: 16),
    OfficialModel("ViT-B/32", 512, 224, [12], 768, patch: 32, text: 512, heads: 8),
    OfficialModel("ViT-B/16", 512, 224, [12], 768, patch: 16, text: 512, heads: 8),
    OfficialModel("ViT-L/14", 768, 224, [24], 1024, patch: 14, text: 768, heads: 12),
    OfficialModel("ViT-L/14@336px", 768, 336, [24], 1024, patch: 14, text: 768, heads: 12),
  ]

  /// The one whose towers these are. A text encoder alone does not tell: several models have the same.
  static func name(image: ImageTower?, text: TextTower?) -> String? {
    guard let image else { return nil }
    let found = all.first { $0.describes(image) }
    if let text, found?.describes(text) != true { return nil }
    return found?.name
  }

  private func describes(_ tower: ImageTower) -> Bool {
    switch tower {
    case .visionTransformer(let tower):
      tower.imageSize == imageSize && tower.patchSize == patchSize && tower.width == width
        && [tower.blocks.count] == layers && tower.embedDim == embedDim
        && tower.blocks.allSatisfy { $0.headWidth == 64 && $0.activation == .quickGELU }
    case .modifiedResNet(let tower):
      patchSize == 0 && tower.imageSize == imageSize && tower.width == width
        && tower.stages.map(\.count) == layers && tower.embedDim == embedDim
        && tower.attentionPool.headWidth == 64
    }
  }

  private func describes(_ tower: TextTower) -> Bool {
    let endOfText = 49407
    return tower.contextLength == 77 && tower.vocabularySize == endOfText + 1 && tower.width == textWidth
      && tower.blocks.count == 12 && tower.embedDim == embedDim
      && (tower.pooling == .largest || tower.pooling == .first(id: endOfText))
      && tower.blocks.allSatisfy { $0.heads == textHeads && $0.activation == .quickGELU && $0.causal }
  }
}
