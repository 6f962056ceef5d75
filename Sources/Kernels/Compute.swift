/// Where kernels run: a pool of threads, an instruction set and a backend. Immutable, used from any number of
/// threads at once; its workers and scratch memory go with it.
///
/// Every result is bit-identical whatever the number of threads, the other rows of the call and the other calls
/// that run: each output element is summed in one fixed order.
public final class Compute: Sendable {
  public let threads: Int
  public let instructions: InstructionSet
  public let backend: Backend
  /// Whether every sum is one chain in ascending order, and nothing is saved by other ways to add.
  public let exactOrder: Bool

  /// That of the products which can do with less than float32; the caller knows which.
  public let precision: Precision

  /// Whether weights may be held as float16. Always, but in tests, which compare both.
  let keepsHalves: Bool
  let pool: ThreadPool
  let scratch: Scratch
  let loops: LoopTable
  let blas: OpenBLAS?

  /// How often this process and its forebears were forked since this was made. A child has no workers: what they had
  /// in hand must be done again.
  public var forks: Int { pool.state.forks }

  /// The processors that affinity and control group allow to this process; at least 1.
  public static var allowedThreads: Int { AllowedThreads.count }

  /// - Parameters:
  ///   - instructions: the instruction set to use, or nil for the best that the processor has.
  ///   - exactOrder: add in ascending order only; slower.
  public convenience init(
    threads: Int, instructions: InstructionSet? = nil, backend: Backend = .own, exactOrder: Bool = false
  ) throws(KernelError) {
    try self.init(
      threads: threads, instructions: instructions, backend: backend, exactOrder: exactOrder,
      precision: .float32, keepsHalves: true)
  }

  package init(
    threads: Int, instructions: InstructionSet?, backend: Backend, exactOrder: Bool, precision: Precision,
    keepsHalves: Bool
  ) throws(KernelError) {
    let chosen = instructions ?? .best
    guard InstructionSet.supported.contains(chosen) else { throw .unsupported(chosen) }
    switch backend {
    case .own: blas = nil
    case .openBLAS:
      guard precision == .float32 else { throw .imprecise(precision) }
      blas = try OpenBLAS()
    }
    self.threads = min(max(1, threads), 1024)
    self.instructions = chosen
    self.backend = backend
    self.exactOrder = exactOrder
    self.precision = precision
    self.keepsHalves = keepsHalves
    loops = .of(chosen)
    pool = ThreadPool(threads: self.threads)
    scratch = Scratch(limit: self.threads + 1, lock: pool.state)
  }

  /// Calls the body once for each index in 0 ..< count, on the calling thread and the workers that are free.
  /// Neighbouring indices tend to run on one thread. May be nested, and called from several threads at once.
  public func parallel(_ count: Int, _ body: @Sendable (Int) -> Void) {
    pool.run(count) { index, _ in body(index) }
  }
}
