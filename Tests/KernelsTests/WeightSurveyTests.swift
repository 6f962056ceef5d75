import Kernels
import Testing

@Suite("A survey of a weight")
struct WeightSurveyTests {
  private let compute: Compute

  init() throws { compute = try Compute(threads: 3) }

  private func survey(_ values: [Float], _ shape: [Int]) -> WeightSurvey {
    var strides = [Int](repeating: 1, count: shape.count)
    for axis in shape.indices.reversed().dropFirst() { strides[axis] = strides[axis + 1] * shape[axis + 1] }
    return values.withUnsafeBytes {
      WeightSurvey($0.baseAddress!, .float32, shape: shape, strides: strides, compute)
    }
  }

  private func halves(_ count: Int) -> [Float] {
    var state: UInt64 = 9
    return (0..<count).map { _ in
      state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
      return Float(Float16(Float(Int64(bitPattern: state) >> 40) / Float(1 << 22)))
    }
  }

  @Test(
    "tells the same however the numbers are stored",
    arguments: [[3, 4, 5], [1, 7], [2000, 3], [1, 1, 1], [400, 401]])
  func layouts(_ shape: [Int]) {
    let count = shape.reduce(1, *)
    let values = halves(count)
    let plain = survey(values, shape)
    // In float16, and with the axes stored in the opposite order.
    let bits = values.map { Float16($0).bitPattern }
    var strides = [Int](repeating: 1, count: shape.count)
    for axis in shape.indices.reversed().dropFirst() { strides[axis] = strides[axis + 1] * shape[axis + 1] }
    let half = bits.withUnsafeBytes {
      WeightSurvey($0.baseAddress!, .float16, shape: shape, strides: strides, compute)
    }
    var turned = [Int](repeating: 1, count: shape.count)
    for axis in shape.indices.dropFirst() { turned[axis] = turned[axis - 1] * shape[axis - 1] }
    var stored = [Float](repeating: 0, count: count)
    for place in 0..<count {
      var (rest, target) = (place, 0)
      for axis in shape.indices.reversed() {
        target += rest % shape[axis] * turned[axis]
        rest /= shape[axis]
      }
      stored[target] = values[place]
    }
    let transposed = stored.withUnsafeBytes {
      WeightSurvey($0.baseAddress!, .float32, shape: shape, strides: turned, compute)
    }
    #expect(plain.digest == half.digest && plain.digest == transposed.digest)
    #expect(plain.isFinite && plain.isExactlyHalf && half.isExactlyHalf && transposed.isExactlyHalf)
  }

  @Test("changes with every number and every place")
  func changes() {
    let values = halves(2500)
    let digest = survey(values, [50, 50]).digest
    var seen: Set<UInt64> = [digest]
    for place in stride(from: 0, to: 2499, by: 7) {
      var other = values
      other[place] = Float(Float16(other[place]).nextUp)
      seen.insert(survey(other, [50, 50]).digest)
      other = values
      other.swapAt(place, 2499)
      seen.insert(survey(other, [50, 50]).digest)
      other = values
      other[place].negate()
      other[2499].negate()
      seen.insert(survey(other, [50, 50]).digest)
    }
    #expect(seen.count == 1 + 3 * 357)
  }

  @Test("reads weights that repeat, or lie at an odd address")
  func views() {
    let bytes = [UInt8](repeating: 0, count: 1) + halves(6).flatMap { withUnsafeBytes(of: $0) { Array($0) } }
    let row = bytes.withUnsafeBytes {
      WeightSurvey($0.baseAddress! + 1, .float32, shape: [3, 6], strides: [0, 1], compute)
    }
    #expect(row.digest == survey(halves(6) + halves(6) + halves(6), [3, 6]).digest)
  }

  @Test("knows every half, and its neighbours that are none")
  func exactness() {
    var wrong: [UInt16] = []
    for bits in UInt16.min...UInt16.max {
      let half = Float(Float16(bitPattern: bits))
      let right =
        half.isFinite
        ? survey([half], [1]).isExactlyHalf && !survey([1, half.nextUp, 1], [3]).isExactlyHalf
          && !survey([1, half.nextDown, 1], [3]).isExactlyHalf
        : !survey([half], [1]).isFinite
      if !right { wrong.append(bits) }
    }
    #expect(wrong == [])
    #expect(survey([.greatestFiniteMagnitude], [1]).isFinite && !survey([65536], [1]).isExactlyHalf)
  }

  @Test("finds what is not finite", arguments: [Float.nan, .infinity, -.infinity, .signalingNaN])
  func finiteness(_ value: Float) {
    var values = halves(3000)
    values[2999] = value
    #expect(!survey(values, [3000]).isFinite)
  }
}
