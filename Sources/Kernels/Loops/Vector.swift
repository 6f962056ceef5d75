// One source for all instruction sets. The files of this folder are compiled three times: here for any
// processor, and through symbolic links in KernelsAVX2 and KernelsAVX512. They hold nothing but pointers, SIMD
// types and arithmetic: a specialised generic of the standard library would be one symbol for all three
// modules, and the linker might keep the copy that needs AVX-512.

#if AVX512
  package typealias Vector = SIMD16<Float>
  typealias Bits = SIMD16<Int32>
  typealias Pairs = SIMD32<Int16>
#elseif AVX2
  package typealias Vector = SIMD8<Float>
  typealias Bits = SIMD8<Int32>
  typealias Pairs = SIMD16<Int16>
#else
  package typealias Vector = SIMD4<Float>
  typealias Bits = SIMD4<Int32>
  typealias Pairs = SIMD8<Int16>
#endif

/// Floats in a vector.
@inline(__always) var lanes: Int { Vector.scalarCount }

@inline(__always)
func load(_ pointer: UnsafePointer<Float>) -> Vector {
  UnsafeRawPointer(pointer).loadUnaligned(as: Vector.self)
}

@inline(__always)
func store(_ vector: Vector, _ pointer: UnsafeMutablePointer<Float>) {
  UnsafeMutableRawPointer(pointer).storeBytes(of: vector, as: Vector.self)
}

/// A vector whose lanes beyond `count` are zero, and not read.
@inline(__always)
func load(_ pointer: UnsafePointer<Float>, _ count: Int) -> Vector {
  if count == lanes { return load(pointer) }
  var vector = Vector()
  for lane in 0..<count { vector[lane] = pointer[lane] }
  return vector
}

/// Stores the first `count` lanes.
@inline(__always)
func store(_ vector: Vector, _ pointer: UnsafeMutablePointer<Float>, _ count: Int) {
  if count == lanes { return store(vector, pointer) }
  for lane in 0..<count { pointer[lane] = vector[lane] }
}

/// a · b + c, rounded once where the instruction set can. Without FMA in the target, `addProduct` would call
/// libm for each lane.
@inline(__always)
func multiplyAdd(_ a: Vector, _ b: Vector, _ c: Vector) -> Vector {
  #if AVX2 || AVX512
    c.addingProduct(a, b)
  #else
    c + a * b
  #endif
}

@inline(__always)
func multiplyAdd(_ a: Vector, _ b: Float, _ c: Float) -> Vector {
  multiplyAdd(a, Vector(repeating: b), Vector(repeating: c))
}

/// One step of Horner's rule: sum · x + coefficient.
@inline(__always)
func horner(_ sum: Vector, _ x: Vector, _ coefficient: Float) -> Vector {
  multiplyAdd(sum, x, Vector(repeating: coefficient))
}

/// e^x to 1 ULP for x in -87 ... 88; 0 below and about 1.6e38 above; NaN stays NaN.
///
/// x = n·ln 2 + r. Adding 1.5·2²³ rounds x / ln 2 to the integer n and leaves n in the low bits, from where a
/// shift brings it to the exponent: rounding or converting vectors would become scalar code.
@inline(__always)
func exponential(_ x: Vector) -> Vector {
  let x = x.replacing(with: 88, where: x .> 88)
  let magic: Float = 12_582_912
  let shifted = multiplyAdd(x, 1.442_695_04, magic)
  let n = shifted - Vector(repeating: magic)
  // ln 2 in two parts, the first short enough that its product with n is exact.
  var r = multiplyAdd(n, Vector(repeating: -0.693_359_375), x)
  r = multiplyAdd(n, Vector(repeating: 2.121_944_4e-4), r)
  // e^r = 1 + r + r²·q(r); q minimises the relative error over |r| <= ln 2 / 2 (3e-9).
  var q = multiplyAdd(r, 0.001_381_387_47, 0.008_369_063_96)
  q = horner(q, r, 0.041_668_422_5)
  q = horner(q, r, 0.166_665_182)
  q = horner(q, r, 0.499_999_94)
  let power = multiplyAdd(r * r, q, r) + Vector(repeating: 1)
  let scaled = unsafeBitCast(
    unsafeBitCast(power, to: Bits.self) &+ (unsafeBitCast(shifted, to: Bits.self) &<< 23), to: Vector.self)
  return scaled.replacing(with: 0, where: x .< -87)
}

/// x · sigmoid(1.702 x), the activation of the official CLIP.
@inline(__always)
func quickGELU(_ x: Vector) -> Vector {
  x / (exponential(x * -1.702) + Vector(repeating: 1))
}

/// x · Φ(x), the exact GELU, Φ being the normal distribution.
///
/// Φ(-|x|) = e^(-x²/2) · t·p(t) with t = 1 / (1 + 0.3·|x|/√2); p minimises the relative error (1.3e-8), so that
/// negative inputs keep their digits, which 1 + erf(x/√2) would cancel away.
@inline(__always)
func gelu(_ x: Vector) -> Vector {
  let z = x.replacing(with: -x, where: x .< 0) * 0.707_106_781
  let one = Vector(repeating: 1)
  let t = one / multiplyAdd(z, 0.3, 1)
  var p = multiplyAdd(t, -0.061_498_206_1, 0.225_151_479)
  p = horner(p, t, -0.215_155_631)
  p = horner(p, t, 0.220_367_566)
  p = horner(p, t, -0.004_486_711_23)
  p = horner(p, t, 0.085_926_882_9)
  p = horner(p, t, 0.080_801_732_8)
  p = horner(p, t, 0.084_214_486_2)
  p = horner(p, t, 0.084_678_388_1)
  let tail = p * t * exponential(-(z * z))
  // Infinite tails times zero would be NaN: below -14 the product is 0 in any case.
  let value = x * tail.replacing(with: one - tail, where: x .> 0)
  return value.replacing(with: 0, where: x .< -14)
}
