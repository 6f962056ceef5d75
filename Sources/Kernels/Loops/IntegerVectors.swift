import CPlatform

/// Vectors of small integers.
enum Integers {
  /// Adding 1.5·2²³ to a small number rounds it to an integer, to even in the middle, and leaves that in the
  /// low bits.
  @inline(__always) static var magic: Float { 0x1.8p23 }

  /// Bytes as pairs of 16 bits.
  @inline(__always)
  static func pairs(_ bytes: UnsafePointer<Int8>) -> Pairs {
    #if AVX512
      platform_widen_bytes16(bytes)
    #elseif AVX2
      platform_widen_bytes8(bytes)
    #else
      platform_widen_bytes4(bytes)
    #endif
  }

  /// Shorts as integers.
  @inline(__always)
  static func widened(_ shorts: UnsafeRawPointer) -> Bits {
    #if AVX512
      platform_widen_shorts16(shorts)
    #elseif AVX2
      platform_widen_shorts8(shorts)
    #else
      platform_widen_shorts4(shorts)
    #endif
  }

  @inline(__always)
  static func floats(_ integers: Bits) -> Vector {
    #if AVX512
      platform_floats16(integers)
    #elseif AVX2
      platform_floats8(integers)
    #else
      platform_floats4(integers)
    #endif
  }

  /// Writes the lower 16 bits of integers.
  @inline(__always)
  static func narrow(_ integers: Bits, into target: UnsafeMutablePointer<Int16>) {
    #if AVX512
      platform_narrow_ints16(integers, target)
    #elseif AVX2
      platform_narrow_ints8(integers, target)
    #else
      platform_narrow_ints4(integers, target)
    #endif
  }
}
