import Glibc
import Kernels

/// Random numbers that follow from a seed: SplitMix64 (Steele, Lea & Flood, 2014).
struct SeededRandom {
  private var state: UInt64

  init(seed: UInt64) { state = seed }

  mutating func next() -> UInt64 {
    state &+= 0x9e37_79b9_7f4a_7c15
    var z = state
    z = (z ^ (z >> 30)) &* 0xbf58_476d_1ce4_e5b9
    z = (z ^ (z >> 27)) &* 0x94d0_49bb_1331_11eb
    return z ^ (z >> 31)
  }

  /// In 0 ..< 1.
  mutating func uniform() -> Double { Double(next() >> 11) * 0x1p-53 }

  /// Of mean 0 and deviation 1, by Box and Muller.
  mutating func normal() -> Double {
    let radius = (-2 * log(1 - uniform())).squareRoot()
    return radius * cos(2 * .pi * uniform())
  }
}

extension ParameterStore {
  func fillNormal(_ parameter: Parameter, deviation: Double, _ random: inout SeededRandom) {
    guard !Attachments.isStopped else { return }
    let target = unsafe value(parameter)
    for index in 0..<parameter.count { unsafe target[index] = Float(random.normal() * deviation) }
  }

  func fillUniform(_ parameter: Parameter, bound: Double, _ random: inout SeededRandom) {
    guard !Attachments.isStopped else { return }
    let target = unsafe value(parameter)
    for index in 0..<parameter.count { unsafe target[index] = Float((2 * random.uniform() - 1) * bound) }
  }

  func fill(_ parameter: Parameter, _ constant: Float) {
    unsafe value(parameter).update(repeating: constant, count: parameter.count)
  }
}
