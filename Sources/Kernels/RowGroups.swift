/// Rows shared evenly over as few groups as hold them, a group being the rows of one tile of the product. Any run of
/// groups is cut into the same groups by `forEachTile`, which shares rows in the same way.
struct RowGroups: Sendable {
  let rows, count: Int

  init(rows: Int, tileRows: Int) {
    self.rows = rows
    count = (rows + tileRows - 1) / tileRows
  }

  /// The rows of a group.
  func rows(of group: Int) -> Range<Int> { ProductPlan.part(group, of: count, in: 0..<rows) }

  /// The rows of the index-th of `shares` runs of groups.
  func share(_ index: Int, of shares: Int) -> Range<Int> {
    let groups = ProductPlan.part(index, of: shares, in: 0..<count)
    return rows(of: groups.lowerBound).lowerBound..<rows(of: groups.upperBound - 1).upperBound
  }
}
