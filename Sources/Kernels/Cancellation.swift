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

/// What is attached to a thread: a list, the last one first. Immutable: attaching makes a new one, and a call keeps the one
/// that it began with.
public final class Attachments: Sendable {
  private let cancellation: Cancellation
  /// The caller's, to find it again.
  private let number: UInt
  private let next: Attachments?

  private init(_ cancellation: Cancellation, _ number: UInt, before next: Attachments?) {
    (self.cancellation, self.number, self.next) = (cancellation, number, next)
  }

  /// Why the calls of the thread are to stop; nil while they may go on.
  public var reason: Cancellation.Reason? { cancellation.reason ?? next?.reason }

  /// Whether the calling thread is to stop.
  public static var isStopped: Bool { own?.reason != nil }

  /// The calling thread's; nil where it has none.
  public static var own: Attachments? {
    guard let key, let held = pthread_getspecific(key) else { return nil }
    return Unmanaged<Attachments>.fromOpaque(held).takeUnretainedValue()
  }

  /// Attaches a cancellation to the calling thread, by a number of the caller's. False if there is no room for it.
  public static func attach(_ cancellation: Cancellation, number: UInt) -> Bool {
    replace(Attachments(cancellation, number, before: own))
  }

  /// Takes the last one of that number from the calling thread.
  public static func detach(number: UInt) {
    if let own, own.holds(number) { _ = replace(own.without(number)) }
  }

  /// Throws where the calling thread is to stop. Costs next to nothing where nothing is attached.
  @inline(never)
  public static func check() throws(KernelError) {
    if let reason = own?.reason { throw .stopped(reason) }
  }

  private func holds(_ number: UInt) -> Bool { self.number == number || next?.holds(number) == true }

  private func without(_ number: UInt) -> Attachments? {
    self.number == number
      ? next : Attachments(cancellation, self.number, before: next?.without(number))
  }

  private static func replace(_ list: Attachments?) -> Bool {
    guard let key else { return false }
    let old = pthread_getspecific(key)
    let new = list.map { Unmanaged.passRetained($0).toOpaque() }
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
