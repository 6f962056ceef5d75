import Counters
import Imaging
import Kernels

/// A batch of pictures that has become embeddings.
@safe public struct EmbeddedBatch {
  /// Index of the first picture, and number of pictures.
  public let first: Int, count: Int
  /// (count, embedDim); NaN in the rows of pictures that failed. Valid during the call that gets the batch.
  public let embeddings: UnsafeMutablePointer<Float>
  /// What was wrong with the pictures that failed, by index among all.
  public let failures: [(index: Int, error: CLIPError)]
}

extension CLIP {
  /// Pictures to embeddings, in batches whose size is bounded: while the calling thread encodes one, workers
  /// that are free decode the next. Batches are delivered in order, on the calling thread.
  ///
  /// - Parameters:
  ///   - embeddings: (count, embedDim), measured by the caller; nil: rows live only as long as their delivery.
  ///   - deliver: what it throws ends the work.
  public func embed(
    count: Int, _ supply: @escaping PictureSupply, into embeddings: UnsafeMutablePointer<Float>?,
    deliver: (EmbeddedBatch) throws(CLIPError) -> Void
  ) throws(CLIPError) {
    guard let image else { throw missingImageEncoder }
    guard count > 0 else { return }
    let pipeline = try PicturePipeline(
      self, count: count, batch: min(image.imagesPerPass, count), supply)
    let rows = try Workspace(rows: unsafe embeddings == nil ? pipeline.batchSize : 0, columns: embedDim)
    while let batch = pipeline.next() {
      try batch.checkStop()
      let out = unsafe embeddings.map { unsafe $0 + batch.first * embedDim } ?? rows.view.pointer
      unsafe try encode(batch, image, into: out)
      try deliver(
        unsafe EmbeddedBatch(
          first: batch.first, count: batch.count, embeddings: out, failures: batch.failures))
    }
  }

  /// Pictures to embeddings (pictures.count, embedDim). The first picture that fails ends the work, and so does
  /// `progress`; `embeddings` may hold part of the result then.
  public func encode(
    pictures: [PictureSource], into embeddings: UnsafeMutablePointer<Float>, progress: Progress
  ) throws(CLIPError) {
    let supply: PictureSupply = { pictures[$0] }
    try unsafe embed(count: pictures.count, supply, into: embeddings) { (batch) throws(CLIPError) in
      if let failed = batch.failures.first { throw failed.error.located("Picture \(failed.index)") }
      let done = batch.first + batch.count
      if progress(done, pictures.count) { throw cancelled(done, pictures.count) }
    }
  }

  /// Encodes the good pictures of a batch and leaves NaN in the rows of the others.
  private func encode(
    _ batch: PictureBatch, _ image: ImageEncoder, into rows: UnsafeMutablePointer<Float>
  ) throws(CLIPError) {
    let good = batch.gatherGood()
    if !good.isEmpty { unsafe try image(batch.pixels, count: good.count, into: rows, compute) }
    guard good.count < batch.count else { return }
    // From the last row up, so that none is overwritten before it has moved.
    var next = good.count - 1
    for index in (0..<batch.count).reversed() {
      let row = unsafe rows + index * embedDim
      if next >= 0, good[next] == index {
        unsafe row.update(from: rows + next * embedDim, count: embedDim)
        next -= 1
      } else {
        unsafe row.update(repeating: .nan, count: embedDim)
      }
    }
  }
}

extension PictureBatch {
  fileprivate var failures: [(index: Int, error: CLIPError)] {
    (0..<count).compactMap { index in failure(index).map { (first + index, $0) } }
  }
}

/// Batches being decoded ahead of the one that is encoded. Its buffers bound the memory: at least as many pictures
/// ahead as there are threads, so that each has one to decode, and no more batches than that takes.
private final class PicturePipeline {
  let batchSize: Int
  private let clip: CLIP
  private let count: Int
  private let supply: PictureSupply
  /// Pixels of `buffers` batches, used in turn.
  private let pixels: Workspace
  private let buffers: Int
  private var begun = 0
  private var decoding: [(batch: PictureBatch, work: Background)] = []
  /// How many batches were begun; says whose turn a buffer is.
  private var turn = 0

  init(_ clip: CLIP, count: Int, batch: Int, _ supply: @escaping PictureSupply) throws(CLIPError) {
    self.clip = clip
    self.count = count
    self.supply = supply
    batchSize = batch
    // One thread decodes when it needs the pixels. A batch has at least one picture, a call at most 1024 threads.
    let ahead = clip.compute.threads == 1 ? 0 : (clip.compute.threads + batch - 1) / batch
    buffers = min(1 + ahead, (count - 1) / batch + 1)
    let side = clip.preprocessing.imageSize
    pixels = try Workspace(rows: buffers * batch, columns: 3 * side * side)
  }

  deinit {
    for (batch, _) in decoding { batch.abandon() }
    // Waits for the threads that are in a picture, before the pixels go.
    decoding = []
  }

  /// The next batch, decoded; nil after the last. The batch before it has been used up: its buffer is taken again.
  func next() -> PictureBatch? {
    while begun < count, decoding.count < buffers { begin() }
    guard !decoding.isEmpty else { return nil }
    let (batch, work) = decoding.removeFirst()
    Counters.enter(.pictures)
    work.finish()
    Counters.enter(.outside)
    return batch
  }

  private func begin() {
    let view = pixels.view
    let buffer = unsafe view.pointer + turn % buffers * batchSize * view.columns
    let batch = unsafe PictureBatch(
      first: begun, count: min(batchSize, count - begun), supply, clip.preprocessing, into: buffer)
    turn += 1
    begun += batch.count
    decoding.append((batch, Background(clip.compute, count: batch.count) { batch.preprocess($0) }))
  }
}
