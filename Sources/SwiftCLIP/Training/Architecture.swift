/// What a CLIP consists of, in the paper's terms (table 19 and 20).
public struct Architecture: Sendable, Equatable {
  /// One of the two families of image encoders.
  public enum Vision: Sendable, Equatable {
    /// Heads are `width / headWidth`.
    case transformer(layers: Int, width: Int, patch: Int, heads: Int)
    /// Bottleneck blocks of the four stages; `width` channels after the stem, 32 times as many at the end.
    case resNet(blocks: [Int], width: Int, heads: Int)
  }

  public var embedDim: Int
  public var imageSize: Int
  public var vision: Vision
  public var contextLength: Int
  public var vocabularySize: Int
  public var textWidth: Int
  public var textHeads: Int
  public var textLayers: Int
  /// QuickGELU, as in the official models, or exact GELU.
  public var quickGELU = true

  public init(
    embedDim: Int, imageSize: Int, vision: Vision, contextLength: Int, vocabularySize: Int, textWidth: Int,
    textHeads: Int, textLayers: Int
  ) {
    (self.embedDim, self.imageSize, self.vision) = (embedDim, imageSize, vision)
    (self.contextLength, self.vocabularySize) = (contextLength, vocabularySize)
    (self.textWidth, self.textHeads, self.textLayers) = (textWidth, textHeads, textLayers)
  }

  /// Refuses what no CLIP can be, and what would not fit any machine.
  func check() throws(CLIPError) {
    try positive("embed_dim", embedDim, 1 << 14)
    try positive("image_size", imageSize, 1 << 12)
    try positive("context_length", contextLength, 1 << 12)
    try positive("vocabulary_size", vocabularySize, 1 << 24)
    try positive("text_width", textWidth, 1 << 14)
    try positive("text_layers", textLayers, 1 << 8)
    try divides("text_heads", textHeads, "text_width", textWidth)
    switch vision {
    case .transformer(let layers, let width, let patch, let heads):
      try positive("vision_layers", layers, 1 << 8)
      try positive("vision_width", width, 1 << 14)
      try divides("vision_heads", heads, "vision_width", width)
      try divides("vision_patch_size", patch, "image_size", imageSize)
    case .resNet(let blocks, let width, let heads):
      guard blocks.count == 4 else { throw wrong("A ResNet has four stages, not \(blocks.count)") }
      for count in blocks { try positive("vision_layers", count, 1 << 8) }
      try positive("vision_width", width, 1 << 10)
      guard width % 2 == 0 else { throw wrong("The width of a ResNet must be even, not \(width)") }
      try divides("vision_heads", heads, "32 · vision_width", 32 * width)
      try divides("the ResNet's stride, 32,", 32, "image_size", imageSize)
    }
  }

  private func positive(_ name: String, _ value: Int, _ most: Int) throws(CLIPError) {
    guard value > 0, value <= most else { throw wrong("\(name) is \(value), but must be 1 to \(most)") }
  }

  private func divides(_ name: String, _ part: Int, _ whole: String, _ value: Int) throws(CLIPError) {
    guard part > 0, value % part == 0 else {
      throw wrong("\(name) is \(part), which does not divide \(whole), \(value)")
    }
  }

  private func wrong(_ what: String) -> CLIPError {
    CLIPError(.invalidArgument, "\(what). Correct the configuration.")
  }
}
