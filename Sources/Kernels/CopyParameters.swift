import Synchronization

extension Compute {
  /// Copies dense numbers of a file to floats, each exactly, on all threads.
  /// - Parameter source: may be misaligned.
  /// - Returns: whether all are finite.
  public func copy(
    _ source: UnsafeRawPointer, _ type: ElementType, count: Int, to target: UnsafeMutablePointer<Float>
  ) -> Bool {
    nonisolated(unsafe) let (source, target) = (source, target)
    let finite = Atomic<Bool>(true)
    let piece = 1 << 16
    pool.run((count + piece - 1) / piece) { index, _ in
      let first = index * piece
      let length = min(piece, count - first)
      type.copy(source + first * type.size, length, to: target + first)
      if !areFinite(target + first, length) { finite.store(false, ordering: .relaxed) }
    }
    return finite.load(ordering: .relaxed)
  }
}

extension ElementType {
  /// Copies dense numbers, which may be misaligned, to floats.
  func copy(_ source: UnsafeRawPointer, _ count: Int, to target: UnsafeMutablePointer<Float>) {
    switch self {
    case .float32:
      UnsafeMutableRawPointer(target).copyMemory(from: source, byteCount: count * size)
    case .float16:
      for index in 0..<count {
        target[index] = Half.toFloat(source.loadUnaligned(fromByteOffset: 2 * index, as: UInt16.self))
      }
    case .bfloat16:
      for index in 0..<count {
        let bits = source.loadUnaligned(fromByteOffset: 2 * index, as: UInt16.self)
        target[index] = Float(bitPattern: UInt32(bits) << 16)
      }
    }
  }
}

/// Whether no value is NaN or infinite: those are the ones that zero does not turn into zero.
func areFinite(_ values: UnsafePointer<Float>, _ count: Int) -> Bool {
  var sum = SIMD8<Float>.zero
  for index in 0..<count / 8 {
    sum = sum + UnsafeRawPointer(values + 8 * index).loadUnaligned(as: SIMD8<Float>.self) * 0
  }
  for index in count / 8 * 8..<count { sum[0] += values[index] * 0 }
  return sum.sum() == 0
}
