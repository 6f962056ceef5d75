import Glibc

/// The learning rate over time: a linear warm-up, then half a cosine down to zero, or a constant where the number of
/// steps is not known.
struct Schedule {
  let peak: Double
  let warmup: Int
  /// 0: constant after the warm-up.
  let steps: Int

  /// For the step after `done` steps.
  func rate(after done: Int) -> Double {
    if done < warmup { return peak * Double(done + 1) / Double(warmup) }
    guard steps > warmup else { return peak }
    let fraction = min(1, Double(done - warmup) / Double(steps - warmup))
    return peak * 0.5 * (1 + cos(.pi * fraction))
  }
}
