/// What a pass over a weight's numbers, where they lie, tells about them.
public struct WeightSurvey: Sendable {
  /// Stands for the numbers and their places: the same for the same numbers in the same row-major order, however they
  /// are stored (transposed, or in half precision). Tells models apart; no protection against somebody who wants two
  /// models to share it.
  public private(set) var digest: UInt64 = 0
  /// Whether no number is NaN or infinite.
  public private(set) var isFinite = true
  /// Whether every number is one that float16 can hold.
  public private(set) var isExactlyHalf = true

  /// On all threads.
  /// - Parameter base: element [0, 0, …]; need not be aligned.
  /// - Parameter strides: in elements; element [i, j, …] lies `i · strides[0] + j · strides[1] + …` on.
  public init(
    _ base: UnsafeRawPointer, _ type: ElementType, shape: [Int], strides: [Int], _ compute: Compute
  ) {
    let axes = WeightSurvey.axes(shape, strides)
    let outer = axes[axes.count - 1]
    let count = shape.reduce(1, *)
    let pieces = count < 1 << 17 ? 1 : min(outer.size, 64)
    let parts = UnsafeMutablePointer<WeightSurvey>.allocate(capacity: pieces)
    defer { parts.deallocate() }
    nonisolated(unsafe) let (source, target) = (base, parts)
    compute.parallel(pieces) { piece in
      let (first, end) = (outer.size * piece / pieces, outer.size * (piece + 1) / pieces)
      var own = axes
      own[axes.count - 1].size = end - first
      var part = WeightSurvey()
      part.walk(source, type, own[...], at: first * outer.stride, place: first * outer.place)
      (target + piece).initialize(to: part)
    }
    for piece in 0..<pieces {
      digest &+= parts[piece].digest
      isFinite = isFinite && parts[piece].isFinite
      isExactlyHalf = isExactlyHalf && parts[piece].isExactlyHalf
    }
    digest = WeightSurvey.mixed(digest &+ UInt64(count))
  }

  private init() {}

  /// The axes in the order in which they lie in memory, neighbours merged where they walk like one. The digest does not
  /// depend on it.
  private static func axes(_ shape: [Int], _ strides: [Int]) -> [Axis] {
    var axes: [Axis] = []
    var run = 1
    for (size, stride) in zip(shape, strides).reversed() {
      if let inner = axes.last, stride == inner.size * inner.stride, run == inner.size * inner.place {
        axes[axes.count - 1].size *= size
      } else if size > 1 {
        axes.append(Axis(size: size, stride: stride, place: run))
      }
      run *= size
    }
    for last in axes.indices.dropFirst() {
      for index in stride(from: last, to: 0, by: -1) where axes[index].stride < axes[index - 1].stride {
        axes.swapAt(index, index - 1)
      }
    }
    if axes.isEmpty { axes.append(Axis(size: run, stride: 0, place: 0)) }
    return axes
  }

  private struct Axis {
    var size: Int
    let stride: Int
    /// Row-major distance from one index to the next.
    let place: Int
  }

  private mutating func walk(
    _ base: UnsafeRawPointer, _ type: ElementType, _ axes: ArraySlice<Axis>, at offset: Int, place: Int
  ) {
    guard axes.count > 1, let axis = axes.last else {
      return numbers(base, type, axes[axes.startIndex], offset, place)
    }
    for index in 0..<axis.size {
      walk(base, type, axes.dropLast(), at: offset + index * axis.stride, place: place + index * axis.place)
    }
  }

  /// One axis, in pieces that stay in the first-level cache while they are looked at more than once.
  private mutating func numbers(
    _ base: UnsafeRawPointer, _ type: ElementType, _ axis: Axis, _ offset: Int, _ place: Int
  ) {
    withUnsafeTemporaryAllocation(of: UInt32.self, capacity: min(axis.size, 1024)) { piece in
      var done = 0
      while done < axis.size {
        let count = min(piece.count, axis.size - done)
        let first = base + (offset + done * axis.stride) * type.size
        if type == .float32 && axis.stride == 1 {
          UnsafeMutableRawPointer(piece.baseAddress!).copyMemory(from: first, byteCount: 4 * count)
        } else {
          for index in 0..<count { piece[index] = type.floatBits(first, at: index * axis.stride) }
        }
        add(piece.baseAddress!, count, place: place + done * axis.place, step: axis.place)
        done += count
      }
    }
  }

  private mutating func add(_ bits: UnsafePointer<UInt32>, _ count: Int, place: Int, step: Int) {
    // Products of the number with its place mixed in, in two ways: any order of summation gives the same.
    let (odd, other) = (UInt32(0x9e37_79b9), UInt32(0x85eb_ca6b))
    var (first, second) = (
      UInt32(truncatingIfNeeded: place) &* odd, UInt32(truncatingIfNeeded: place) &* other
    )
    let (next, after) = (UInt32(truncatingIfNeeded: step) &* odd, UInt32(truncatingIfNeeded: step) &* other)
    var (sum, endless) = (UInt64(0), UInt32(0))
    for index in 0..<count {
      let number = bits[index]
      sum &+= UInt64(number &+ first) &* UInt64(number ^ second)
      // Reaches the sign bit where the exponent is the one of NaN and infinity.
      endless |= (number & 0x7fff_ffff) &+ 0x0080_0000
      first &+= next
      second &+= after
    }
    digest &+= sum
    isFinite = isFinite && endless >> 31 == 0
    isExactlyHalf = isExactlyHalf && WeightSurvey.areHalves(bits, count)
  }

  private static func areHalves(_ bits: UnsafePointer<UInt32>, _ count: Int) -> Bool {
    var (all, large, small) = (UInt32(0), UInt32(0), UInt32(0))
    for index in 0..<count {
      let magnitude = bits[index] & 0x7fff_ffff
      all |= magnitude
      // Reach the sign bit at 65,536 and more, and below 2⁻¹⁴, the smallest normal half.
      large |= magnitude &+ 0x3880_0000
      small |= magnitude &- 0x3880_0000
    }
    // A half has ten bits of mantissa.
    if all & 0x1fff != 0 || large >> 31 != 0 { return false }
    if small >> 31 == 0 { return true }
    // Subnormal halves are multiples of 2⁻²⁴: adding 2²³ rounds to integers.
    var wrong = UInt32(0)
    for index in 0..<count {
      let steps = Float(bitPattern: bits[index] & 0x7fff_ffff) * 0x1p24
      wrong |= steps < 1024 && steps + 0x1p23 - 0x1p23 != steps ? 1 : 0
    }
    return wrong == 0
  }

  @inline(__always)
  private static func mixed(_ value: UInt64) -> UInt64 {
    let a = (value ^ value >> 32) &* 0xd6e8_feb8_6659_fd93
    let b = (a ^ a >> 32) &* 0xd6e8_feb8_6659_fd93
    return b ^ b >> 32
  }
}

extension ElementType {
  /// The bits of the float that element `index` stands for.
  @inline(__always)
  fileprivate func floatBits(_ base: UnsafeRawPointer, at index: Int) -> UInt32 {
    switch self {
    case .float32: base.loadUnaligned(fromByteOffset: 4 * index, as: UInt32.self)
    case .float16: Half.toFloat(base.loadUnaligned(fromByteOffset: 2 * index, as: UInt16.self)).bitPattern
    case .bfloat16: UInt32(base.loadUnaligned(fromByteOffset: 2 * index, as: UInt16.self)) << 16
    }
  }
}
