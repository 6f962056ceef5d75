import CPlatform
import Counters
import Glibc
import Synchronization

/// What the workers of a pool share with its callers. Apart from the pool, so that a worker's reference never
/// is the last one to the pool itself, whose deinitialiser waits for the workers.
final class PoolState: @unchecked Sendable {
  /// Workers that may exist beside the callers.
  private let workerLimit: Int
  private let lock: UnsafeMutablePointer<pthread_mutex_t>
  /// Workers wait here for jobs, callers for their last participants.
  private let jobArrived: UnsafeMutablePointer<pthread_cond_t>
  private let jobDone: UnsafeMutablePointer<pthread_cond_t>
  /// Counts published jobs; idle workers watch it for a moment before they sleep.
  private let published = Atomic<Int>(0)

  // Under the lock:
  private var jobs: Job?
  private var workers: [pthread_t] = []
  private var sleeping = 0
  /// Threads computing: callers and workers. Workers stay out while callers alone fill the cores.
  private var running = 0
  private var isStopping = false
  /// How often this process and its forebears were forked. Changes only where a single thread exists.
  private(set) var forks = 0

  /// Rounds of a waiting loop before a thread sleeps: some 30 µs, longer than the gaps between two products.
  private static let patience = 1500

  init(threads: Int) {
    workerLimit = threads - 1
    lock = .allocate(capacity: 1)
    jobArrived = .allocate(capacity: 1)
    jobDone = .allocate(capacity: 1)
    initialiseLocks()
    ForkRegistry.add(self)
  }

  deinit {
    pthread_cond_destroy(jobArrived)
    pthread_cond_destroy(jobDone)
    pthread_mutex_destroy(lock)
    jobArrived.deallocate()
    jobDone.deallocate()
    lock.deallocate()
  }

  private func initialiseLocks() {
    pthread_mutex_init(lock, nil)
    pthread_cond_init(jobArrived, nil)
    pthread_cond_init(jobDone, nil)
  }

  func acquire() { pthread_mutex_lock(lock) }
  func release() { pthread_mutex_unlock(lock) }

  /// A few statements under the lock.
  func locked<Result>(_ body: () -> Result) -> Result {
    acquire()
    defer { release() }
    return body()
  }

  /// Runs a job on the calling thread and on workers that are free.
  func run(_ job: Job) {
    publish(job)
    job.work(0)
    finish(job)
  }

  private func publish(_ job: Job) {
    acquire()
    running += 1
    startWorkers()
    job.next = jobs
    jobs = job
    wakeWorkers(for: job)
    release()
  }

  /// Offers a job to the workers, whom the caller joins later. It stands behind all others.
  func offer(_ job: Job) {
    acquire()
    startWorkers()
    if let first = jobs {
      var last = first
      while let next = last.next { last = next }
      last.next = job
    } else {
      jobs = job
    }
    wakeWorkers(for: job)
    release()
  }

  /// Works on a job that was offered, and returns when all of it is done.
  func join(_ job: Job) {
    locked { running += 1 }
    job.work(0)
    finish(job)
  }

  /// Called with the lock held.
  private func wakeWorkers(for job: Job) {
    published.add(1, ordering: .releasing)
    let wanted = min(job.limit - 1, workerLimit + 1 - running)
    guard sleeping > 0, wanted > 0 else { return }
    if wanted == 1 { pthread_cond_signal(jobArrived) } else { pthread_cond_broadcast(jobArrived) }
  }

  /// Takes the job from the list and waits for the workers inside.
  private func finish(_ job: Job) {
    acquire()
    remove(job)
    running -= 1
    // A worker may have stayed out because of this caller.
    if jobs != nil, sleeping > 0 { pthread_cond_signal(jobArrived) }
    release()
    Counters.beginWaiting()
    defer { Counters.endWaiting() }
    var rounds = 0
    while job.inside.load(ordering: .acquiring) > 0, rounds < Self.patience {
      platform_pause()
      rounds += 1
    }
    guard job.inside.load(ordering: .acquiring) > 0 else { return }
    acquire()
    job.callerWaits = true
    while job.inside.load(ordering: .acquiring) > 0 { pthread_cond_wait(jobDone, lock) }
    release()
  }

  private func remove(_ job: Job) {
    if jobs === job {
      jobs = job.next
    } else {
      var other = jobs
      while let current = other, current.next !== job { other = current.next }
      other?.next = job.next
    }
    job.next = nil
  }

  // MARK: Workers

  /// Starts the workers with the first job, and again in a forked child. A thread that cannot be started is
  /// done without: the caller computes everything that nobody takes.
  private func startWorkers() {
    guard workers.count < workerLimit, !isStopping else { return }
    // Signals are the host's: a worker inherits a mask that blocks them all.
    var all = sigset_t()
    var before = sigset_t()
    sigfillset(&all)
    pthread_sigmask(SIG_SETMASK, &all, &before)
    defer { pthread_sigmask(SIG_SETMASK, &before, nil) }
    while workers.count < workerLimit {
      var thread = pthread_t()
      let argument = Unmanaged.passRetained(self)
      let failed = pthread_create(
        &thread, nil,
        { argument in
          guard let argument else { return nil }
          Unmanaged<PoolState>.fromOpaque(argument).takeRetainedValue().serve()
          return nil
        }, argument.toOpaque())
      guard failed == 0 else {
        argument.release()
        return
      }
      workers.append(thread)
    }
  }

  /// The life of a worker.
  private func serve() {
    _ = platform_float_mode_begin()
    acquire()
    while !isStopping {
      if let job = openJob() {
        let slot = job.slotsTaken
        job.slotsTaken += 1
        job.inside.add(1, ordering: .relaxed)
        running += 1
        release()
        job.work(slot)
        acquire()
        running -= 1
        job.isExhausted = true
        let left = job.inside.subtract(1, ordering: .acquiringAndReleasing).newValue
        if left == 0, job.callerWaits { pthread_cond_broadcast(jobDone) }
      } else {
        waitForJob()
      }
    }
    release()
  }

  /// A job that has room for one more, if a core is free. Called with the lock held.
  private func openJob() -> Job? {
    guard running <= workerLimit else { return nil }
    var job = jobs
    while let current = job {
      if !current.isExhausted, current.slotsTaken < current.limit { return current }
      job = current.next
    }
    return nil
  }

  /// Watches for a job for a moment, then sleeps. Called with the lock held, and returns with it.
  private func waitForJob() {
    let seen = published.load(ordering: .relaxed)
    release()
    var rounds = 0
    while published.load(ordering: .acquiring) == seen, rounds < Self.patience {
      platform_pause()
      rounds += 1
    }
    acquire()
    guard !isStopping, openJob() == nil else { return }
    sleeping += 1
    pthread_cond_wait(jobArrived, lock)
    sleeping -= 1
  }

  /// Ends and joins all workers. Nobody is inside a job any more.
  func stop() {
    ForkRegistry.remove(self)
    acquire()
    isStopping = true
    pthread_cond_broadcast(jobArrived)
    let workers = self.workers
    self.workers = []
    release()
    for worker in workers { pthread_join(worker, nil) }
  }

  /// In the child of a fork only the forking thread exists: no workers, no jobs, fresh locks.
  func restartInChild() {
    workers = []
    jobs = nil
    sleeping = 0
    running = 0
    forks += 1
    initialiseLocks()
  }
}
