/// What a pass over a weight's numbers, where they lie, tells about them.
public struct WeightSurvey: Sendable {
  /// Stands for the numbers and their places: the same for the same numbers in the same row-major order, however they
  /// are stored (transposed, or in half precision). Tells models apart; no protection against somebody who wants two
  /// models to share it.
  public private(set) var digest: UInt64 = 0
  /// Whether no number is NaN or infinite.
  public var isFinite: Bool { largest < 0x7f80_0000 }
  /// Whether every number is one that float16 can hold.
  public private(set) var isExactlyHalf = true
  /// The bits of the largest magnitude.
  private var largest: UInt32 = 0

  /// - Parameter base: element [0, 0, …]; need not be aligned.
  /// - Parameter strides: in elements; element [i, j, …] lies `i · strides[0] + j · strides[1] + …` on.
  public init(_ base: UnsafeRawPointer, _ type: ElementType, shape: [Int], strides: [Int]) {
    // Axes are walked in the order in which they lie in memory; the digest does not depend on it.
    var axes: [Axis] = []
    var run = 1
    for (size, stride) in zip(shape, strides).reversed() {
      axes.append(Axis(size: size, stride: stride, place: run))
      run *= size
    }
    axes.sort { $0.stride < $1.stride }
    walk(base, type, axes[...], at: 0, place: 0)
    digest = WeightSurvey.mixed(digest &+ UInt64(run))
  }

  private struct Axis {
    let size: Int
    let stride: Int
    /// Row-major distance from one index to the next.
    let place: Int
  }

  private mutating func walk(
    _ base: UnsafeRawPointer, _ type: ElementType, _ axes: ArraySlice<Axis>, at offset: Int, place: Int
  ) {
    guard let axis = axes.last else { return numbers(base, type, Axis(size: 1, stride: 0, place: 0), offset, place) }
    if axes.count == 1 { return numbers(base, type, axis, offset, place) }
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
        for index in 0..<count { piece[index] = type.floatBits(first, at: index * axis.stride) }
        add(piece.baseAddress!, count, place: place + done * axis.place, step: axis.place)
        done += count
      }
    }
  }

  private mutating func add(_ bits: UnsafePointer<UInt32>, _ count: Int, place: Int, step: Int) {
    var key = UInt64(place) &* WeightSurvey.odd
    let next = UInt64(step) &* WeightSurvey.odd
    var sum: UInt64 = 0
    for index in 0..<count {
      sum &+= WeightSurvey.mixed(key &+ UInt64(bits[index]))
      key &+= next
    }
    digest &+= sum

    var (all, most) = (UInt32(0), UInt32(0))
    var hasSubnormalHalf = false
    for index in 0..<count {
      let magnitude = bits[index] & 0x7fff_ffff
      all |= magnitude
      most = max(most, magnitude)
      // Below the smallest normal half, 2⁻¹⁴, and not zero.
      hasSubnormalHalf = hasSubnormalHalf || magnitude &- 1 < 0x387f_ffff
    }
    largest = max(largest, most)
    guard isExactlyHalf else { return }
    // Ten bits of mantissa, and at most 65,504.
    isExactlyHalf = all & 0x1fff == 0 && most <= 0x477f_e000
    if isExactlyHalf && hasSubnormalHalf {
      for index in 0..<count {
        // Subnormal halves are multiples of 2⁻²⁴.
        let steps = Float(bitPattern: bits[index] & 0x7fff_ffff) * 0x1p24
        if steps < 1024, steps != Float(Int32(steps)) { isExactlyHalf = false }
      }
    }
  }

  private static let odd: UInt64 = 0x9e37_79b9_7f4a_7c15

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
