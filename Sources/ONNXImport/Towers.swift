/// y = x · weight + bias.
public struct Linear: Sendable {
  /// [inputs, outputs]
  public let weight: Weight
  /// [outputs]
  public let bias: Weight?
}

/// Layer normalisation: (x − mean) / sqrt(variance + epsilon) · gain + bias, over the last axis.
public struct Norm: Sendable {
  public let gain: Weight
  public let bias: Weight
  public let epsilon: Float
}

/// The nonlinearity between the two layers of a perceptron.
public enum Activation: Sendable {
  /// x · sigmoid(1.702 x), the official models'.
  case quickGELU
  /// x/2 · (1 + erf(x/√2)).
  case gelu
}

/// x += output(attention(norm(x))); x += down(activation(up(norm(x)))).
public struct ResidualAttentionBlock: Sendable {
  public let attentionNorm: Norm
  /// [width, heads · headWidth], head after head.
  public let query, key, value: Linear
  /// heads · headWidth = width.
  public let heads, headWidth: Int
  /// softmax(scale · q kᵀ): what the graph multiplies scores by, all told.
  public let scale: Float
  /// Whether a token attends to itself and those before it only.
  public let causal: Bool
  /// [heads · headWidth, width]
  public let output: Linear
  public let mlpNorm: Norm
  /// [width, hidden] and [hidden, width]
  public let up: Linear
  public let activation: Activation
  public let down: Linear
}

/// The image encoder as a Vision Transformer (the paper's section 2.4).
public struct VisionTransformerTower: Sendable {
  /// Side of the square picture, a multiple of `patchSize`.
  public let imageSize: Int
  public let patchSize: Int
  public let channels: Int
  public let width: Int
  /// Patches and the class token.
  public let tokens: Int
  /// [channels · patchSize², width], inputs in the order (channel, y, x).
  public let patchEmbedding: Linear
  /// [width]
  public let classToken: Weight
  /// [tokens, width]; the class token's comes first.
  public let positions: Weight
  public let preNorm: Norm?
  public let blocks: [ResidualAttentionBlock]
  /// Applied to the class token of the last block.
  public let postNorm: Norm?
  /// [width, embedDim]
  public let projection: Linear?
  /// Whether the graph divides the embedding by its length.
  public let normalised: Bool
  public let embedDim: Int
}

/// An image encoder.
public enum ImageTower: Sendable {
  case visionTransformer(VisionTransformerTower)
  case modifiedResNet(ModifiedResNetTower)
}

/// Which token's output a text is represented by.
public enum Pooling: Sendable, Equatable {
  /// The first of the largest id (the official models': EOT has the largest).
  case largest
  /// The first token with this id; the token at position 0 where there is none.
  case first(id: Int)
  /// The token at the last position.
  case last
}

/// The text encoder.
public struct TextTower: Sendable {
  public let contextLength: Int
  public let vocabularySize: Int
  public let width: Int
  /// [vocabularySize, width]
  public let tokenEmbedding: Weight
  /// [contextLength, width]
  public let positions: Weight
  public let blocks: [ResidualAttentionBlock]
  public let finalNorm: Norm
  /// [width, embedDim]
  public let projection: Linear?
  public let pooling: Pooling
  /// Whether the graph divides the embedding by its length.
  public let normalised: Bool
  public let embedDim: Int
  /// Bits of the integers that the graph's token input holds: 32 or 64.
  public let tokenBits: Int
}

/// What was recognised in a file. Every tower is safe to compute with: shapes are consistent and sizes sane.
public struct ImportedModel: Sendable {
  public let image: ImageTower?
  public let text: TextTower?
  /// What cosines are multiplied by: from the graph where it computes logits, else from the metadata's "logit_scale".
  public let logitScale: Float?
  /// The file's metadata_props.
  public let metadata: [String: String]
  /// The exporter's name and version as the file states them.
  public let producer: String
  /// Version of the standard operator set.
  public let opset: Int
  /// Whose the file is, and how it stores its weights.
  public let origin: Origin
}
