import Glibc

/// Bytes that start at a cache line, owned by whoever holds this value. Uninitialised at first.
struct AlignedMemory: ~Copyable, @unchecked Sendable {
  let address: UnsafeMutableRawPointer
  let bytes: Int

  /// From this size on the kernel is asked for huge pages: packed weights are read from end to end, and a
  /// page of 4 KB lasts a core less than a microsecond.
  private static let hugePage = 2 << 20

  /// Room for `count` numbers of `size` bytes.
  init(count: Int, size: Int) throws(KernelError) {
    let (bytes, overflow) = max(count, 1).multipliedReportingOverflow(by: size)
    guard !overflow, count >= 0, bytes <= Int.max - Self.hugePage else { throw .outOfMemory(bytes: .max) }
    let isLarge = bytes >= Self.hugePage
    let alignment = isLarge ? Self.hugePage : 64
    var memory: UnsafeMutableRawPointer?
    guard posix_memalign(&memory, alignment, bytes) == 0, let memory else {
      throw .outOfMemory(bytes: bytes)
    }
    // Advice only: without huge pages everything works, slower.
    if isLarge { _ = madvise(memory, bytes, MADV_HUGEPAGE) }
    address = memory
    self.bytes = bytes
  }

  deinit { free(address) }
}

/// Floats that start at a cache line, owned by whoever holds this value. Uninitialised at first.
public struct AlignedBuffer: ~Copyable, @unchecked Sendable {
  public let pointer: UnsafeMutablePointer<Float>
  public let count: Int
  private let memory: AlignedMemory

  public init(count: Int) throws(KernelError) {
    memory = try AlignedMemory(count: count, size: MemoryLayout<Float>.size)
    pointer = memory.address.bindMemory(to: Float.self, capacity: max(count, 1))
    self.count = count
  }
}
