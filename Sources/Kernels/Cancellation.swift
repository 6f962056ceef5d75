import Glibc
import Synchronization

/// A wish that calls stop, made by one thread for another: at once, or from a time on. Threads attach it to
/// themselves, and the kernels that they call look at it before each piece of work.
///
/// Once it stops it stops for good, so that a call which has left work out cannot take itself for complete.
public final class Cancellation: Sendable {
  public enum Reason: Int, Sendable {
    case cancelled = 1
    case deadline = 2
  }

  /// 0 while calls may go on, then a reason's number.
  private let state = Atomic(0)
  /// Nanoseconds of the monotonic clock.
  private let deadline = Atomic(UInt64.max)

  public init() {}

  public func cancel() { stop(.cancelled) }

  /// Stops from `milliseconds` from now on; never again by time where that is negative.
  public func setDeadline(milliseconds: Int) {
    let (wait, overflow) = UInt64(clamping: milliseconds).multipliedReportingOverflow(by: 1_000_000)
    let (time, late) = Self.now.addingReportingOverflow(wait)
    deadline.store(milliseconds < 0 || overflow || late ? .max : time, ordering: .relaxed)
  }

  /// Why calls are to stop; nil while they may go on.
  public var reason: Reason? {
    if let reason = Reason(rawValue: state.load(ordering: .acquiring)) { return reason }
    let time = deadline.load(ordering: .relaxed)
    if time != .max, time <= Self.now { stop(.deadline) }
    return Reason(rawValue: state.load(ordering: .acquiring))
  }

  private func stop(_ reason: Reason) {
    _ = state.compareExchange(expected: 0, desired: reason.rawValue, ordering: .acquiringAndReleasing)
  }

  private static var now: UInt64 {
    var time = timespec()
    clock_gettime(CLOCK_MONOTONIC, &time)
    return UInt64(time.tv_sec) * 1_000_000_000 + UInt64(time.tv_nsec)
  }
}

/// What is attached to a thread. Immutable: attaching makes a new one, and a call keeps the one that it began with.
public final class Attachments: Sendable {
  private let all: [(number: UInt, cancellation: Cancellation)]

  private init(_ all: [(number: UInt, cancellation: Cancellation)]) { self.all = all }

  /// Why the calls of the thread are to stop; nil while they may go on.
  public var reason: Cancellation.Reason? {
    for (_, cancellation) in all {
      if let reason = cancellation.reason { return reason }
    }
    return nil
  }

  /// The calling thread's; nil where it has none.
  public static var own: Attachments? {
    guard let key, let held = pthread_getspecific(key) else { return nil }
    return Unmanaged<Attachments>.fromOpaque(held).takeUnretainedValue()
  }

  /// Attaches a cancellation to the calling thread, by a number of the caller's. False if there is no room for it.
  public static func attach(_ cancellation: Cancellation, number: UInt) -> Bool {
    replace((own?.all ?? []) + [(number, cancellation)])
  }

  /// Takes the last one of that number from the calling thread.
  public static func detach(number: UInt) {
    guard var all = own?.all, let index = all.lastIndex(where: { $0.number == number }) else { return }
    all.remove(at: index)
    _ = replace(all)
  }

  /// Throws where the calling thread is to stop. Costs next to nothing where nothing is attached.
  public static func check() throws(KernelError) {
    if let reason = own?.reason { throw .stopped(reason) }
  }

  private static func replace(_ all: [(number: UInt, cancellation: Cancellation)]) -> Bool {
    guard let key else { return false }
    let old = pthread_getspecific(key)
    let new = all.isEmpty ? nil : Unmanaged.passRetained(Attachments(all)).toOpaque()
    guard pthread_setspecific(key, new) == 0 else {
      if let new { Unmanaged<Attachments>.fromOpaque(new).release() }
      return false
    }
    if let old { Unmanaged<Attachments>.fromOpaque(old).release() }
    return true
  }

  /// Releases what a thread still has at its end.
  private static let key: pthread_key_t? = {
    var key = pthread_key_t()
    let made = pthread_key_create(&key) { held in
      if let held { Unmanaged<Attachments>.fromOpaque(held).release() }
    }
    return made == 0 ? key : nil
  }()
}
