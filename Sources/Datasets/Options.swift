import Imaging
import Tokenizing

/// How pairs are read, chosen and changed.
public struct DatasetOptions: Sendable {
  public enum Background: Int32, Sendable {
    /// What the preprocessing options say.
    case asPreprocessed = 0
    /// Transparent pictures are laid on white.
    case white = 1
    /// On a colour drawn for each picture in each epoch.
    case random = 2
  }
  public enum LongCaptions: Int32, Sendable {
    /// Cut, end of text last.
    case truncate = 0
    case skip = 1
    /// The batch fails.
    case refuse = 2
  }

  /// Its background, alpha and augmentation are those of pictures that nothing is drawn for.
  public var preprocessing: PreprocessOptions
  public var tokenizer: Tokenizer
  /// Pairs in a batch, at least 1.
  public var batchSize = 256
  public var seed: UInt64 = 0
  public var shuffles = true
  /// Pairs of shards that a next one is drawn from, and their bytes at most.
  public var shuffleBuffer = 4096
  public var bufferBytes = 1 << 30
  /// Keeps an epoch's last batch although it has fewer pairs.
  public var keepsLast = false
  /// After an epoch the next follows, without a batch of no pairs between them.
  public var isEndless = false
  /// Threads that decode, at least 1, and batches that they are ahead.
  public var threads = 1
  public var ahead = 2
  /// nil: the centre crop; else the range of `Augmentation.Crop.scale`.
  public var cropScales: ClosedRange<Double>?
  public var background = Background.asPreprocessed
  /// Probability of a mirrored picture.
  public var mirrored = 0.0
  /// Factors are drawn from 1 minus to 1 plus this; 0...1.
  public var brightness = 0.0
  public var contrast = 0.0
  public var saturation = 0.0
  /// One sentence of a caption, drawn, in place of all.
  public var drawsSentences = false
  public var longCaptions = LongCaptions.truncate
  /// Takes paths that lead out of their table's folder.
  public var allowsOutside = false
  /// Sentences of problems that the report keeps.
  public var named = 20
  public var pathColumn: String?
  public var captionColumn: String?

  public init(preprocessing: PreprocessOptions, tokenizer: Tokenizer) {
    self.preprocessing = preprocessing
    self.tokenizer = tokenizer
  }
}

extension DatasetOptions {
  /// What is done to a pair's picture in an epoch. Every value is drawn whether it is asked for or not, so that one
  /// option changes nothing about the others.
  func preprocessing(epoch: Int, index: UInt64) -> PreprocessOptions {
    var result = preprocessing
    var draws = Draws(seed: seed, epoch: epoch, index: index, .picture)
    let (scale, left, top) = (draws.unit(), draws.unit(), draws.unit())
    if let range = cropScales {
      result.augmentation.crop = Augmentation.Crop(
        scale: min(range.lowerBound + scale * (range.upperBound - range.lowerBound), range.upperBound),
        left: left, top: top)
    }
    result.augmentation.isMirrored = draws.unit() < mirrored
    func factor(_ reach: Double) -> Float { Float(1 + reach * (2 * draws.unit() - 1)) }
    result.augmentation.brightness = factor(brightness)
    result.augmentation.contrast = factor(contrast)
    result.augmentation.saturation = factor(saturation)
    func level() -> UInt8 { UInt8(truncatingIfNeeded: draws.below(256)) }
    let colour = (level(), level(), level())
    guard background != .asPreprocessed else { return result }
    result.alpha = .composite
    result.background = background == .white ? (255, 255, 255) : colour
    return result
  }
}
