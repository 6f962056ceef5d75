import Imaging
import Kernels
import Synchronization

/// Gives the picture of an index, on any thread. An error is that picture's.
public typealias PictureSupply = @Sendable (_ index: Int) throws(CLIPError) -> PictureSource

/// Consecutive pictures that threads preprocess at the same time, each into its own part of one buffer.
@safe final class PictureBatch: @unchecked Sendable {
  /// Where the batch stands among the pictures of the call.
  let first: Int
  let count: Int
  /// (count, 3, size, size)
  let pixels: UnsafeMutablePointer<Float>
  private let options: PreprocessOptions
  private let supply: PictureSupply
  /// What was wrong with each picture. A class, so that a slot is one word: a child forked while a thread
  /// writes it finds it written or not.
  private let outcomes: UnsafeMutablePointer<Failure?>
  private let isAbandoned = Atomic(false)
  /// The thread's that made the batch: the threads that work on it have none of their own.
  private let attachments = Attachments.own

  private final class Failure: Sendable {
    let error: CLIPError
    init(_ error: CLIPError) { self.error = error }
  }

  init(
    first: Int, count: Int, _ supply: @escaping PictureSupply, _ options: PreprocessOptions,
    into pixels: UnsafeMutablePointer<Float>
  ) {
    self.first = first
    self.count = count
    self.supply = supply
    self.options = options
    unsafe self.pixels = pixels
    unsafe outcomes = .allocate(capacity: count)
    unsafe outcomes.initialize(repeating: nil, count: count)
  }

  deinit {
    unsafe outcomes.deinitialize(count: count)
    unsafe outcomes.deallocate()
  }

  /// Floats of one picture.
  private var floats: Int { 3 * options.imageSize * options.imageSize }

  /// Picture `index` of the batch to its pixels. Distinct indices may run at the same time.
  func preprocess(_ index: Int) {
    guard !isAbandoned.load(ordering: .relaxed) else { return }
    do throws(CLIPError) {
      try checkStop()
      let picture = try supply(first + index)
      // index < count, and every picture has its own part.
      try converting { () throws(ImagingError) in
        unsafe try Imaging.preprocess(picture, options, into: pixels + index * floats)
      }
    } catch {
      unsafe outcomes[index] = Failure(error)
    }
  }

  /// Has threads pass over what they have not begun.
  func abandon() { isAbandoned.store(true, ordering: .relaxed) }

  /// Throws where the call that the batch belongs to is to stop. What stops stays stopped: where a thread has passed
  /// over a picture for this, whoever asks later is told.
  func checkStop() throws(CLIPError) {
    if let reason = attachments?.reason { throw CLIPError(reason) }
  }

  /// What was wrong with a picture. Read when all threads are done.
  func failure(_ index: Int) -> CLIPError? { unsafe outcomes[index]?.error }

  /// Moves the pixels of good pictures together, in their order, and returns which they are.
  func gatherGood() -> [Int] {
    var good: [Int] = []
    for index in 0..<count where unsafe outcomes[index] == nil {
      if good.count < index {
        // Downwards, to the place of a picture that was bad or has moved itself.
        unsafe (pixels + good.count * floats).update(from: pixels + index * floats, count: floats)
      }
      good.append(index)
    }
    return good
  }
}

extension CLIP {
  /// Pictures to pixels (pictures.count, 3, size, size), on all threads.
  public func preprocess(_ pictures: [PictureSource], into pixels: UnsafeMutablePointer<Float>)
    throws(CLIPError)
  {
    guard image != nil else { throw missingImageEncoder }
    let batch = unsafe PictureBatch(
      first: 0, count: pictures.count, { pictures[$0] }, preprocessing, into: pixels)
    compute.parallel(pictures.count) { batch.preprocess($0) }
    try batch.checkStop()
    for index in pictures.indices {
      if let error = batch.failure(index) { throw error.located("Picture \(index)") }
    }
  }
}

/// Pictures to pixels (pictures.count, 3, size, size) without a model, one after the other on this thread.
public func preprocessInTurn(
  _ pictures: [PictureSource], _ options: PreprocessOptions, into pixels: UnsafeMutablePointer<Float>
) throws(CLIPError) {
  let floats = 3 * options.imageSize * options.imageSize
  for (index, picture) in pictures.enumerated() {
    try checkStop()
    do {
      unsafe try Imaging.preprocess(picture, options, into: pixels + index * floats)
    } catch {
      throw error.told.located("Picture \(index)")
    }
  }
}
