import Kernels
import Synchronization

/// Pairs of pictures and captions, in batches that are made while the last one is used.
///
/// Batches are numbered over all epochs, and what is in one depends on its number and the options only. Calls from
/// several threads take turns.
public final class Dataset: @unchecked Sendable {
  public let options: DatasetOptions
  private let source: PairSource
  /// Threads beside the caller's, and a count of forks.
  private let compute: Compute
  private let turn: TurnLock

  // By whoever has the turn. Single words, so that a forked child finds each old or new.
  /// The batch that comes next.
  private var cursor = 0
  /// Pairs in an epoch; nil until a first epoch of shards was read.
  private var pairsInEpoch: Int?
  /// Whether the end of an epoch is to be told next.
  private var isAtEnd = false
  /// Whether the run has batches that are none: begun before it was known where the epoch ends.
  private var isOutrun = false
  private var run: Run?
  private var report: Report

  /// Opens tables or shards.
  public init(paths: [String], _ options: DatasetOptions) throws(DatasetError) {
    self.options = options
    do throws(KernelError) {
      compute = try Compute(threads: options.threads + 1)
    } catch {
      throw DatasetError(.outOfMemory, "The threads of the data set cannot be made. Ask for fewer.")
    }
    turn = TurnLock(compute)
    var report = Report()
    source = try PairSource(paths, options) { report = report.adding([$0], named: options.named) }
    self.report = report
    guard case .tables(let table) = source else { return }
    pairsInEpoch = table.count
    if batchesPerEpoch == 0 { throw tooFew(table.count) }
  }

  deinit { leaveRunOfParent() }

  public var imageSize: Int { options.preprocessing.imageSize }
  public var contextLength: Int { options.tokenizer.contextLength }

  /// Batches in an epoch; nil while it is not known.
  public var batchesPerEpoch: Int? {
    pairsInEpoch.map { pairs in
      options.keepsLast ? (pairs + options.batchSize - 1) / options.batchSize : pairs / options.batchSize
    }
  }

  private func tooFew(_ pairs: Int) -> DatasetError {
    let why = report.first.first.map { " The first that was skipped: \($0)" } ?? ""
    return DatasetError(
      .invalidData,
      "The data set has \(pairs) pairs, too few for a batch of \(options.batchSize). Make batches smaller, or keep the last one.\(why)"
    )
  }

  // MARK: Calls, in turn

  private func inTurn<R>(_ body: () throws(DatasetError) -> R) throws(DatasetError) -> R {
    try turn.acquire(checkStop)
    defer { turn.release() }
    leaveRunOfParent()
    return try body()
  }

  /// In a forked child: the threads that worked on the run are not in this process, and what they had in hand is in
  /// no known state. It is left where it is, for good.
  private func leaveRunOfParent() {
    guard let run, run.forks != compute.forks else { return }
    _ = unsafe Unmanaged.passRetained(run)
    self.run = nil
  }

  /// The number of the batch that comes next, and pairs and batches of an epoch where they are known.
  public var state: (next: Int, pairs: Int?, batches: Int?, report: Report) {
    turn.acquire()
    defer { turn.release() }
    return (cursor, pairsInEpoch, batchesPerEpoch, report)
  }

  /// Goes to a batch: the next one is that which would have come after as many others from the start.
  public func seek(_ batch: Int) throws(DatasetError) {
    try inTurn { () throws(DatasetError) in
      if batch > 0, pairsInEpoch == nil {
        let pairs = try source.count()
        pairsInEpoch = pairs
        if batchesPerEpoch == 0 {
          pairsInEpoch = nil
          throw tooFew(pairs)
        }
      }
      stop()
      cursor = batch
      isAtEnd = false
    }
  }

  private func stop() {
    run = nil
    isOutrun = false
  }

  /// Writes the next batch and returns its pairs; 0 once after the last batch of an epoch, unless the data set is
  /// endless. Pairs that cannot be used are left out, and batches without any passed over.
  public func next(
    into pixels: UnsafeMutablePointer<Float>, _ tokens: UnsafeMutablePointer<Int32>
  ) throws(DatasetError) -> Int {
    try inTurn { () throws(DatasetError) in
      do throws(DatasetError) {
        var barren = 0
        while true {
          if isAtEnd {
            isAtEnd = false
            if !options.isEndless { return 0 }
          }
          guard let batch = try finishedBatch() else { continue }
          let count = unsafe batch.copy(pixels: pixels, tokens: tokens)
          deliver(batch, count)
          if isOutrun { stop() }
          if count > 0 { return count }
          barren += 1
          if let batchesPerEpoch, barren >= batchesPerEpoch { throw allBad() }
        }
      } catch {
        // The same batch is tried again by the next call.
        stop()
        throw error
      }
    }
  }

  private func allBad() -> DatasetError {
    let why = report.first.last.map { " One of them: \($0)" } ?? ""
    return DatasetError(.invalidData, "Not one pair of a whole epoch can be used.\(why)")
  }

  /// Takes note of a batch that is handed over.
  private func deliver(_ batch: PairBatch, _ count: Int) {
    var problems: [Problem] = []
    var truncated = 0
    for index in 0..<batch.positions.count {
      guard let outcome = batch.outcome(index) else { continue }
      problems += outcome.problems
      if outcome.isTruncated, count > 0 { truncated += 1 }
    }
    report = report.adding(pairs: count, truncated: truncated, problems, named: options.named)
    cursor = batch.number + 1
    if let batchesPerEpoch, cursor % batchesPerEpoch == 0 { isAtEnd = true }
  }

  /// The batch at the cursor, when all its threads are done; nil where the epoch turned out to be at its end.
  private func finishedBatch() throws(DatasetError) -> PairBatch? {
    let run: Run
    if let present = self.run {
      run = present
    } else {
      run = try Run(options, compute, source, from: cursor)
      self.run = run
    }
    try checkStop()
    let batch = run.next(pairsInEpoch: pairsInEpoch, batchesPerEpoch: batchesPerEpoch)
    // What stops stays stopped: a batch of which pairs were passed over for this is never taken for a whole one.
    try checkStop()
    var found = 0
    for index in 0..<batch.positions.count {
      switch batch.outcome(index)?.kind {
      case .failed(let error): throw error
      case .end, nil: break
      case .good, .skipped: found += 1
      }
    }
    guard found < batch.positions.count else { return batch }
    return try endOfEpoch(batch, found)
  }

  /// The last batch of the first epoch of shards: now it is known how many there are.
  private func endOfEpoch(_ batch: PairBatch, _ found: Int) throws(DatasetError) -> PairBatch? {
    guard pairsInEpoch == nil else {
      throw DatasetError(
        .invalidData, "A shard has other pairs than before. Do not change shards while they are read.")
    }
    let pairs = batch.positions.lowerBound + found
    pairsInEpoch = pairs
    guard let batches = batchesPerEpoch, batches > 0 else {
      pairsInEpoch = nil
      deliver(batch, 0)
      cursor = 0
      throw tooFew(pairs)
    }
    isOutrun = true
    if batch.number < batches { return batch }
    deliver(batch, 0)
    stop()
    cursor = batch.number
    isAtEnd = true
    return nil
  }
}

/// Batches being made ahead of the one that is used.
private final class Run {
  let forks: Int
  private let options: DatasetOptions
  private let compute: Compute
  private let source: PairSource
  private let buffers: Int
  private let pixels: AlignedBuffer
  private let tokens: AlignedBuffer
  private var begun: Int
  private var turn = 0
  private var epoch: (number: Int, pairs: any Epoch)?
  private var working: [(batch: PairBatch, work: Background)] = []

  init(
    _ options: DatasetOptions, _ compute: Compute, _ source: PairSource, from batch: Int
  ) throws(DatasetError) {
    self.options = options
    self.compute = compute
    self.source = source
    begun = batch
    forks = compute.forks
    buffers = options.ahead + 1
    let size = options.preprocessing.imageSize
    do throws(KernelError) {
      // At most 65 buffers of 2^20 pairs of 2^26 numbers.
      tokens = try AlignedBuffer(count: buffers * options.batchSize * options.tokenizer.contextLength)
      pixels = try AlignedBuffer(count: buffers * options.batchSize * 3 * size * size)
    } catch {
      throw DatasetError(
        .outOfMemory,
        "No memory for \(buffers) batches of \(options.batchSize) pictures. Make batches smaller, or fewer ahead."
      )
    }
  }

  deinit {
    for (batch, _) in working { batch.abandon() }
    // Waits for the threads that are in a picture, before the pixels go.
    working = []
  }

  /// The next batch, made. The one before it has been used up: its buffer is taken again.
  func next(pairsInEpoch: Int?, batchesPerEpoch: Int?) -> PairBatch {
    while working.count < buffers { begin(pairsInEpoch, batchesPerEpoch) }
    let (batch, work) = working.removeFirst()
    work.finish()
    return batch
  }

  private func begin(_ pairsInEpoch: Int?, _ batchesPerEpoch: Int?) {
    var (number, place) = (0, begun)
    if let batches = batchesPerEpoch, batches > 0 { (number, place) = (begun / batches, begun % batches) }
    let start = place * options.batchSize
    let end = min(start + options.batchSize, pairsInEpoch ?? .max)
    let pairs: any Epoch
    if let epoch, epoch.number == number {
      pairs = epoch.pairs
    } else {
      pairs = source.epoch(number, start: start, options)
      epoch = (number, pairs)
    }
    let size = options.preprocessing.imageSize
    let first = turn % buffers * options.batchSize
    // Tokens are as large as floats, and these floats hold nothing else.
    let ids = unsafe UnsafeMutableRawPointer(tokens.pointer).assumingMemoryBound(to: Int32.self)
    let batch = unsafe PairBatch(
      number: begun, epoch: number, positions: start..<end, pairs, options,
      pixels: pixels.pointer + first * 3 * size * size,
      tokens: ids + first * options.tokenizer.contextLength)
    turn += 1
    begun += 1
    working.append(
      (
        batch,
        Background(compute, count: batch.positions.count) { index in
          // Workers have no cancellation: the calling thread, while it waits, ends the batch for all.
          if Attachments.isStopped { batch.abandon() }
          batch.make(index)
        }
      ))
  }
}
