import Imaging
import Kernels
import ONNXImport
import Tokenizing

/// Contrastive Language-Image Pre-training: two encoders into one space, a temperature, a vocabulary.
///
/// Immutable after opening, so any number of threads may encode with one at the same time.
public final class CLIP: Sendable {
  public let embedDim: Int
  /// The multiplier of cosines before a softmax, `exp` of the learned temperature.
  public let logitScale: Float
  public let preprocessing: PreprocessOptions
  public let limits: Limits
  public let tokenizer: Tokenizer?
  public let compute: Compute
  let image: ImageEncoder?
  let text: TextTransformer?

  public var imageSize: Int? { image?.imageSize }
  public var contextLength: Int? { text?.contextLength }
  public var vocabularySize: Int? { text?.vocabularySize }

  /// What a user may choose when a model is opened.
  public struct Options: Sendable {
    /// 0: the cores that the process may use.
    public var threads = 0
    /// nil: the best that the processor has.
    public var instructions: InstructionSet?
    public var backend = Backend.own
    /// Add in ascending order only.
    public var exactOrder = false
    /// Of the products inside of Transformers' blocks; the rest is more sensitive and always float32.
    public var precision = Precision.float32
    public var vocabularyPath: String?
    /// Its `imageSize` is replaced by the model's; `imageSize` below says what the user asked for.
    public var preprocessing = PreprocessOptions()
    public var imageSize: Int?
    /// Files are read into memory instead of mapped.
    public var readsIntoMemory = false
    public var limits = Limits()
    /// False in tests only, which compare: weights are held as float32, whatever they are.
    var keepsHalves = true
    public init() {}
  }

  /// Packs the weights of recognised towers. `vocabulary` belongs to the text tower.
  init(_ towers: Towers, _ vocabulary: Vocabulary?, _ options: Options) throws(CLIPError) {
    let threads = options.threads > 0 ? options.threads : Compute.allowedThreads
    let compute = try converting { () throws(KernelError) in
      try Compute(
        threads: threads, instructions: options.instructions, backend: options.backend,
        exactOrder: options.exactOrder, precision: options.precision, keepsHalves: options.keepsHalves)
    }
    self.compute = compute
    image = try towers.image.map { (tower) throws(CLIPError) in try ImageEncoder(tower, compute) }
    text = try towers.text.map { (tower) throws(CLIPError) in try TextTransformer(tower, compute) }
    embedDim = try CLIP.commonEmbedDim(image?.embedDim, text?.embedDim)
    limits = options.limits
    logitScale = try CLIP.checkedLogitScale(towers.logitScale)

    var preprocessing = options.preprocessing
    preprocessing.imageSize = image?.imageSize ?? options.imageSize ?? 224
    self.preprocessing = preprocessing
    if let asked = options.imageSize, let own = image?.imageSize, asked != own {
      throw CLIPError(
        .invalidArgument,
        "The options ask for pictures of \(asked) pixels, but this image encoder reads \(own). Leave image_size 0."
      )
    }
    tokenizer = try CLIP.tokenizer(vocabulary, for: text)
  }

  static func commonEmbedDim(_ image: Int?, _ text: Int?) throws(CLIPError) -> Int {
    if let image, let text, image != text {
      throw CLIPError(
        .invalidData,
        "The towers do not belong together: pictures become \(image) numbers and texts \(text). Give the two files of one model."
      )
    }
    guard let dim = image ?? text else {
      throw CLIPError(
        .unsupported, "Neither an image nor a text encoder was found. Give the ONNX files of a CLIP.")
    }
    return dim
  }

  private static func checkedLogitScale(_ scale: Float?) throws(CLIPError) -> Float {
    guard let scale else { return 100 }
    guard scale.isFinite, scale > 0 else {
      throw CLIPError(
        .invalidData,
        "The logit scale of the model is \(scale), but must be a positive number. Export the model again.")
    }
    return scale
  }

  private static func tokenizer(
    _ vocabulary: Vocabulary?, for text: TextTransformer?
  ) throws(CLIPError) -> Tokenizer? {
    guard let vocabulary, let text else { return nil }
    return try unsafe vocabulary.withBytes { (bytes) throws(CLIPError) in
      try converting { () throws(TokenizerError) in
        unsafe try Tokenizer(
          vocabulary: bytes, name: vocabulary.name, contextLength: text.contextLength,
          vocabularySize: text.vocabularySize)
      }
    }
  }
}

/// The image encoder in whichever architecture the file has.
enum ImageEncoder: Sendable {
  case visionTransformer(VisionTransformer)
  case modifiedResNet(ModifiedResNet)

  init(_ tower: ImageTower, _ compute: Compute) throws(CLIPError) {
    switch tower {
    case .visionTransformer(let tower): self = .visionTransformer(try VisionTransformer(tower, compute))
    case .modifiedResNet(let tower): self = .modifiedResNet(try ModifiedResNet(tower, compute))
    }
  }

  var imageSize: Int {
    switch self {
    case .visionTransformer(let model): model.imageSize
    case .modifiedResNet(let model): model.imageSize
    }
  }
  var embedDim: Int {
    switch self {
    case .visionTransformer(let model): model.embedDim
    case .modifiedResNet(let model): model.embedDim
    }
  }
  /// Pictures in one pass, so that memory does not grow with the batch.
  var imagesPerPass: Int {
    switch self {
    case .visionTransformer(let model): max(1, rowsPerPass / model.tokens)
    case .modifiedResNet(let model): model.imagesPerPass
    }
  }

  func callAsFunction(
    _ pixels: UnsafePointer<Float>, count: Int, into embeddings: UnsafeMutablePointer<Float>,
    _ compute: Compute
  ) throws(CLIPError) {
    switch self {
    case .visionTransformer(let model):
      unsafe try model(pixels, count: count, into: embeddings, compute)
    case .modifiedResNet(let model):
      unsafe try model(pixels, count: count, into: embeddings, compute)
    }
  }
}
