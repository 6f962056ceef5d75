import CPlatform
import Glibc
import Kernels
import Synchronization
import Testing

@Suite("Threads", .serialized)
struct PoolTests {
  final class Counts: Sendable {
    let total = Atomic<Int>(0)
    let squares = Atomic<Int>(0)
  }

  @Test("parallel calls the body once for each index", arguments: [1, 2, 3, 8], [0, 1, 2, 7, 1000])
  func once(_ threads: Int, _ count: Int) throws {
    let compute = try Compute(threads: threads)
    for _ in 0..<20 {
      let counts = Counts()
      compute.parallel(count) { index in
        counts.total.add(1, ordering: .relaxed)
        counts.squares.add(index * index, ordering: .relaxed)
      }
      #expect(counts.total.load(ordering: .relaxed) == count)
      #expect(counts.squares.load(ordering: .relaxed) == (0..<count).reduce(0) { $0 + $1 * $1 })
    }
  }

  @Test("nested and simultaneous calls end", arguments: [1, 2, 4])
  func nested(_ threads: Int) throws {
    let compute = try Compute(threads: threads)
    let counts = Counts()
    let results = HostThreads.run(6) { _ in
      for _ in 0..<50 {
        compute.parallel(9) { _ in
          compute.parallel(5) { _ in counts.total.add(1, ordering: .relaxed) }
        }
      }
      return 0
    }
    #expect(results == [Int](repeating: 0, count: 6))
    #expect(counts.total.load(ordering: .relaxed) == 6 * 50 * 45)
  }

  private var threadsOfProcess: Int {
    guard let folder = opendir("/proc/self/task") else { return -1 }
    defer { closedir(folder) }
    var count = 0
    while readdir(folder) != nil { count += 1 }
    return count - 2
  }

  @Test("workers end with the Compute, and are not started before the first call")
  func noThreadsLeft() throws {
    // In a child, where no other test has threads.
    let isRight = Child.succeeds {
      guard threadsOfProcess == 1, let compute = try? Compute(threads: 5) else { return false }
      guard threadsOfProcess == 1 else { return false }
      compute.parallel(100) { _ in usleep(10) }
      guard threadsOfProcess == 5 else { return false }
      return withExtendedLifetime(compute) { true }
    }
    #expect(isRight)
    let isGone = Child.succeeds {
      for _ in 0..<50 {
        guard let compute = try? Compute(threads: 5) else { return false }
        compute.parallel(100) { _ in }
      }
      return threadsOfProcess == 1
    }
    #expect(isGone)
  }

  @Test("workers block every signal")
  func signals() throws {
    let isBlocked = Child.succeeds {
      guard let compute = try? Compute(threads: 3) else { return false }
      let caller = pthread_self()
      let counts = Counts()
      compute.parallel(200) { _ in
        usleep(50)
        guard pthread_equal(pthread_self(), caller) == 0 else { return }
        var mask = sigset_t()
        pthread_sigmask(SIG_SETMASK, nil, &mask)
        counts.total.add(1, ordering: .relaxed)
        if sigismember(&mask, SIGINT) != 1 || sigismember(&mask, SIGUSR1) != 1 {
          counts.squares.add(1, ordering: .relaxed)
        }
      }
      return counts.total.load(ordering: .relaxed) > 0 && counts.squares.load(ordering: .relaxed) == 0
    }
    #expect(isBlocked)
  }

  @Test("the host's floating-point mode comes back")
  func hostMode() throws {
    let compute = try Compute(threads: 2)
    let after = HostMode.flushingDenormals {
      compute.parallel(3) { _ in }
      let mode = platform_float_mode_begin()
      platform_float_mode_set(mode)
      return mode
    }
    #expect(after & 0xffc0 == 0xdfc0)
  }

  @Test("an instruction set that the processor lacks is an error", arguments: InstructionSet.allCases)
  func unsupported(_ set: InstructionSet) throws {
    if InstructionSet.supported.contains(set) {
      #expect(try Compute(threads: 1, instructions: set).instructions == set)
    } else {
      #expect(throws: KernelError.self) { try Compute(threads: 1, instructions: set) }
    }
    #expect(InstructionSet.supported.first == .portable)
    #expect(InstructionSet.supported.last == .best)
  }
}
