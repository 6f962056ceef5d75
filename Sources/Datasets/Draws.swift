/// Random numbers that are a function of what they are for: (seed, epoch, index, purpose) and how many were drawn
/// before. No thread and no order of work can change them. Salmon et al. (2011) call such generators counter-based;
/// this one is SplitMix64 (Steele et al., 2014), started at a mixture of the four.
struct Draws {
  /// What is drawn.
  enum Purpose: UInt64 {
    case order = 0
    case caption = 1
    case picture = 2
    case buffer = 3
  }

  private var state: UInt64

  init(seed: UInt64, epoch: Int, index: UInt64, _ purpose: Purpose) {
    state = Self.mixed(seed)
    for part in [UInt64(truncatingIfNeeded: epoch), index, purpose.rawValue] {
      state = Self.mixed(state &+ part)
    }
  }

  mutating func next() -> UInt64 {
    state &+= 0x9E37_79B9_7F4A_7C15
    return Self.mixed(state)
  }

  /// 0..<1, in steps of 2^-53.
  mutating func unit() -> Double { Double(next() >> 11) * 0x1p-53 }

  /// 0..<count; count is at least 1.
  mutating func below(_ count: Int) -> Int {
    Self.choice(next(), of: count)
  }

  /// 0..<count from a number drawn before.
  static func choice(_ drawn: UInt64, of count: Int) -> Int {
    Int(truncatingIfNeeded: drawn.multipliedFullWidth(by: UInt64(max(count, 1))).high)
  }

  private static func mixed(_ value: UInt64) -> UInt64 {
    var z = value
    z = (z ^ z >> 30) &* 0xBF58_476D_1CE4_E5B9
    z = (z ^ z >> 27) &* 0x94D0_49BB_1331_11EB
    return z ^ z >> 31
  }

  /// The numbers 0..<count in random order (Fisher and Yates).
  static func permutation(_ count: Int, seed: UInt64, epoch: Int) -> [UInt32] {
    var order = (0..<count).map { UInt32(truncatingIfNeeded: $0) }
    var draws = Draws(seed: seed, epoch: epoch, index: 0, .order)
    for last in stride(from: count - 1, to: 0, by: -1) { order.swapAt(last, draws.below(last + 1)) }
    return order
  }
}
