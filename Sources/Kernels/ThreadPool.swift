import CPlatform

/// Threads for one `Compute`. Workers start with the first job, sleep when there is none, and end with the
/// pool. Any number of host threads may run jobs at once: each works on its own job and gets the workers that
/// are free.
struct ThreadPool: ~Copyable, Sendable {
  let threads: Int
  let state: PoolState

  init(threads: Int) {
    self.threads = max(1, threads)
    state = PoolState(threads: self.threads)
  }

  deinit { state.stop() }

  /// Calls the body once for each index in 0 ..< count. `slot` is below `threads` and differs between calls
  /// that run at the same time: it names a piece of scratch memory.
  func run(_ count: Int, _ body: @Sendable (_ index: Int, _ slot: Int) -> Void) {
    guard count > 0 else { return }
    let mode = platform_float_mode_begin()
    defer { platform_float_mode_end(mode) }
    guard threads > 1, count > 1, count <= UInt32.max else {
      for index in 0..<count { body(index, 0) }
      return
    }
    withoutActuallyEscaping(body) { body in
      withUnsafePointer(to: body) { body in
        state.run(Job(count: count, limit: min(threads, count), body: body))
      }
    }
  }
}
