import CPlatform
import Glibc
import Synchronization

/// Plain threads, as a host program has them.
final class HostThreads: @unchecked Sendable {
  private var threads: [pthread_t] = []
  private let results: UnsafeMutablePointer<Int>
  private let count: Int

  private final class Start {
    let body: () -> Void
    init(_ body: @escaping () -> Void) { self.body = body }
  }

  static func start(_ count: Int, _ body: @escaping @Sendable (Int) -> Int) -> HostThreads {
    HostThreads(count, body)
  }

  /// Runs the body on so many threads at once and returns what each returned.
  static func run(_ count: Int, _ body: @escaping @Sendable (Int) -> Int) -> [Int] {
    start(count, body).join()
  }

  private init(_ count: Int, _ body: @escaping @Sendable (Int) -> Int) {
    self.count = count
    results = .allocate(capacity: count)
    results.initialize(repeating: -1, count: count)
    for index in 0..<count {
      nonisolated(unsafe) let result = results + index
      let start = Unmanaged.passRetained(Start { result.pointee = body(index) })
      var thread = pthread_t()
      pthread_create(
        &thread, nil,
        { argument in
          guard let argument else { return nil }
          Unmanaged<Start>.fromOpaque(argument).takeRetainedValue().body()
          return nil
        }, start.toOpaque())
      threads.append(thread)
    }
  }

  func join() -> [Int] {
    for thread in threads { pthread_join(thread, nil) }
    return (0..<count).map { results[$0] }
  }
}

final class Flag: Sendable {
  private let value = Atomic<Bool>(false)
  var isSet: Bool { value.load(ordering: .acquiring) }
  func set() { value.store(true, ordering: .releasing) }
}

/// A forked child that answers one question.
enum Child {
  /// Whether the body is true in a child, within 20 seconds: a deadlock there is a false.
  static func succeeds(_ body: () -> Bool) -> Bool {
    let child = platform_fork()
    if child == 0 {
      alarm(20)
      _exit(body() ? 0 : 1)
    }
    var status: Int32 = 0
    guard child > 0, waitpid(child, &status, 0) == child else { return false }
    return status == 0
  }
}
