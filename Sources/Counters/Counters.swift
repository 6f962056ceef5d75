#if SWIFTCLIP_COUNTERS
  import Glibc
#endif

/// What the thread that called the library is doing. `outside`: nothing of the library's, which is not counted.
/// Without a raw type: it would put conformances into libraries that count nothing.
public enum Stage {
  case outside
  /// Patches or tokens become the rows of a Transformer.
  case embedding
  case norms
  /// Queries, keys and values, and the output.
  case attentionProducts
  case attention
  case mlp
  /// Of a ResNet: its first convolutions; those of 1 × 1 and of 3 × 3 in its blocks; its pools.
  case stem
  case pointwise
  case convolution
  case averagePool
  case attentionPool
  case projection
  /// The next batch of a pipeline is not decoded yet.
  case pictures
}

/// Where the time of calls goes, stage by stage: for whoever makes swiftclip faster. Only in builds made with
/// SWIFTCLIP_COUNTERS=1; in all others the hooks are empty functions, of which inlining leaves nothing.
///
/// A hook says which stage begins on the calling thread; the one before ends with it. Each thread counts for itself,
/// so that counting makes nobody wait; a table of all threads is written when the process ends.
public enum Counters {}

#if !SWIFTCLIP_COUNTERS
  extension Counters {
    /// The calling thread begins a stage and ends the one before.
    @inlinable @inline(__always) public static func enter(_ stage: Stage) {}
    /// The caller of a job is done with its own share and waits for the last worker, until `endWaiting`.
    @inlinable @inline(__always) public static func beginWaiting() {}
    @inlinable @inline(__always) public static func endWaiting() {}
    /// Multiply-adds that the stage of the calling thread asks for.
    @inlinable @inline(__always) public static func count(multiplyAdds: @autoclosure () -> Int) {}
  }
#else
  extension Counters {
    public static func enter(_ stage: Stage) {
      let now = clock()
      let own = unsafe record()
      if unsafe own.pointee.stage != .outside {
        unsafe own.pointee.counts[own.pointee.stage.index].nanoseconds += now - own.pointee.since
      }
      unsafe own.pointee.stage = stage
      unsafe own.pointee.since = now
      unsafe own.pointee.counts[stage.index].times += 1
    }

    public static func beginWaiting() { unsafe record().pointee.waitingSince = clock() }

    public static func endWaiting() {
      let own = unsafe record()
      unsafe own.pointee.counts[own.pointee.stage.index].waiting += clock() - own.pointee.waitingSince
    }

    public static func count(multiplyAdds: @autoclosure () -> Int) {
      let own = unsafe record()
      unsafe own.pointee.counts[own.pointee.stage.index].multiplyAdds += multiplyAdds()
    }

    private static func clock() -> Int {
      var now = timespec()
      unsafe clock_gettime(CLOCK_MONOTONIC, &now)
      return now.tv_sec * 1_000_000_000 + now.tv_nsec
    }
  }

  extension Stage: CaseIterable {
    /// Its place among all cases.
    fileprivate var index: Int { Int(unsafe unsafeBitCast(self, to: UInt8.self)) }
  }

  /// What is known about one stage of one thread.
  private struct StageCount {
    var times = 0, nanoseconds = 0, waiting = 0, multiplyAdds = 0

    static func += (sum: inout StageCount, other: StageCount) {
      sum.times += other.times
      sum.nanoseconds += other.nanoseconds
      sum.waiting += other.waiting
      sum.multiplyAdds += other.multiplyAdds
    }
  }

  /// What one thread counts. Lives as long as the process: the thread may be gone when the table is written.
  @safe private struct Record {
    var stage = Stage.outside
    var since = 0
    var waitingSince = 0
    let counts: UnsafeMutablePointer<StageCount>
    let next: UnsafeMutablePointer<Record>?
  }

  nonisolated(unsafe) private let lock = {
    let lock = UnsafeMutablePointer<pthread_mutex_t>.allocate(capacity: 1)
    unsafe pthread_mutex_init(lock, nil)
    return unsafe lock
  }()
  nonisolated(unsafe) private var records: UnsafeMutablePointer<Record>?

  /// Where a thread finds its record. With it, the table at the end of the process is arranged for.
  private let key = {
    var key = pthread_key_t()
    unsafe pthread_key_create(&key, nil)
    atexit { report() }
    return key
  }()

  private func record() -> UnsafeMutablePointer<Record> {
    if let known = unsafe pthread_getspecific(key) {
      return unsafe known.assumingMemoryBound(to: Record.self)
    }
    let own = UnsafeMutablePointer<Record>.allocate(capacity: 1)
    let counts = UnsafeMutablePointer<StageCount>.allocate(capacity: Stage.allCases.count)
    unsafe counts.initialize(repeating: StageCount(), count: Stage.allCases.count)
    unsafe pthread_mutex_lock(lock)
    unsafe own.initialize(to: Record(counts: counts, next: records))
    unsafe records = own
    unsafe pthread_mutex_unlock(lock)
    unsafe pthread_setspecific(key, own)
    return unsafe own
  }

  /// Writes the table to the file that SWIFTCLIP_COUNTERS_FILE names, at its end, or to stderr.
  private func report() {
    var sums = Stage.allCases.map { _ in StageCount() }
    var next = unsafe records
    while let record = unsafe next {
      for stage in Stage.allCases { sums[stage.index] += unsafe record.pointee.counts[stage.index] }
      unsafe next = record.pointee.next
    }
    let all = sums.reduce(0) { $0 + $1.nanoseconds }
    guard all > 0 else { return }
    var text = row("stage", ["times", "ms", "share_%", "waiting_ms", "GFLOP/s"])
    for stage in Stage.allCases where sums[stage.index].nanoseconds > 0 {
      let sum = sums[stage.index]
      text += row(
        "\(stage)",
        [
          "\(sum.times)", tenths(sum.nanoseconds, per: 1_000_000), tenths(100 * sum.nanoseconds, per: all),
          tenths(sum.waiting, per: 1_000_000), tenths(2 * sum.multiplyAdds, per: sum.nanoseconds),
        ])
    }
    let path = unsafe getenv("SWIFTCLIP_COUNTERS_FILE")
    let file = unsafe path.map { unsafe open($0, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0o644) } ?? 2
    var bytes = text
    bytes.withUTF8 { _ = unsafe write(file, $0.baseAddress, $0.count) }
    if file > 2 { close(file) }
  }

  private func row(_ name: String, _ columns: [String]) -> String {
    func pad(_ count: Int) -> String { String(repeating: " ", count: max(1, count)) }
    let cells = columns.map { pad(12 - $0.utf8.count) + $0 }
    return name + pad(18 - name.utf8.count) + cells.joined() + "\n"
  }

  /// A quotient with one decimal.
  private func tenths(_ value: Int, per unit: Int) -> String {
    let tenths = Int((10 * Double(value) / Double(unit)).rounded())
    return "\(tenths / 10).\(tenths % 10)"
  }
#endif
