import Synchronization

/// Constant numbers in the order in which they came, as float16 if each is that of a half, else as float32.
public final class CompactNumbers: Sendable {
  let memory: AlignedMemory
  public let count: Int
  public let storage: WeightStorage
  /// Whether none is NaN or infinite.
  public let isFinite: Bool

  fileprivate init(_ memory: consuming AlignedMemory, count: Int, _ storage: WeightStorage, isFinite: Bool) {
    self.memory = memory
    self.count = count
    self.storage = storage
    self.isFinite = isFinite
  }
}

extension Compute {
  /// Copies dense numbers of a file, each exactly, on all threads.
  /// - Parameter source: may be misaligned.
  public func compact(
    _ source: UnsafeRawPointer, _ type: ElementType, count: Int
  ) throws(KernelError) -> CompactNumbers {
    try Attachments.check()
    if keepsHalves, let halves = try halves(source, type, count: count) {
      return CompactNumbers(halves, count: count, .float16, isFinite: true)
    }
    let floats = try AlignedMemory(count: count, size: MemoryLayout<Float>.size)
    let target = floats.address.bindMemory(to: Float.self, capacity: max(count, 1))
    let isFinite = copy(source, type, count: count, to: target)
    return CompactNumbers(floats, count: count, .float32, isFinite: isFinite)
  }

  /// The numbers as halves, or nil if one is that of none.
  private func halves(
    _ source: UnsafeRawPointer, _ type: ElementType, count: Int
  ) throws(KernelError) -> AlignedMemory? {
    let memory = try AlignedMemory(count: count, size: MemoryLayout<Float16>.size)
    nonisolated(unsafe) let source = source
    nonisolated(unsafe) let target = memory.address.bindMemory(to: Float16.self, capacity: max(count, 1))
    let allFit = Atomic<Bool>(true)
    let (loops, piece) = (loops, 1 << 10)
    // Long stretches for a thread, short ones for the cache between reading and narrowing.
    pool.run((count + (piece << 6) - 1) / (piece << 6)) { index, _ in
      withUnsafeTemporaryAllocation(of: Float.self, capacity: piece) { room in
        guard let floats = room.baseAddress else { return }
        let end = min(count, (index + 1) * (piece << 6))
        for first in stride(from: index * (piece << 6), to: end, by: piece) {
          guard allFit.load(ordering: .relaxed) else { return }
          let length = min(piece, end - first)
          type.copy(source + first * type.size, length, to: floats)
          if !loops.narrow(floats, target + first, length) { allFit.store(false, ordering: .relaxed) }
        }
      }
    }
    guard allFit.load(ordering: .relaxed) else { return nil }
    return memory
  }

  /// Copies some of the numbers to floats.
  public func copy(_ numbers: CompactNumbers, _ range: Range<Int>, to target: UnsafeMutablePointer<Float>) {
    assert(range.lowerBound >= 0 && range.upperBound <= numbers.count)
    let source = numbers.memory.address + range.lowerBound * numbers.storage.size
    switch numbers.storage {
    case .float32: target.update(from: source.assumingMemoryBound(to: Float.self), count: range.count)
    default: loops.widen(source.assumingMemoryBound(to: Float16.self), target, range.count)
    }
  }
}

/// Whether each of some dense numbers of a file is finite and that of a half, so that it would be held as float16.
/// Reads no further than the first that is not.
public func areHalves(_ source: UnsafeRawPointer, _ type: ElementType, count: Int) -> Bool {
  withUnsafeTemporaryAllocation(of: Float.self, capacity: 256) { room in
    guard let floats = room.baseAddress else { return false }
    for first in stride(from: 0, to: count, by: 256) {
      let length = min(256, count - first)
      type.copy(source + first * type.size, length, to: floats)
      guard (0..<length).allSatisfy({ Half.exactly(floats[$0]) != nil }) else { return false }
    }
    return true
  }
}
