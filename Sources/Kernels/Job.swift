import Synchronization

/// A range of work that one participant takes from the front and others steal from the back. One cache line,
/// so that participants do not disturb each other.
private struct Share: ~Copyable {
  /// Next index in the low half, end in the high half.
  let range: Atomic<UInt64>
  let padding: (UInt64, UInt64, UInt64, UInt64, UInt64, UInt64, UInt64) = (0, 0, 0, 0, 0, 0, 0)

  init(_ lower: Int, _ upper: Int) {
    range = Atomic(UInt64(UInt32(lower)) | UInt64(UInt32(upper)) << 32)
  }

  /// An index from the front (or the back), or nil when nothing is left.
  func take(fromBack: Bool) -> Int? {
    var seen = range.load(ordering: .relaxed)
    while true {
      let (lower, upper) = (UInt32(truncatingIfNeeded: seen), UInt32(seen >> 32))
      guard lower < upper else { return nil }
      let rest =
        fromBack
        ? UInt64(lower) | UInt64(upper - 1) << 32 : UInt64(lower + 1) | UInt64(upper) << 32
      let (exchanged, now) = range.weakCompareExchange(
        expected: seen, desired: rest, ordering: .relaxed)
      if exchanged { return Int(fromBack ? upper - 1 : lower) }
      seen = now
    }
  }
}

/// One call of `parallel`: indices 0 ..< count, handed out to whoever participates.
///
/// Each participant owns a contiguous share, because neighbouring indices read neighbouring weights; who is
/// done early steals from the ends of the others.
final class Job: @unchecked Sendable {
  typealias Body = @Sendable (_ index: Int, _ slot: Int) -> Void

  /// Most participants, the caller among them; their slots are 0 ..< limit.
  let limit: Int
  private let shares: UnsafeMutablePointer<Share>
  /// The caller's closure, on the caller's stack: valid while a participant is counted.
  private let body: UnsafePointer<Body>
  /// Workers inside. Changed under the pool's lock.
  let inside = Atomic<Int>(0)

  // Under the pool's lock:
  var slotsTaken = 1
  var callerWaits = false
  var isExhausted = false
  var next: Job?

  init(count: Int, limit: Int, body: UnsafePointer<Body>) {
    self.limit = limit
    self.body = body
    shares = .allocate(capacity: limit)
    for slot in 0..<limit {
      (shares + slot).initialize(to: Share(count * slot / limit, count * (slot + 1) / limit))
    }
  }

  deinit {
    shares.deinitialize(count: limit)
    shares.deallocate()
  }

  /// Works until nothing is left to start. Never inlined: the closure's references end here, before the
  /// participant is counted out.
  @inline(never)
  func work(_ slot: Int) {
    let body = self.body.pointee
    while let index = shares[slot].take(fromBack: false) { body(index, slot) }
    for distance in 1..<max(limit, 2) {
      let victim = (slot + distance) % limit
      while let index = shares[victim].take(fromBack: true) { body(index, slot) }
    }
  }
}
