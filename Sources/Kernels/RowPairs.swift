/// Rows of a matrix in pairs, an upper and a lower one, for products that halve their rows. Pairs lie within a
/// sequence, at places that depend on its length alone, so that its sums do not depend on its neighbours.
public struct RowPairs: Sendable {
  let upper: [Int32]
  /// -1 where a row has no partner.
  let lower: [Int32]
  public var count: Int { upper.count }

  /// The first half of each sequence's rows with the second half; `counts` are the sequences' lengths, one below
  /// the other. Nil if there are more rows than can be counted.
  public init?(sequences counts: [Int]) {
    var (upper, lower): ([Int32], [Int32]) = ([], [])
    var start = 0
    for count in counts {
      let (end, overflow) = start.addingReportingOverflow(count)
      guard !overflow, count >= 0, end <= Int(Int32.max) else { return nil }
      let half = count - count / 2
      for row in start..<start + half {
        upper.append(Int32(row))
        lower.append(row + half < end ? Int32(row + half) : -1)
      }
      start = end
    }
    self.upper = upper
    self.lower = lower
  }
}
