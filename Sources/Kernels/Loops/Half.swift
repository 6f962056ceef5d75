import CPlatform

/// IEEE half precision, without rounding: a half becomes the float of the same value, and a float becomes a
/// half only where that float comes back bit for bit. The instruction sets that have instructions for it use
/// them on vectors; what is here in integers needs none.
enum Half {
  /// Exponents of floats and halves are biased by 127 and 15: a half's bits, moved to the places of a float's,
  /// stand for a number 2¹¹² times too small. Multiplying makes subnormal halves normal floats.
  private static let unbias: Float = 0x1p112

  /// The same number as a float; exact.
  @inline(__always)
  static func toFloat(_ bits: UInt16) -> Float {
    let sign = UInt32(bits & 0x8000) << 16
    let magnitude = UInt32(bits & 0x7fff)
    // Infinity and NaN keep their mantissa.
    let special = 0x7f80_0000 | magnitude << 13
    let number = (Float(bitPattern: magnitude << 13) * unbias).bitPattern
    return Float(bitPattern: sign | (magnitude >= 0x7c00 ? special : number))
  }

  /// The half of the same finite number, or nil if there is none.
  @inline(__always)
  static func exactly(_ value: Float) -> Float16? {
    let sign = UInt16(truncatingIfNeeded: value.bitPattern >> 16) & 0x8000
    let scaled = (value.magnitude * (1 / unbias)).bitPattern
    // Too large, infinite or NaN.
    guard scaled < 0x7c00 << 13 else { return nil }
    let half = sign | UInt16(truncatingIfNeeded: scaled >> 13)
    return toFloat(half).bitPattern == value.bitPattern ? Float16(bitPattern: half) : nil
  }

  /// A vector of finite halves as floats.
  @inline(__always)
  static func widened(_ source: UnsafePointer<Float16>) -> Vector {
    #if AVX512
      platform_widen16(source)
    #elseif AVX2
      platform_widen8(source)
    #else
      let halves = UnsafeRawPointer(source).loadUnaligned(as: SIMD4<UInt16>.self)
      let bits = SIMD4<UInt32>(truncatingIfNeeded: halves)
      let number = unsafeBitCast((bits & 0x7fff) &<< 13, to: Vector.self) * unbias
      return unsafeBitCast(
        unsafeBitCast(number, to: SIMD4<UInt32>.self) | (bits & 0x8000) &<< 16, to: Vector.self)
    #endif
  }
}

#if AVX2 || AVX512
  extension Half {
    /// Writes a vector of floats as halves, rounded.
    @inline(__always)
    static func narrow(_ floats: Vector, into target: UnsafeMutablePointer<Float16>) {
      #if AVX512
        platform_narrow16(floats, target)
      #else
        platform_narrow8(floats, target)
      #endif
    }
  }
#endif

extension Loops {
  /// Finite halves as floats.
  package static func widen(
    _ source: UnsafePointer<Float16>, into target: UnsafeMutablePointer<Float>, count: Int
  ) {
    var index = 0
    while index + lanes <= count {
      store(Half.widened(source + index), target + index)
      index += lanes
    }
    while index < count {
      target[index] = Half.toFloat(source[index].bitPattern)
      index += 1
    }
  }

  /// Floats as halves, and whether every one is finite and its half has the same value. If not, the target
  /// holds nothing of use.
  package static func narrow(
    _ source: UnsafePointer<Float>, into target: UnsafeMutablePointer<Float16>, count: Int
  ) -> Bool {
    var index = 0
    #if AVX2 || AVX512
      var lost = Bits()
      while index + lanes <= count {
        let value = load(source + index)
        Half.narrow(value, into: target + index)
        let back = Half.widened(target + index)
        lost |= unsafeBitCast(value, to: Bits.self) ^ unsafeBitCast(back, to: Bits.self)
        // Infinity and NaN turn zero into NaN, whose bits are not zero; so does -0 · 0, but for its sign.
        lost |= unsafeBitCast(value * 0, to: Bits.self) & 0x7fff_ffff
        index += lanes
      }
      if lost != Bits() { return false }
    #endif
    while index < count {
      guard let half = Half.exactly(source[index]) else { return false }
      target[index] = half
      index += 1
    }
    return true
  }
}
