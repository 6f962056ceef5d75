import Kernels

/// How much memory a trainer may still take. The system gives out more than it has, and ends the process when it is
/// filled: what could never be had is refused before.
final class MemoryBudget {
  private let limit: UInt64
  private let isMachines: Bool
  private var taken: UInt64 = 0

  /// - Parameter limit: in bytes; 0: what the machine has, or the process's control group allows.
  init(_ limit: UInt64) {
    isMachines = limit == 0
    self.limit = limit == 0 ? UInt64(AllowedMemory.bytes) : limit
  }

  /// Counts floats that are about to be allocated, or refuses them.
  func take(floats: Int) throws(CLIPError) {
    let (bytes, overflow) = UInt64(max(0, floats)).multipliedReportingOverflow(by: 4)
    let (sum, tooMany) = taken.addingReportingOverflow(bytes)
    guard !overflow, !tooMany, sum <= limit else {
      let needs = "The trainer needs \(bytes) bytes more than the \(taken) that it has"
      let advice = "Make the model or its batches smaller, or accumulate over more pieces."
      throw isMachines
        ? CLIPError(.outOfMemory, "\(needs), and this process may have \(limit). \(advice)")
        : CLIPError(.limitExceeded, "\(needs), and max_bytes is \(limit). \(advice)")
    }
    taken = sum
  }

  /// The same for what `body` allocates, unless it fails.
  func taking<R>(floats: Int, _ body: () throws(CLIPError) -> R) throws(CLIPError) -> R {
    let before = taken
    try take(floats: floats)
    do throws(CLIPError) {
      return try body()
    } catch {
      taken = before
      throw error
    }
  }
}
