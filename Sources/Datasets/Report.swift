/// Something that cannot be used, and why. Training goes on without it.
struct Problem: Sendable {
  let reason: Report.Reason
  let message: String

  init(_ reason: Report.Reason, _ message: String) {
    self.reason = reason
    self.message = message
  }
}

/// What became of the pairs so far. A class, and never changed: a process that forks while another thread puts a new
/// one in its place finds the old one or the new one.
public final class Report: Sendable {
  /// Why something was skipped. The names are those of the report's JSON.
  public enum Reason: String, CaseIterable, Sendable {
    case missingPictures = "missing_pictures"
    case brokenPictures = "broken_pictures"
    case refusedPaths = "refused_paths"
    case badRows = "bad_rows"
    case badMembers = "bad_members"
    case incompletePairs = "incomplete_pairs"
    case badCaptions = "bad_captions"
    case emptyCaptions = "empty_captions"
    case longCaptions = "long_captions"
  }

  /// Pairs handed over.
  public let pairs: UInt64
  /// Captions of them that were cut at the context length.
  public let truncated: UInt64
  /// By `Reason`, in the order of its cases.
  public let skipped: [UInt64]
  /// The sentences of the first ones skipped.
  public let first: [String]

  init(pairs: UInt64 = 0, truncated: UInt64 = 0, skipped: [UInt64]? = nil, first: [String] = []) {
    self.pairs = pairs
    self.truncated = truncated
    self.skipped = skipped ?? [UInt64](repeating: 0, count: Reason.allCases.count)
    self.first = first
  }

  /// This and what came of one more batch. At most `named` sentences are kept.
  func adding(pairs: Int = 0, truncated: Int = 0, _ problems: [Problem], named: Int) -> Report {
    var counts = skipped
    for problem in problems {
      if let place = Reason.allCases.firstIndex(of: problem.reason) { counts[place] += 1 }
    }
    let room = max(0, named - first.count)
    return Report(
      pairs: self.pairs + UInt64(pairs), truncated: self.truncated + UInt64(truncated), skipped: counts,
      first: room == 0 ? first : first + problems.prefix(room).map(\.message))
  }
}
