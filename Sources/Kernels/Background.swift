import CPlatform

/// Work that free workers do while the caller does something else: indices 0 ..< count, each once, handed out as
/// by `parallel`. `finish` has the caller do what nobody has begun, so that all is done on one thread too; it is
/// called at the latest when the value goes. Belongs to the thread that made it.
///
/// Jobs of `parallel` come first: a worker that is free in the middle of one helps there.
public final class Background {
  private let compute: Compute
  private let count: Int
  /// Read by workers until `finish` has seen them leave.
  private let body: UnsafeMutablePointer<Job.Body>
  private let job: Job
  /// In which process the job was offered.
  private let forks: Int
  private var isFinished = false

  /// - Parameter count: below 2^32.
  public init(_ compute: Compute, count: Int, _ body: @escaping @Sendable (Int) -> Void) {
    self.compute = compute
    self.count = count
    self.body = .allocate(capacity: 1)
    self.body.initialize(to: { index, _ in body(index) })
    // One more than there are indices: the first participant is the caller, who may come late.
    job = Job(count: count, limit: min(compute.threads, count + 1), body: self.body)
    forks = compute.pool.state.forks
    if compute.threads > 1 { compute.pool.state.offer(job) }
  }

  deinit {
    finish()
    body.deinitialize(count: 1)
    body.deallocate()
  }

  /// Returns when the body has run for every index.
  ///
  /// In a child that was forked in between, the workers and what they had in hand are gone: the body runs again
  /// for every index, for some of them a second time.
  public func finish() {
    guard !isFinished else { return }
    isFinished = true
    let mode = platform_float_mode_begin()
    defer { platform_float_mode_end(mode) }
    guard forks == compute.pool.state.forks else {
      for index in 0..<count { body.pointee(index, 0) }
      return
    }
    compute.pool.state.join(job)
  }
}
