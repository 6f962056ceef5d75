import Glibc
import Imaging
import Synchronization

/// Pairs of one batch, which threads make at the same time, each in its own place.
@safe final class PairBatch: @unchecked Sendable {
  /// Its number among all batches, and its epoch.
  let number: Int, epoch: Int
  /// Positions of the epoch that it covers.
  let positions: Range<Int>
  private let pairs: any Epoch
  private let options: DatasetOptions
  /// (positions, 3, size, size) and (positions, context).
  private let pixels: UnsafeMutablePointer<Float>
  private let tokens: UnsafeMutablePointer<Int32>
  private let outcomes: UnsafeMutablePointer<Outcome?>
  private let isAbandoned = Atomic(false)

  /// What became of a position.
  final class Outcome: Sendable {
    enum Kind: Sendable {
      case good, skipped, end
      case failed(DatasetError)
    }
    let kind: Kind
    let problems: [Problem]
    let isTruncated: Bool

    init(_ kind: Kind, _ problems: [Problem] = [], isTruncated: Bool = false) {
      self.kind = kind
      self.problems = problems
      self.isTruncated = isTruncated
    }
  }

  init(
    number: Int, epoch: Int, positions: Range<Int>, _ pairs: any Epoch, _ options: DatasetOptions,
    pixels: UnsafeMutablePointer<Float>, tokens: UnsafeMutablePointer<Int32>
  ) {
    self.number = number
    self.epoch = epoch
    self.positions = positions
    self.pairs = pairs
    self.options = options
    unsafe self.pixels = pixels
    unsafe self.tokens = tokens
    unsafe outcomes = .allocate(capacity: positions.count)
    unsafe outcomes.initialize(repeating: nil, count: positions.count)
  }

  deinit {
    unsafe outcomes.deinitialize(count: positions.count)
    unsafe outcomes.deallocate()
  }

  private var floats: Int { 3 * options.preprocessing.imageSize * options.preprocessing.imageSize }
  private var context: Int { options.tokenizer.contextLength }

  /// Has threads pass over what they have not begun.
  func abandon() { isAbandoned.store(true, ordering: .relaxed) }

  /// Makes the pair at `index`. Distinct indices may run at the same time.
  func make(_ index: Int) {
    guard !isAbandoned.load(ordering: .relaxed) else { return }
    // index < positions.count, and every pair has its own place.
    switch pairs.take(positions.lowerBound + index) {
    case .end(let problems): unsafe outcomes[index] = Outcome(.end, problems)
    case .failed(let error): unsafe outcomes[index] = Outcome(.failed(error))
    case .pair(let raw, let problems): unsafe outcomes[index] = made(raw, index, problems)
    }
  }

  private func made(_ raw: RawPair, _ index: Int, _ before: [Problem]) -> Outcome {
    do throws(CaptionFailure) {
      let caption = try options.caption(of: raw, epoch: epoch)
      if let problem = picture(raw, into: index) { return Outcome(.skipped, before + [problem]) }
      for (place, id) in caption.tokens.enumerated() { unsafe tokens[index * context + place] = id }
      return Outcome(.good, before, isTruncated: caption.isTruncated)
    } catch {
      switch error {
      case .skipped(let problem): return Outcome(.skipped, before + [problem])
      case .refused(let error): return Outcome(.failed(error), before)
      }
    }
  }

  /// Decodes a picture to its place, or tells why not.
  private func picture(_ raw: RawPair, into index: Int) -> Problem? {
    let rules = options.preprocessing(epoch: epoch, index: raw.index)
    let target = unsafe pixels + index * floats
    do throws(ImagingError) {
      switch raw.picture {
      case .unreadable(let problem): return problem
      case .bytes(let block):
        unsafe try Imaging.preprocess(.encoded(block.bytes), rules, into: target)
        // `block` lives until here, and with it the bytes.
        extendLifetime(block)
      case .file(let folder, let path):
        switch Folder.file(path, in: folder, allowsOutside: options.allowsOutside) {
        case .failure(let problem): return problem
        case .success(let file): unsafe try Imaging.preprocess(.file(path: file), rules, into: target)
        }
      }
      return nil
    } catch {
      if case .io(let message) = error { return Problem(.missingPictures, "\(raw.name): \(message)") }
      return Problem(.brokenPictures, "\(raw.name): \(error.message)")
    }
  }

  // MARK: When all threads are done

  /// nil where the batch was abandoned.
  func outcome(_ index: Int) -> Outcome? { unsafe outcomes[index] }

  /// Copies the good pairs, one behind the other, and returns how many there are.
  func copy(pixels: UnsafeMutablePointer<Float>, tokens: UnsafeMutablePointer<Int32>) -> Int {
    var count = 0
    for index in 0..<positions.count {
      guard let outcome = outcome(index), case .good = outcome.kind else { continue }
      unsafe (pixels + count * floats).update(from: self.pixels + index * floats, count: floats)
      unsafe (tokens + count * context).update(from: self.tokens + index * context, count: context)
      count += 1
    }
    return count
  }
}

extension Folder {
  enum Found {
    case success(String)
    case failure(Problem)
  }

  /// The file that a table's path names. It must lie in the table's folder, also by links, unless that is allowed.
  static func file(_ path: String, in folder: String, allowsOutside: Bool) -> Found {
    let name = path.utf8.first == 0x2F ? path : "\(folder)/\(path)"
    if allowsOutside { return .success(name) }
    guard let file = resolved(name) else {
      return .failure(Problem(.missingPictures, "\(name) cannot be opened: \(reason(errno))."))
    }
    guard file.utf8.starts(with: "\(folder)/".utf8) else {
      return .failure(Problem(.refusedPaths, "\(name) is a link that leads out of the table's folder."))
    }
    return .success(file)
  }
}
