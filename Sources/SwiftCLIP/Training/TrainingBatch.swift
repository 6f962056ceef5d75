import Kernels

/// Pairs of a picture and a text, as both towers read them. The memory is the caller's, and must outlive the step.
///
/// Of a batch whose embeddings by a frozen tower are known, that tower's side may be missing.
@safe public struct TrainingBatch {
  public let count: Int
  let pixels: UnsafePointer<Float>?
  let tokens: UnsafePointer<Int32>?
  /// Of each text up to its EOT, which has the largest id.
  let lengths: [Int]

  /// - Parameters:
  ///   - pixels: (count, 3, imageSize, imageSize), preprocessed; or nil.
  ///   - tokens: (count, contextLength); or nil.
  public init(
    pixels: UnsafePointer<Float>?, tokens: UnsafePointer<Int32>?, count: Int, _ architecture: Architecture
  ) throws(CLIPError) {
    guard count > 0 else {
      throw CLIPError(.invalidArgument, "The batch is empty. Give at least one pair.")
    }
    self.count = count
    unsafe (self.pixels, self.tokens) = (pixels, tokens)
    guard let tokens = unsafe tokens else {
      lengths = []
      return
    }
    var lengths: [Int] = []
    lengths.reserveCapacity(count)
    for text in 0..<count {
      let ids = unsafe tokens + text * architecture.contextLength
      var (largest, end) = (Int32(-1), 0)
      for position in 0..<architecture.contextLength {
        let id = unsafe ids[position]
        guard id >= 0, Int(id) < architecture.vocabularySize else {
          throw CLIPError(
            .invalidArgument,
            "Token \(id) of text \(text) is outside the vocabulary of \(architecture.vocabularySize) ids. Tokenize with the vocabulary that is trained."
          )
        }
        if id > largest { (largest, end) = (id, position) }
      }
      lengths.append(end + 1)
    }
    self.lengths = lengths
  }
}

/// The way of a batch through both towers and back, in pieces. With one piece, activations are kept; with several, they
/// are computed again on the way back, so that the loss still contrasts the whole batch (as GradCache does: Gao et al.,
/// "Scaling Deep Contrastive Learning Batch Size under Memory Limited Setup", 2021). A frozen tower goes forward once, and
/// keeps nothing.
final class BatchEncoding {
  private let batch: TrainingBatch
  var count: Int { batch.count }
  private let towers: TrainedTowers
  private let learning: TrainedTowers.Learning
  private let pieces: Int
  private var kept: [(rows: Range<Int>, isImage: Bool, pullback: Pullback)] = []

  init(_ batch: TrainingBatch, _ towers: TrainedTowers, _ learning: TrainedTowers.Learning, pieces: Int) {
    (self.batch, self.towers, self.learning) = (batch, towers, learning)
    self.pieces = min(pieces, batch.count)
  }

  /// The tower that learns, and of which nothing was encoded: there is no way back.
  var missing: String? {
    if unsafe batch.pixels == nil && learning.images { return "pictures" }
    return unsafe batch.tokens == nil && learning.texts ? "texts" : nil
  }

  func forward(into images: MatrixView, _ texts: MatrixView, _ pass: TrainingPass) throws(CLIPError) {
    for piece in 0..<pieces {
      let mark = pass.tape.mark
      let pullbacks = try encode(range(piece), TrainedTowers.Learning(), into: images, texts, pass)
      if pieces == 1 { kept = pullbacks } else { pass.tape.release(to: mark) }
    }
  }

  func backward(_ dImages: MatrixView, _ dTexts: MatrixView, _ pass: TrainingPass) throws(CLIPError) {
    guard pieces > 1 else { return try pull(kept, dImages, dTexts) }
    let mark = pass.tape.mark
    pass.countsStatistics = false
    defer { pass.countsStatistics = true }
    for piece in 0..<pieces {
      let rows = range(piece)
      let (images, texts) = try (
        pass.tape.matrix(batch.count, dImages.columns), pass.tape.matrix(batch.count, dTexts.columns)
      )
      try pull(try encode(rows, learning, into: images, texts, pass), dImages, dTexts)
      pass.tape.release(to: mark)
    }
  }

  private func range(_ piece: Int) -> Range<Int> {
    batch.count * piece / pieces..<batch.count * (piece + 1) / pieces
  }

  private func pull(
    _ pullbacks: [(rows: Range<Int>, isImage: Bool, pullback: Pullback)], _ dImages: MatrixView,
    _ dTexts: MatrixView
  ) throws(CLIPError) {
    for part in pullbacks { try part.pullback((part.isImage ? dImages : dTexts).rows(part.rows)) }
  }

  /// Some pairs through those towers that are wanted, a few at a time; of those that learn, the ways back.
  private func encode(
    _ rows: Range<Int>, _ wanted: TrainedTowers.Learning, into images: MatrixView, _ texts: MatrixView,
    _ pass: TrainingPass
  ) throws(CLIPError) -> [(rows: Range<Int>, isImage: Bool, pullback: Pullback)] {
    var pullbacks: [(rows: Range<Int>, isImage: Bool, pullback: Pullback)] = []
    var first = rows.lowerBound
    while wanted.images, let pixels = unsafe batch.pixels, first < rows.upperBound {
      let part = first..<min(rows.upperBound, first + (towers.image.picturesPerPass ?? rows.count))
      let mark = pass.tape.mark
      let pullback = unsafe try towers.image.forward(
        pixels + first * towers.pixelsPerPicture, count: part.count, into: images.rows(part), pass)
      if learning.images { pullbacks.append((part, true, pullback)) } else { pass.tape.release(to: mark) }
      first = part.upperBound
    }
    first = rows.lowerBound
    while wanted.texts, let tokens = unsafe batch.tokens, first < rows.upperBound {
      let count = towers.text.textsPerPass(batch.lengths[first..<rows.upperBound])
      let part = first..<first + count
      let mark = pass.tape.mark
      let pullback = unsafe try towers.text.forward(
        tokens + first * towers.text.contextLength, lengths: Array(batch.lengths[part]),
        into: texts.rows(part), pass)
      if learning.texts { pullbacks.append((part, false, pullback)) } else { pass.tape.release(to: mark) }
      first = part.upperBound
    }
    return pullbacks
  }
}
