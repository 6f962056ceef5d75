import CPlatform

/// What a tile multiplies and adds. A number of A and a sum have 32 bits, and are addressed as floats.
protocol Arithmetic {
  /// A vector of B, or one number of A for each of its columns.
  associatedtype Factor
  associatedtype Sum
  static var zero: Sum { get }
  static func sums(_ c: UnsafePointer<Float>) -> Sum
  static func store(_ sum: Sum, _ c: UnsafeMutablePointer<Float>)
  static func repeated(_ a: UnsafePointer<Float>) -> Factor
  /// sum + a · b.
  static func add(_ a: Factor, _ b: Factor, to sum: Sum) -> Sum
}

/// Floats, each sum a chain of multiply-adds.
enum FloatArithmetic: Arithmetic {
  @inline(__always) static var zero: Vector { Vector() }
  @inline(__always) static func sums(_ c: UnsafePointer<Float>) -> Vector { load(c) }
  @inline(__always)
  static func store(_ sum: Vector, _ c: UnsafeMutablePointer<Float>) {
    UnsafeMutableRawPointer(c).storeBytes(of: sum, as: Vector.self)
  }
  @inline(__always) static func repeated(_ a: UnsafePointer<Float>) -> Vector { Vector(repeating: a[0]) }
  @inline(__always)
  static func add(_ a: Vector, _ b: Vector, to sum: Vector) -> Vector {
    multiplyAdd(a, b, sum)
  }
}

/// Integers of 16 bits in pairs, the products of a pair added to a sum of 32 bits: exact, whatever the order.
///
/// AVX2 multiplies bytes too, but saturates the sums of their pairs at 16 bits, so that weights would need 7 bits. A
/// bare tile of it makes 98 billion products a second on a Zen 3 where this one makes 81 and one of floats 51; it
/// was left for the accuracy: inputs have up to 16 bits here. So has VNNI, which multiplies pairs too and adds them to
/// the sum in the same instruction (vpdpwssd): the same bits.
enum IntegerArithmetic: Arithmetic {
  @inline(__always) static var zero: Bits { Bits() }
  @inline(__always)
  static func sums(_ c: UnsafePointer<Float>) -> Bits { UnsafeRawPointer(c).loadUnaligned(as: Bits.self) }
  @inline(__always)
  static func store(_ sum: Bits, _ c: UnsafeMutablePointer<Float>) {
    UnsafeMutableRawPointer(c).storeBytes(of: sum, as: Bits.self)
  }
  @inline(__always)
  static func repeated(_ a: UnsafePointer<Float>) -> Pairs {
    unsafeBitCast(Bits(repeating: UnsafeRawPointer(a).load(as: Int32.self)), to: Pairs.self)
  }
  @inline(__always)
  static func add(_ a: Pairs, _ b: Pairs, to sum: Bits) -> Bits {
    #if AVX512 && VNNI
      platform_add_pairs16(a, b, sum)
    #elseif AVX2 && VNNI
      platform_add_pairs8(a, b, sum)
    #elseif AVX512
      sum &+ platform_multiply_pairs16(a, b)
    #elseif AVX2
      sum &+ platform_multiply_pairs8(a, b)
    #else
      sum &+ platform_multiply_pairs4(a, b)
    #endif
  }
}
