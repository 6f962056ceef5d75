public enum ImportError: Error { case io(String), malformed(String), unsupported(String), outOfMemory(String); public var message: String { "" } }
public enum ElementKind: Sendable { case float32, float16, bfloat16 }
public struct Weight: Sendable {
  public let kind: ElementKind, shape: [Int], strides: [Int]
  public var count: Int { 0 }
  public func withBytes<R, E: Error>(_ body: (UnsafeRawPointer) throws(E) -> R) throws(E) -> R { var x = 0; return try unsafe body(&x) }
  public func floats() throws(ImportError) -> [Float] { [] }
  public func discard() {}
}
public struct Linear: Sendable { public let weight: Weight, bias: Weight? }
public struct Norm: Sendable { public let gain: Weight, bias: Weight, epsilon: Float }
public enum Activation: Sendable { case quickGELU, gelu }
public struct ResidualAttentionBlock: Sendable { public let attentionNorm: Norm; public let query, key, value: Linear; public let heads, headWidth: Int; public let scale: Float, causal: Bool; public let output: Linear; public let mlpNorm: Norm; public let up: Linear, activation: Activation, down: Linear }
public struct VisionTransformerTower: Sendable { public let imageSize, patchSize, channels, width, tokens: Int; public let patchEmbedding: Linear, classToken: Weight, positions: Weight, preNorm: Norm?, blocks: [ResidualAttentionBlock], postNorm: Norm?, projection: Linear?, normalised: Bool, embedDim: Int }
public enum ImageTower: Sendable { case visionTransformer(VisionTransformerTower) }
public enum Pooling: Sendable { case largest, first(id: Int), last }
public struct TextTower: Sendable { public let contextLength, vocabularySize, width: Int; public let tokenEmbedding: Weight, positions: Weight, blocks: [ResidualAttentionBlock], finalNorm: Norm, projection: Linear?, pooling: Pooling, normalised: Bool, embedDim: Int, tokenBits: Int }
public struct ImportedModel: Sendable { public let image: ImageTower?, text: TextTower?, logitScale: Float?, metadata: [String: String], producer: String, opset: Int }
public func importModel(path: String) throws(ImportError) -> ImportedModel { throw .io("") }
public func importModel(bytes: UnsafeRawBufferPointer, name: String) throws(ImportError) -> ImportedModel { throw .io("") }
