/// The weights with which the pixels of one axis make the outputs that are kept: Pillow's
/// `precompute_coeffs`, in the same double-precision steps so that every weight has the same bits.
struct AxisFilter: ~Copyable {
  /// Outputs that are kept.
  let count: Int
  /// Weights reserved for each output.
  let reach: Int
  /// Per output: index of its first input, and number of inputs.
  let starts: Memory<Int>, lengths: Memory<Int>
  /// Per output, `reach` apart: weights that sum to 1.
  let weights: Memory<Double>
  /// Inputs that any kept output reads.
  let inputs: Range<Int>

  /// `kept` are outputs of an axis of `inputs` pixels resized to `outputs`.
  init(
    inputs: Int, outputs: Int, kept: Range<Int>, interpolation: PreprocessOptions.Interpolation
  ) throws(ImagingError) {
    let count = kept.count
    let cubic = interpolation == .bicubic
    // Pillow passes the box as float32.
    let scale = Double(Float(inputs)) / Double(outputs)
    let filterScale = max(scale, 1)
    let support = (cubic ? 2.0 : 1.0) * filterScale
    let inverse = 1 / filterScale
    let reach = Int(support.rounded(.up)) * 2 + 1
    let starts = try Memory<Int>(count, for: "filter bounds")
    let lengths = try Memory<Int>(count, for: "filter bounds")
    let weights = try Memory<Double>(try product(count, reach), for: "filter weights")

    var low = inputs
    var high = 0
    for (slot, output) in kept.enumerated() {
      let center = (Double(output) + 0.5) * scale
      let start = max(Int(center - support + 0.5), 0)
      let end = min(Int(center + support + 0.5), inputs)
      // Rounding of huge sizes cannot take a length out of the row that was reserved.
      let length = min(max(end - start, 0), reach)
      // slot < count, and at most `reach` weights follow.
      let row = unsafe weights.base + slot * reach
      unsafe Self.fill(row, start: start, length: length, center: center, inverse: inverse, cubic: cubic)
      unsafe starts.base[slot] = start
      unsafe lengths.base[slot] = length
      low = min(low, start)
      high = max(high, start + length)
    }
    self.count = count
    self.reach = reach
    self.starts = consume starts
    self.lengths = consume lengths
    self.weights = consume weights
    self.inputs = min(low, high)..<high
  }

  private static func fill(
    _ row: UnsafeMutablePointer<Double>, start: Int, length: Int, center: Double, inverse: Double, cubic: Bool
  ) {
    var sum = 0.0
    for i in 0..<length {
      let distance = (Double(i + start) - center + 0.5) * inverse
      let weight = cubic ? Self.cubic(distance) : triangle(distance)
      unsafe row[i] = weight
      sum += weight
    }
    guard sum != 0 else { return }
    for i in 0..<length { unsafe row[i] /= sum }
  }

  /// Keys' cubic with a = -1/2.
  private static func cubic(_ distance: Double) -> Double {
    let x = abs(distance)
    if x < 1 { return ((-0.5 + 2) * x - (-0.5 + 3)) * x * x + 1 }
    if x < 2 { return (((x - 5) * x + 8) * x - 4) * -0.5 }
    return 0
  }

  /// Linear interpolation.
  private static func triangle(_ distance: Double) -> Double {
    let x = abs(distance)
    return x < 1 ? 1 - x : 0
  }

  /// Fraction bits of a fixed-point weight.
  static let fractionBits: Int32 = 22

  /// A weight in fixed point, halves away from zero, as Pillow rounds it.
  static func fixed(_ weight: Double) -> Int32 {
    // Weights sum to 1 and none is far above it; the limit only keeps the conversion from trapping.
    let scaled = weight * Double(1 << fractionBits) + (weight < 0 ? -0.5 : 0.5)
    return Int32(max(-0x1p30, min(scaled, 0x1p30)))
  }
}
