/// What was recognised, for a person or a program to read.
extension CLIP {
  public var description: String {
    JSON.object([
      ("instructions", .string(compute.instructions.name)),
      ("backend", .string(compute.backend == .own ? "own" : "openblas")),
      ("threads", .number(compute.threads)),
      ("embed_dim", .number(embedDim)),
      ("logit_scale", .raw("\(logitScale)")),
      ("image", image.map(\.description) ?? .null),
      ("text", text.map(\.description) ?? .null),
      ("vocabulary", tokenizer.map { .number($0.vocabularySize) } ?? .null),
      ("precision", .string("\(compute.precision)")),
      ("weight_storage", weightCounts.description),
    ]).text
  }
}

extension WeightCounts {
  fileprivate var description: JSON {
    .object([
      ("float16", .number(float16)), ("float32", .number(float32)), ("bfloat16", .number(bfloat16)),
      ("int8", .number(int8)),
    ])
  }
}

extension ImageEncoder {
  fileprivate var description: JSON {
    switch self {
    case .visionTransformer(let model):
      .object([
        ("architecture", .string("VisionTransformer")), ("image_size", .number(model.imageSize)),
        ("patch_size", .number(model.patchSize)), ("width", .number(model.width)),
        ("layers", .number(model.transformer.blocks.count)), ("heads", model.transformer.heads),
        ("activation", model.transformer.activation), ("normalised", .boolean(model.normalised)),
      ])
    case .modifiedResNet(let model):
      .object([
        ("architecture", .string("ModifiedResNet")), ("image_size", .number(model.imageSize)),
        ("width", .number(model.width)), ("layers", .raw("\(model.stages.map(\.count))")),
        ("heads", .number(model.attentionPool.heads)), ("activation", .string("ReLU")),
        ("normalised", .boolean(model.normalised)),
      ])
    }
  }
}

extension TextTransformer {
  fileprivate var description: JSON {
    .object([
      ("architecture", .string("TextTransformer")), ("context_length", .number(contextLength)),
      ("vocabulary_size", .number(vocabularySize)), ("width", .number(width)),
      ("layers", .number(transformer.blocks.count)), ("heads", transformer.heads),
      ("activation", transformer.activation), ("causal", .boolean(causal)), ("pooling", poolingDescription),
      ("normalised", .boolean(normalised)),
    ])
  }

  private var poolingDescription: JSON {
    switch pooling {
    case .largest: .string("largest id")
    case .first(let id): .string("first \(id)")
    case .last: .string("last")
    }
  }
}

extension Transformer {
  fileprivate var heads: JSON { blocks.first.map { .number($0.attention.heads) } ?? .null }
  fileprivate var activation: JSON {
    switch blocks.first?.mlp.activation {
    case .quickGELU: .string("QuickGELU")
    case .gelu: .string("GELU")
    default: .null
    }
  }
}
