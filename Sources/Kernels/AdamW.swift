import CPlatform

/// A step of AdamW (Loshchilov & Hutter, "Decoupled Weight Decay Regularization", 2019).
public struct AdamWStep: Sendable {
  public var learningRate, beta1, beta2, epsilon: Double
  public var weightDecay: Double
  /// How many steps were taken, this one among them.
  public var step: Int
  /// What gradients are multiplied by before they are read.
  public var gradientScale: Double

  public init(
    learningRate: Double, beta1: Double, beta2: Double, epsilon: Double, weightDecay: Double, step: Int,
    gradientScale: Double
  ) {
    (self.learningRate, self.beta1, self.beta2) = (learningRate, beta1, beta2)
    (self.epsilon, self.weightDecay, self.step) = (epsilon, weightDecay, step)
    self.gradientScale = gradientScale
  }
}

extension Compute {
  /// Updates `count` consecutive parameters and their moments.
  public func adamW(
    _ step: AdamWStep, values: UnsafeMutablePointer<Float>, gradients: UnsafePointer<Float>,
    momentum: UnsafeMutablePointer<Float>, variance: UnsafeMutablePointer<Float>, count: Int
  ) {
    let chunk = 1 << 15
    nonisolated(unsafe) let (values, gradients) = (values, gradients)
    nonisolated(unsafe) let (momentum, variance) = (momentum, variance)
    let update = loops.gradients.adamW
    let correction1 = 1 - power(step.beta1, step.step)
    let correction2 = 1 - power(step.beta2, step.step)
    pool.run((count + chunk - 1) / chunk) { index, _ in
      let first = index * chunk
      update(
        AdamWTask(
          values: values + first, gradients: gradients + first, momentum: momentum + first,
          variance: variance + first, count: min(chunk, count - first), beta1: Float(step.beta1),
          beta2: Float(step.beta2), epsilon: Float(step.epsilon), gradientScale: Float(step.gradientScale),
          stepSize: Float(step.learningRate / correction1),
          varianceScale: Float(1 / correction2.squareRoot()),
          decay: Float(1 - step.learningRate * step.weightDecay)))
    }
  }

  /// The sum of the squares of `count` floats, in float64, the same on any number of threads.
  public func sumOfSquares(_ x: UnsafePointer<Float>, count: Int) throws(KernelError) -> Double {
    let chunk = 1 << 15
    let chunks = (count + chunk - 1) / chunk
    var total = 0.0
    nonisolated(unsafe) let x = x
    try scratch.withFloats(2 * chunks + 2) { memory in
      // Two floats hold the double of a chunk.
      nonisolated(unsafe) let sums = UnsafeMutableRawPointer(memory)
      pool.run(chunks) { index, _ in
        var sum = 0.0
        for i in index * chunk..<min(count, (index + 1) * chunk) { sum += Double(x[i]) * Double(x[i]) }
        sums.storeBytes(of: sum, toByteOffset: 8 * index, as: Double.self)
      }
      for index in 0..<chunks { total += sums.load(fromByteOffset: 8 * index, as: Double.self) }
    }
    return total
  }
}

/// base to the power of a count, by squaring: the same bits in every C library.
private func power(_ base: Double, _ exponent: Int) -> Double {
  var (result, square, rest) = (1.0, base, max(0, exponent))
  while rest > 0 {
    if rest & 1 == 1 { result *= square }
    square *= square
    rest >>= 1
  }
  return result
}
