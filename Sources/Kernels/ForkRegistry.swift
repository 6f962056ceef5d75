import CPlatform
import Glibc

/// Everything that must be brought into a known state around fork().
///
/// Before a fork every lock is taken, so that the child inherits no half-done change; in the child only the
/// forking thread lives, so pools forget their workers and start new ones when they are next used.
enum ForkRegistry {
  /// A mutex that lives as long as the process.
  nonisolated(unsafe) private static let lock: UnsafeMutablePointer<pthread_mutex_t> = {
    let lock = UnsafeMutablePointer<pthread_mutex_t>.allocate(capacity: 1)
    pthread_mutex_init(lock, nil)
    return lock
  }()

  nonisolated(unsafe) private static var pools: [Unmanaged<PoolState>] = []

  private static let isInstalled: Bool = {
    _ = lock
    return platform_on_fork(
      { ForkRegistry.prepare() }, { ForkRegistry.parent() }, { ForkRegistry.child() }) == 0
  }()

  /// Adds a pool, which removes itself before it goes.
  static func add(_ pool: PoolState) {
    _ = isInstalled
    pthread_mutex_lock(lock)
    pools.append(Unmanaged.passUnretained(pool))
    pthread_mutex_unlock(lock)
  }

  static func remove(_ pool: PoolState) {
    pthread_mutex_lock(lock)
    pools.removeAll { $0.toOpaque() == Unmanaged.passUnretained(pool).toOpaque() }
    pthread_mutex_unlock(lock)
  }

  private static func prepare() {
    pthread_mutex_lock(lock)
    for pool in pools { pool._withUnsafeGuaranteedRef { $0.acquire() } }
  }

  private static func parent() {
    for pool in pools { pool._withUnsafeGuaranteedRef { $0.release() } }
    pthread_mutex_unlock(lock)
  }

  private static func child() {
    for pool in pools { pool._withUnsafeGuaranteedRef { $0.restartInChild() } }
    pthread_mutex_init(lock, nil)
  }
}
