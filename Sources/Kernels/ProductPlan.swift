/// How a product is cut: tasks of one row block and a group of panels. Cutting changes no sum, only who computes
/// it when.
struct ProductPlan: Sendable {
  let depth, blocks, groups: Int
  /// Scratch of a slot: sums that wait for the next K block, then a K block of halves widened.
  let partialFloats, widenedFloats: Int
  var slotFloats: Int { partialFloats + widenedFloats }
  private let rows, panelCount: Int

  init(rows: Int, _ w: PackedWeights, threads: Int, _ loops: LoopTable) {
    self.rows = rows
    panelCount = w.panels
    // K blocks of equal length, multiples of the unrolling.
    let depths = max(1, (w.steps + loops.depth - 1) / loops.depth)
    depth = max(4, ((w.steps + depths - 1) / depths + 3) / 4 * 4)
    blocks = (rows + loops.blockRows - 1) / loops.blockRows
    // Groups: long enough that rows from farther caches are read for many columns, small enough that no core
    // waits long for the last one.
    let longest = max(1, 128 / w.panelColumns)
    let wanted = (8 * threads + blocks - 1) / blocks
    let shortest = max(1, 32 / w.panelColumns)
    let group = min(longest, max(shortest, w.panels / max(1, wanted)))
    groups = max(1, (w.panels + group - 1) / group)
    let largest = (w.panels + groups - 1) / groups
    // Each slot's sums start at a cache line.
    partialFloats = (min(rows, loops.blockRows) * largest * w.panelColumns + 15) / 16 * 16
    widenedFloats =
      w.storage == .float16 || w.storage == .bfloat16 ? (depth * w.panelColumns + 15) / 16 * 16 : 0
  }

  func rows(_ block: Int) -> Range<Int> {
    Self.part(block, of: blocks, in: 0..<rows)
  }

  func panels(_ group: Int) -> Range<Int> {
    Self.part(group, of: groups, in: 0..<panelCount)
  }

  /// The index-th of `count` parts of a range, which differ by at most one.
  static func part(_ index: Int, of count: Int, in range: Range<Int>) -> Range<Int> {
    let base = range.count / count
    let larger = range.count % count
    let lower = range.lowerBound + index * base + min(index, larger)
    return lower..<lower + base + (index < larger ? 1 : 0)
  }
}
