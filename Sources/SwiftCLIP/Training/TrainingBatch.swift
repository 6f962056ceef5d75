import Kernels

/// Pairs of a picture and a text, as both towers read them; or one of the two alone, where the host has embeddings of
/// the other. The memory is the caller's, and must outlive the step.
@safe public struct TrainingBatch {
  public let count: Int
  let pixels: UnsafePointer<Float>?
  let tokens: UnsafePointer<Int32>?
  /// Of each text up to its EOT, which has the largest id.
  let lengths: [Int]

  /// - Parameters:
  ///   - pixels: (count, 3, imageSize, imageSize), preprocessed; nil: no pictures.
  ///   - tokens: (count, contextLength); nil: no texts.
  public init(
    pixels: UnsafePointer<Float>?, tokens: UnsafePointer<Int32>?, count: Int, _ architecture: Architecture
  ) throws(CLIPError) {
    guard count > 0 else {
      throw CLIPError(.invalidArgument, "The batch is empty. Give at least one pair.")
    }
    self.count = count
    unsafe (self.pixels, self.tokens) = (pixels, tokens)
    lengths =
      unsafe try tokens.map { (tokens) throws(CLIPError) in
        unsafe try Self.lengths(tokens, count, architecture)
      } ?? []
  }

  /// For what contrasts the two.
  func checkPairs() throws(CLIPError) {
    guard unsafe pixels != nil, unsafe tokens != nil else {
      throw CLIPError(.invalidArgument, "The batch has only pictures or only texts. Give pairs.")
    }
  }

  private static func lengths(
    _ tokens: UnsafePointer<Int32>, _ count: Int, _ architecture: Architecture
  ) throws(CLIPError) -> [Int] {
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
    return lengths
  }
}

/// The way of a batch through both towers and back, in pieces. With one piece, activations are kept; with several, they
/// are computed again on the way back, so that the loss still contrasts the whole batch (as GradCache does: Gao et al.,
/// "Scaling Deep Contrastive Learning Batch Size under Memory Limited Setup", 2021). A frozen tower goes forward once, and
/// keeps nothing.
final class BatchEncoding {
  private let batch: TrainingBatch
  var count: Int { batch.count }
  var hasImages: Bool { unsafe batch.pixels != nil }
  var hasTexts: Bool { unsafe batch.tokens != nil }
  private let towers: TrainedTowers
  private let learning: TrainedTowers.Learning
  private let pieces: Int
  private var kept: [(rows: Range<Int>, isImage: Bool, pullback: Pullback)] = []

  init(_ batch: TrainingBatch, _ towers: TrainedTowers, _ learning: TrainedTowers.Learning, pieces: Int) {
    (self.batch, self.towers, self.learning) = (batch, towers, learning)
    self.pieces = min(pieces, batch.count)
  }

  func forward(into images: MatrixView?, _ texts: MatrixView?, _ pass: TrainingPass) throws(CLIPError) {
    for piece in 0..<pieces {
      let mark = pass.tape.mark
      let pullbacks = try encode(range(piece), into: images, texts, pass)
      if pieces == 1 { kept = pullbacks } else { pass.tape.release(to: mark) }
    }
  }

  /// - Parameters:
  ///   - dImages, dTexts: gradients with respect to the embeddings; nil: none of that tower's parameters.
  func backward(_ dImages: MatrixView?, _ dTexts: MatrixView?, _ pass: TrainingPass) throws(CLIPError) {
    guard pieces > 1 else { return try pull(kept, dImages, dTexts) }
    guard let embedDim = (dImages ?? dTexts)?.columns else { return }
    let mark = pass.tape.mark
    pass.countsStatistics = false
    defer { pass.countsStatistics = true }
    for piece in 0..<pieces {
      let rows = range(piece)
      let (images, texts) = try (
        pass.tape.matrix(batch.count, embedDim), pass.tape.matrix(batch.count, embedDim)
      )
      let pullbacks = try encode(
        rows, into: learning.images ? images : nil, learning.texts ? texts : nil, pass)
      try pull(pullbacks, dImages, dTexts)
      pass.tape.release(to: mark)
    }
  }

  private func range(_ piece: Int) -> Range<Int> {
    batch.count * piece / pieces..<batch.count * (piece + 1) / pieces
  }

  private func pull(
    _ pullbacks: [(rows: Range<Int>, isImage: Bool, pullback: Pullback)], _ dImages: MatrixView?,
    _ dTexts: MatrixView?
  ) throws(CLIPError) {
    for part in pullbacks {
      if let d = part.isImage ? dImages : dTexts { try part.pullback(d.rows(part.rows)) }
    }
  }

  /// What the batch has of some pairs through its tower, a few at a time; the way back through those that learn.
  private func encode(
    _ rows: Range<Int>, into images: MatrixView?, _ texts: MatrixView?, _ pass: TrainingPass
  ) throws(CLIPError) -> [(rows: Range<Int>, isImage: Bool, pullback: Pullback)] {
    var pullbacks: [(rows: Range<Int>, isImage: Bool, pullback: Pullback)] = []
    var first = rows.lowerBound
    while let images, let pixels = unsafe batch.pixels, first < rows.upperBound {
      let part = first..<min(rows.upperBound, first + (towers.image.picturesPerPass ?? rows.count))
      let mark = pass.tape.mark
      let pullback = unsafe try towers.image.forward(
        pixels + first * towers.pixelsPerPicture, count: part.count, into: images.rows(part), pass)
      if learning.images { pullbacks.append((part, true, pullback)) } else { pass.tape.release(to: mark) }
      first = part.upperBound
    }
    first = rows.lowerBound
    while let texts, let tokens = unsafe batch.tokens, first < rows.upperBound {
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
