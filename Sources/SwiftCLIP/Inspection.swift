import Kernels
import ONNXImport

/// What a model's files hold, told without packing a weight: they are mapped, and read once.
public struct Inspection: Sendable {
  /// A tower's file and what is in it.
  private final class Source {
    let path: String
    let model: ImportedModel

    init(_ path: String) throws(CLIPError) {
      self.path = path
      model = try Towers.importing(path, ModelFiles(isStopped: { Attachments.isStopped }))
    }
  }

  /// The findings as JSON; see swiftclip_inspect.
  public let description: String

  /// Looks at the files that opening the same arguments would open, and refuses what it would refuse (but for the
  /// vocabulary, which is not looked at). One of the paths must be given.
  /// - Parameters:
  ///   - path: a file that holds one tower or both, or a directory; with `textual` given, the image encoder's file.
  ///   - textual: the text encoder's file.
  public init(path: String?, textual: String?) throws(CLIPError) {
    if let path, textual == nil {
      switch FileKind(path) {
      case .missing(let reason): throw CLIP.missing(path, reason)
      case .directory:
        let layout = try Layout(directory: path)
        try self.init(visual: layout.visual, textual: layout.textual)
      case .file:
        let source = try Source(path)
        try self.init(
          source.model.image.map { _ in source }, source.model.text.map { _ in source }, Towers(source.model))
      }
    } else {
      try self.init(visual: path, textual: textual)
    }
  }

  private init(visual: String?, textual: String?) throws(CLIPError) {
    let image = try visual.map { (path) throws(CLIPError) in try Source(path) }
    let text = visual == textual ? image : try textual.map { (path) throws(CLIPError) in try Source(path) }
    let names = (visual ?? "", textual ?? "")
    try self.init(image, text, try Towers(visual: image?.model, textual: text?.model, names))
  }

  private init(_ visual: Source?, _ textual: Source?, _ towers: Towers) throws(CLIPError) {
    let compute = try converting { () throws(KernelError) in try Compute(threads: Compute.allowedThreads) }
    var image = JSON.null
    var text = JSON.null
    if let tower = towers.image, let visual {
      image = Inspection.merged(tower.findings, visual, try TowerSurvey(tower, compute))
    }
    if let tower = towers.text, let textual {
      text = Inspection.merged(tower.findings, textual, try TowerSurvey(tower, compute))
    }
    let embedDim = try CLIP.commonEmbedDim(towers.image?.embedDim, towers.text?.embedDim)
    let name = OfficialModel.name(image: towers.image, text: towers.text)
    description =
      JSON.object([
        ("architecture", name.map { .string($0) } ?? .null), ("embed_dim", .number(embedDim)),
        ("logit_scale", towers.logitScale.map { .raw("\($0)") } ?? .null), ("image", image), ("text", text),
      ]).text
  }

  /// Everything about a tower: its shape, its file, its weights.
  private static func merged(
    _ findings: [(String, JSON)], _ source: Source, _ survey: TowerSurvey
  ) -> JSON {
    let origin = source.model.origin
    let producer = source.model.producer
    return .object(
      findings + [
        ("parameters", .number(survey.parameters)), ("digest", .string(survey.digest)),
        ("weight_types", .object(origin.matrixTypes.map { ($0.type, .number($0.count)) })),
        ("exactly_float16", survey.isExactlyHalf.map { .boolean($0) } ?? .null),
        ("file", .string(source.path)), ("dialect", .string(origin.dialect)),
        ("exporter", producer.isEmpty ? .null : .string(producer)), ("opset", .number(source.model.opset)),
      ])
  }
}

extension ImageTower {
  var embedDim: Int {
    switch self {
    case .visionTransformer(let tower): tower.embedDim
    case .modifiedResNet(let tower): tower.embedDim
    }
  }

  fileprivate var findings: [(String, JSON)] {
    switch self {
    case .visionTransformer(let tower):
      [
        ("kind", .string("VisionTransformer")), ("image_size", .number(tower.imageSize)),
        ("patch_size", .number(tower.patchSize)), ("width", .number(tower.width)),
        ("layers", .number(tower.blocks.count)),
      ] + shape(of: tower.blocks) + [
        ("pooling", .string("class token")), ("normalised", .boolean(tower.normalised)),
      ]
    case .modifiedResNet(let tower):
      [
        ("kind", .string("ModifiedResNet")), ("image_size", .number(tower.imageSize)), ("patch_size", .null),
        ("width", .number(tower.width)), ("layers", .raw("\(tower.stages.map(\.count))")),
        ("heads", .number(tower.attentionPool.heads)),
        ("head_width", .number(tower.attentionPool.headWidth)), ("activation", .string("relu")),
        ("mask", .string("none")), ("pooling", .string("attention pool")),
        ("normalised", .boolean(tower.normalised)),
      ]
    }
  }
}

extension TextTower {
  fileprivate var findings: [(String, JSON)] {
    var end: JSON = .null
    var place = "largest id"
    switch pooling {
    case .largest: break
    case .first(let id): (place, end) = ("first of an id", .number(id))
    case .last: place = "last position"
    }
    return [
      ("kind", .string("TextTransformer")), ("context_length", .number(contextLength)),
      ("vocabulary_size", .number(vocabularySize)), ("width", .number(width)),
      ("layers", .number(blocks.count)),
    ] + shape(of: blocks) + [
      ("pooling", .string(place)), ("pooling_id", end), ("normalised", .boolean(normalised)),
    ]
  }
}

/// What blocks are like; null where they are none, or differ.
private func shape(of blocks: [ONNXImport.ResidualAttentionBlock]) -> [(String, JSON)] {
  func common<T: Equatable>(_ value: (ONNXImport.ResidualAttentionBlock) -> T) -> T? {
    guard let first = blocks.first.map(value) else { return nil }
    return blocks.allSatisfy { value($0) == first } ? first : nil
  }
  let activation = common(\.activation).map { $0 == .quickGELU ? "quick_gelu" : "gelu" }
  return [
    ("heads", common(\.heads).map { .number($0) } ?? .null),
    ("head_width", common(\.headWidth).map { .number($0) } ?? .null),
    ("activation", activation.map { .string($0) } ?? .null),
    ("mask", common(\.causal).map { .string($0 ? "causal" : "none") } ?? .null),
  ]
}
