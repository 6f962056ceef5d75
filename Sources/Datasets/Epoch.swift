import Glibc

/// A pair before it is decoded.
struct RawPair: Sendable {
  enum Picture: Sendable {
    case file(folder: String, path: String)
    case bytes(Block)
    case unreadable(Problem)
  }
  enum Captions: Sendable {
    case listed(PictureTable, picture: Int)
    case text([UInt8])
    case json([UInt8])
  }

  /// What random choices about it depend on; the same in every epoch.
  let index: UInt64
  let name: String
  let picture: Picture
  let captions: Captions
}

/// What is at a position of an epoch.
enum Taken: Sendable {
  /// `problems` were met on the way to the pair, since the one before it.
  case pair(RawPair, problems: [Problem])
  /// Behind the last.
  case end(problems: [Problem])
  case failed(DatasetError)
}

/// The pairs of one epoch in their order. Each position is taken once, by any thread, in any order.
protocol Epoch: AnyObject, Sendable {
  func take(_ position: Int) -> Taken
}

/// Pictures of tables.
final class TableEpoch: Epoch {
  private let table: PictureTable
  /// nil: the order of the tables.
  private let order: [UInt32]?

  init(_ table: PictureTable, _ options: DatasetOptions, epoch: Int) {
    self.table = table
    order =
      options.shuffles ? Draws.permutation(table.count, seed: options.seed, epoch: epoch) : nil
  }

  func take(_ position: Int) -> Taken {
    guard position < table.count else { return .end(problems: []) }
    let picture = order.map { Int($0[position]) } ?? position
    let (folder, path) = table.path(picture)
    let raw = RawPair(
      index: UInt64(picture), name: path, picture: .file(folder: folder, path: path),
      captions: .listed(table, picture: picture))
    return .pair(raw, problems: [])
  }
}

/// Pairs of shards, which are read one after the other, in an order drawn for the epoch, into a buffer from which
/// pairs are drawn. Whoever needs a pair that was not read yet reads up to it.
@safe final class ShardEpoch: Epoch, @unchecked Sendable {
  private let paths: [String]
  private let options: DatasetOptions
  private let epoch: Int
  private let lock: UnsafeMutablePointer<pthread_mutex_t>

  // Under the lock:
  private var walker: ShardWalker
  /// Positions before it are passed over: their contents are not read.
  private let start: Int
  private var drawn = 0
  private var buffer: [(pair: ShardPair, contents: Contents?)] = []
  private var bufferedBytes = 0
  private var isRead = false
  private var problems: [Problem] = []
  private var waiting: [Int: Taken] = [:]
  private var failure: DatasetError?

  /// A pair's picture and caption, or why there is none.
  private struct Contents {
    let picture: RawPair.Picture
    let caption: RawPair.Captions
  }

  init(_ paths: [String], _ options: DatasetOptions, epoch: Int, start: Int) {
    self.paths = paths
    self.options = options
    self.epoch = epoch
    self.start = start
    let order =
      options.shuffles
      ? Draws.permutation(paths.count, seed: options.seed, epoch: epoch)
      : (0..<paths.count).map { UInt32(truncatingIfNeeded: $0) }
    walker = ShardWalker(paths, order: order)
    unsafe lock = .allocate(capacity: 1)
    unsafe pthread_mutex_init(lock, nil)
  }

  deinit {
    unsafe pthread_mutex_destroy(lock)
    unsafe lock.deallocate()
  }

  /// The number of pairs in the shards, by their headers.
  static func count(_ paths: [String]) throws(DatasetError) -> Int {
    var walker = ShardWalker(paths, order: (0..<paths.count).map { UInt32(truncatingIfNeeded: $0) })
    var count = 0
    while try walker.nextPair({ _ in }) != nil { count += 1 }
    return count
  }

  func take(_ position: Int) -> Taken {
    unsafe pthread_mutex_lock(lock)
    defer { unsafe pthread_mutex_unlock(lock) }
    if let failure { return .failed(failure) }
    do throws(DatasetError) {
      while drawn <= position {
        let place = drawn
        guard let taken = try draw() else {
          let told = problems
          problems = []
          return .end(problems: told)
        }
        if place >= start { waiting[place] = taken }
      }
    } catch {
      failure = error
      return .failed(error)
    }
    return waiting.removeValue(forKey: position) ?? .end(problems: [])
  }

  /// Draws a pair from the buffer after filling it; nil when there is none left.
  private func draw() throws(DatasetError) -> Taken? {
    let isPassing = drawn < start
    let room = options.shuffles ? options.shuffleBuffer : 1
    while !isRead, buffer.count < room, buffer.isEmpty || bufferedBytes < options.bufferBytes {
      guard let pair = try walker.nextPair({ problems.append($0) }) else {
        isRead = true
        break
      }
      bufferedBytes += bytes(of: pair)
      buffer.append((pair, isPassing ? nil : try contents(pair, walker.file)))
    }
    guard !buffer.isEmpty else { return nil }
    var draws = Draws(seed: options.seed, epoch: epoch, index: UInt64(drawn), .buffer)
    let choice = options.shuffles ? draws.below(buffer.count) : 0
    let (pair, read) = buffer[choice]
    if let last = buffer.popLast(), choice < buffer.count { buffer[choice] = last }
    bufferedBytes -= bytes(of: pair)
    drawn += 1
    guard !isPassing else {
      problems = []
      return .end(problems: [])
    }
    let contents = if let read { read } else { try contents(pair, nil) }
    let raw = RawPair(
      index: pair.index, name: "\(paths[pair.shard]): \(pair.name)", picture: contents.picture,
      captions: contents.caption)
    let told = problems
    problems = []
    return .pair(raw, problems: told)
  }

  /// Bytes that a pair takes in the buffer; a picture above the limit is not read.
  private func bytes(of pair: ShardPair) -> Int {
    (isAllowed(pair.picture) ? pair.picture.count : 0) + min(pair.caption.count, Self.maximalCaption)
  }

  private func isAllowed(_ picture: Range<Int>) -> Bool { picture.count <= options.preprocessing.maxBytes }

  /// Longest caption in bytes, as the tokenizer has it, with room for JSON around it.
  private static let maximalCaption = 1 << 25

  /// Reads a pair's members from its shard, which may be open already.
  private func contents(_ pair: ShardPair, _ open: InputFile?) throws(DatasetError) -> Contents {
    let file = if let open, open.path == paths[pair.shard] { open } else { try InputFile(paths[pair.shard]) }
    func name() -> String { "\(file.path): \(pair.name)" }
    let picture: RawPair.Picture
    if !isAllowed(pair.picture) {
      picture = .unreadable(
        Problem(
          .brokenPictures,
          "\(name()) has a picture of \(pair.picture.count) bytes, above max_bytes = \(options.preprocessing.maxBytes)."
        ))
    } else if let block = try Block(file, pair.picture) {
      picture = .bytes(block)
    } else {
      picture = .unreadable(
        Problem(.brokenPictures, "\(name()): the shard became shorter while it was read."))
    }
    guard pair.caption.count <= Self.maximalCaption else {
      return Contents(
        picture: .unreadable(
          Problem(.longCaptions, "\(name()) has a caption of \(pair.caption.count) bytes.")),
        caption: .text([]))
    }
    let caption = try file.bytes(pair.caption.count, at: pair.caption.lowerBound)
    return Contents(picture: picture, caption: pair.isJSON ? .json(caption) : .text(caption))
  }
}
