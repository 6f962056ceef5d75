import Glibc
import Kernels
import Synchronization

/// Lets one thread at a time through. A child that was forked while another thread was inside finds it open.
final class TurnLock: Sendable {
  /// How often the process was forked when the lock was taken, plus 1; 0 is open.
  private let holder = Atomic(0)
  private let compute: Compute

  /// `compute` counts forks.
  init(_ compute: Compute) { self.compute = compute }

  func acquire() { acquire { () throws(Never) in } }

  /// - Parameter check: throws to give up waiting.
  func acquire<E: Error>(_ check: () throws(E) -> Void) throws(E) {
    let own = compute.forks + 1
    while true {
      var seen = holder.load(ordering: .relaxed)
      while seen != own {
        let (exchanged, now) = holder.compareExchange(expected: seen, desired: own, ordering: .acquiring)
        if exchanged { return }
        seen = now
      }
      // Whoever is inside decodes pictures: a millisecond is no long time to them.
      try check()
      usleep(1000)
    }
  }

  func release() { holder.store(0, ordering: .releasing) }
}
