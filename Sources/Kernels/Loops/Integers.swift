extension Loops {
  /// Bfloat16 as floats, of which they are the upper halves. In a pass of its own, whole vectors only: as a reader of
  /// tiles it would keep the compiler from holding a tile's sums in registers.
  @inline(__always)
  static func widenUpperHalves(
    _ source: UnsafeRawPointer, into target: UnsafeMutablePointer<Float>, count: Int
  ) {
    var index = 0
    while index < count {
      store(unsafeBitCast(Integers.widened(source + 2 * index) &<< 16, to: Vector.self), target + index)
      index += lanes
    }
  }

  /// Rounds a row to integers of which the greatest is ±limit, at most 2¹⁵ - 1: x ≈ target · scale. A zero follows
  /// an odd number of them.
  /// - Returns: the scale; NaN where a number is NaN or infinite, and 0 where all are below 2⁻¹⁰⁰, which count as
  ///   zero.
  package static func quantise(
    _ x: UnsafePointer<Float>, count: Int, limit: Float, into target: UnsafeMutablePointer<Int16>
  ) -> Float {
    let greatest = greatestMagnitude(x, count)
    let factor = greatest < 0x1p-100 ? 0 : limit / greatest
    var index = 0
    while index + lanes <= count {
      Integers.narrow(rounded(load(x + index), factor), into: target + index)
      index += lanes
    }
    if index < count {
      let last = rounded(load(x + index, count - index), factor)
      for lane in 0..<count - index { target[index + lane] = Int16(truncatingIfNeeded: last[lane]) }
    }
    if count % 2 != 0 { target[count] = 0 }
    guard greatest.isFinite else { return .nan }
    return factor == 0 ? 0 : greatest / limit
  }

  /// x · factor rounded, in the lower 16 bits.
  @inline(__always)
  private static func rounded(_ x: Vector, _ factor: Float) -> Bits {
    unsafeBitCast(multiplyAdd(x, factor, Integers.magic), to: Bits.self)
  }

  /// The greatest |x|; infinity or NaN if any is that.
  @inline(__always)
  private static func greatestMagnitude(_ x: UnsafePointer<Float>, _ count: Int) -> Float {
    // Ordered as the integers that their bits are, magnitudes keep their order, with NaN above all.
    var greatest = Bits()
    var index = 0
    while index < count {
      let magnitude = unsafeBitCast(load(x + index, min(lanes, count - index)), to: Bits.self) & 0x7fff_ffff
      greatest.replace(with: magnitude, where: magnitude .> greatest)
      index += lanes
    }
    var result: Int32 = 0
    for lane in 0..<lanes { result = max(result, greatest[lane]) }
    return Float(bitPattern: UInt32(bitPattern: result))
  }

  /// Replaces a tile's integer sums by what they stand for, in floats.
  @inline(__always)
  static func scale(
    _ c: UnsafeMutablePointer<Float>, rows: Int, _ rowScales: UnsafePointer<Float>,
    _ columnScales: UnsafePointer<Float>
  ) {
    let (low, high) = (load(columnScales), load(columnScales + lanes))
    for row in 0..<rows {
      let sums = c + row * tileColumns
      store(Integers.floats(IntegerArithmetic.sums(sums)) * low * rowScales[row], sums)
      store(Integers.floats(IntegerArithmetic.sums(sums + lanes)) * high * rowScales[row], sums + lanes)
    }
  }
}
