import Glibc
import Kernels

/// `out = a + b`, element by element.
func add(
  _ a: UnsafePointer<Float>, _ b: UnsafePointer<Float>, into out: UnsafeMutablePointer<Float>, _ count: Int
) {
  for index in 0..<count { unsafe out[index] = a[index] + b[index] }
}

/// The sum of products in double precision: exact enough that no order of summation shows in a float.
func dot(_ a: UnsafePointer<Float>, _ b: UnsafePointer<Float>, _ count: Int) -> Double {
  var sum = 0.0
  for index in 0..<count { unsafe sum += Double(a[index]) * Double(b[index]) }
  return sum
}

/// Divides a vector by its Euclidean length. A vector of zeros stays one.
func normalise(_ x: UnsafeMutablePointer<Float>, _ count: Int) {
  let length = unsafe dot(x, x, count).squareRoot()
  guard length > 0 else { return }
  for index in 0..<count { unsafe x[index] = Float(Double(x[index]) / length) }
}

func normaliseRows(_ x: MatrixView) {
  for row in 0..<x.rows { unsafe normalise(x.pointer + row * x.stride, x.columns) }
}

/// The cosine of the angle between two vectors; 0 if one of them is zero.
func cosine(
  _ a: UnsafePointer<Float>, length aLength: Double, _ b: UnsafePointer<Float>, length bLength: Double,
  _ count: Int
) -> Float {
  guard aLength > 0, bLength > 0 else { return 0 }
  return unsafe Float(max(-1, min(1, dot(a, b, count) / (aLength * bLength))))
}

/// Cosines of every row of `a` (aCount, dim) with every row of `b` (bCount, dim), to (aCount, bCount), row by row.
public func similarity(
  _ a: UnsafePointer<Float>, _ aCount: Int, _ b: UnsafePointer<Float>, _ bCount: Int, dim: Int,
  into cosines: UnsafeMutablePointer<Float>
) throws(CLIPError) {
  let bLengths = (0..<bCount).map { row in unsafe dot(b + row * dim, b + row * dim, dim).squareRoot() }
  for row in 0..<aCount {
    try checkStop()
    let vector = unsafe a + row * dim
    let length = unsafe dot(vector, vector, dim).squareRoot()
    for column in 0..<bCount {
      unsafe cosines[row * bCount + column] = cosine(
        vector, length: length, b + column * dim, length: bLengths[column], dim)
    }
  }
}

/// `x = softmax(scale · x)`, with the largest subtracted first so that nothing overflows.
func softmax(_ x: UnsafeMutableBufferPointer<Float>, scale: Float) {
  let largest = unsafe x.max() ?? 0
  var sum = 0.0
  for index in x.indices {
    let value = unsafe exp(Double(scale) * (Double(x[index]) - Double(largest)))
    unsafe x[index] = Float(value)
    sum += value
  }
  for index in x.indices { unsafe x[index] = Float(Double(x[index]) / sum) }
}
