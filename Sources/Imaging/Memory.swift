import Glibc

/// A block of memory that is freed with its owner. Unlike an array it can say that there was none left.
@safe struct Memory<Element: BitwiseCopyable>: ~Copyable {
  let base: UnsafeMutablePointer<Element>
  let count: Int

  /// Takes room for `count` elements, of any value. `what` names them in the error.
  init(_ count: Int, for what: StaticString) throws(ImagingError) {
    let (bytes, overflow) = max(count, 1).multipliedReportingOverflow(by: MemoryLayout<Element>.stride)
    guard count >= 0, !overflow, let block = unsafe malloc(bytes) else {
      throw .outOfMemory(
        "no memory for \(what) (\(count) times \(MemoryLayout<Element>.stride) bytes); "
          + "lower max_pixels or use a machine with more.")
    }
    // malloc aligns for every type used here.
    unsafe self.base = block.bindMemory(to: Element.self, capacity: max(count, 1))
    self.count = count
  }

  deinit { unsafe free(base) }

  /// Sets every byte.
  borrowing func fill(byte: UInt8) {
    unsafe memset(base, Int32(byte), count &* MemoryLayout<Element>.stride)
  }
}

/// The product of lengths that come from a picture; too large is an error, never a trap.
func product(_ a: Int, _ b: Int, _ c: Int = 1) throws(ImagingError) -> Int {
  let (ab, first) = a.multipliedReportingOverflow(by: b)
  let (abc, second) = ab.multipliedReportingOverflow(by: c)
  guard !first, !second else {
    throw .outOfMemory("the picture needs more memory than can be addressed; lower max_pixels.")
  }
  return abc
}
