import Kernels

/// Everything of a CLIP that learns.
struct TrainedTowers {
  let image: any TrainedImageTower
  let text: TrainedTextTransformer
  /// The temperature: the logarithm of what cosines are multiplied by.
  let logScale: Parameter
  let pixelsPerPicture: Int

  /// Towers of which anything learns.
  struct Learning {
    var images = true
    var texts = true
  }

  init(_ architecture: Architecture, _ layout: inout ParameterLayout) {
    switch architecture.vision {
    case .transformer(let layers, let width, let patch, let heads):
      image = TrainedVisionTransformer(
        &layout, embedDim: architecture.embedDim, imageSize: architecture.imageSize, layers: layers,
        width: width,
        patch: patch, heads: heads, quickGELU: architecture.quickGELU)
    case .resNet(let blocks, let width, let heads):
      image = TrainedModifiedResNet(
        &layout, embedDim: architecture.embedDim, imageSize: architecture.imageSize, blocks: blocks,
        width: width,
        heads: heads)
    }
    text = TrainedTextTransformer(
      &layout, embedDim: architecture.embedDim, contextLength: architecture.contextLength,
      vocabularySize: architecture.vocabularySize, width: architecture.textWidth,
      heads: architecture.textHeads,
      layers: architecture.textLayers, quickGELU: architecture.quickGELU)
    logScale = layout.parameter("logit_scale")
    pixelsPerPicture = 3 * architecture.imageSize * architecture.imageSize
  }

  func learning(_ store: ParameterStore) -> Learning {
    let names = store.parameters.filter { $0 != logScale && store.trains($0) }.map { $0.name }
    return Learning(
      images: names.contains { $0.hasPrefix("visual.") }, texts: names.contains { !$0.hasPrefix("visual.") })
  }
}
