import Kernels
import ONNXImport
import Tokenizing

/// A model of ONNX files as something to train: its architecture, and the values of every parameter and running
/// statistic under their official names. Weights stay in their files until `fill` copies them.
public struct PretrainedModel: Sendable {
  /// Where the values of a parameter come from.
  struct Source: Sendable {
    enum Part: Sendable {
      case weight(Weight, factor: Float)
      case zeros(Int)
    }

    let shape: [Int]
    let parts: [Part]

    /// Values of all parts.
    var count: Int {
      parts.reduce(0) { sum, part in
        switch part {
        case .weight(let weight, _): sum + weight.count
        case .zeros(let count): sum + count
        }
      }
    }
  }

  public let architecture: Architecture
  /// What the file multiplies cosines by; nil where it does not say.
  public let logitScale: Float?
  /// The text of the merges; nil where no vocabulary was found.
  public let vocabulary: [UInt8]?
  let sources: [String: Source]

  /// From what `CLIP(path:)` would open.
  public init(path: String, _ options: CLIP.Options) throws(CLIPError) {
    try self.init(ModelParts(path: path, options))
  }

  /// From one file per tower.
  public init(visual: String, textual: String, _ options: CLIP.Options) throws(CLIPError) {
    try self.init(ModelParts(visual: visual, textual: textual, options))
  }

  init(_ parts: ModelParts) throws(CLIPError) {
    guard let image = parts.towers.image, let text = parts.towers.text else {
      throw CLIPError(
        .missingPart,
        "Training needs both towers, and the model has no \(parts.towers.image == nil ? "image" : "text") encoder. Give both files."
      )
    }
    var collector = SourceCollector()
    try collector.collect(text)
    let vision = try collector.collect(image)
    var architecture = Architecture(
      embedDim: try CLIP.commonEmbedDim(image.embedDim, text.embedDim), imageSize: image.imageSize,
      vision: vision, contextLength: text.contextLength, vocabularySize: text.vocabularySize,
      textWidth: text.width, textHeads: text.blocks.first?.heads ?? 0, textLayers: text.blocks.count)
    architecture.quickGELU = collector.activation != .gelu
    try architecture.check()
    (self.architecture, sources, logitScale) = (architecture, collector.sources, parts.towers.logitScale)
    vocabulary = try parts.vocabulary.map { (vocabulary) throws(CLIPError) in
      try unsafe vocabulary.withBytes { (bytes) throws(CLIPError) in
        try converting { () throws(TokenizerError) in
          unsafe try Tokenizer.text(vocabulary: bytes, name: vocabulary.name)
        }
      }
    }
  }

  /// Copies all values into a store that was laid out for this architecture. Its temperature, "logit_scale", is left to
  /// the caller.
  func fill(_ store: ParameterStore) throws(CLIPError) {
    for parameter in store.parameters where parameter.name != "logit_scale" {
      unsafe try fill(parameter, store.value(parameter))
    }
    for buffer in store.buffers { unsafe try fill(buffer, store.buffer(buffer)) }
    store.valuesChanged()
  }

  private func fill(_ parameter: Parameter, _ target: UnsafeMutablePointer<Float>) throws(CLIPError) {
    guard let source = sources[parameter.name], source.shape == parameter.shape,
      source.count == parameter.count
    else {
      let found = sources[parameter.name].map { "is of shape \($0.shape)" } ?? "is missing"
      throw CLIPError(
        .unsupported,
        "The model cannot be trained: \(parameter.name) \(found), where a CLIP of these sizes has \(parameter.shape)."
      )
    }
    var offset = 0
    for part in source.parts {
      switch part {
      case .zeros(let count):
        unsafe (target + offset).update(repeating: 0, count: count)
        offset += count
      case .weight(let weight, let factor):
        let values = try converting { () throws(ImportError) in try weight.floats() }
        weight.discard()
        var isFinite = true
        for value in values {
          let scaled = value * factor
          isFinite = isFinite && scaled.isFinite
          unsafe target[offset] = scaled
          offset += 1
        }
        guard isFinite else { throw notFinite(parameter.name) }
      }
    }
  }
}

extension ImageTower {
  var imageSize: Int {
    switch self {
    case .visionTransformer(let tower): tower.imageSize
    case .modifiedResNet(let tower): tower.imageSize
    }
  }
}
