/// How a product is cut: turns of row blocks whose packed rows fit the scratch memory; in each turn, tasks of
/// one row block and a group of panels. Cutting changes no sum, only who computes it when.
struct ProductPlan: Sendable {
  /// Rows of a turn.
  struct Turn: Sendable {
    let rows: Range<Int>
    /// Row blocks, as equal as possible.
    let blocks: Int

    func block(_ index: Int) -> Range<Int> {
      ProductPlan.part(index, of: blocks, in: rows)
    }
  }

  /// Floats of packed rows in a turn: 4 MB, a part of the last-level cache.
  private static let turnFloats = 1 << 20

  let depth, depths, groups: Int
  let turnRows: Int
  /// Scratch of a slot: sums that wait for the next K block, then a K block of halves widened.
  let partialFloats, widenedFloats: Int
  var slotFloats: Int { partialFloats + widenedFloats }
  private let rows, inputCount, panelCount, blockRows: Int

  init(rows: Int, _ w: PackedWeights, threads: Int, _ loops: LoopTable) {
    self.rows = rows
    inputCount = w.inputs
    panelCount = w.panels
    // K blocks of equal length, multiples of the unrolling.
    let blocks = max(1, (w.inputs + loops.depth - 1) / loops.depth)
    depth = max(4, ((w.inputs + blocks - 1) / blocks + 3) / 4 * 4)
    depths = max(1, (w.inputs + depth - 1) / depth)
    // Row blocks, and as many of them in a turn as fit, shared evenly over the turns.
    blockRows = min(rows, loops.blockRows)
    let fitting = max(blockRows, Self.turnFloats / max(1, w.inputs))
    let turns = (rows + fitting - 1) / fitting
    turnRows = (rows + turns - 1) / turns
    // Groups: long enough that packed rows from farther caches are read for many columns, small enough that
    // no core waits long for the last one.
    let rowBlocks = (turnRows + blockRows - 1) / blockRows
    let longest = max(1, 128 / w.panelColumns)
    let wanted = (8 * threads + rowBlocks - 1) / rowBlocks
    let shortest = max(1, 32 / w.panelColumns)
    let group = min(longest, max(shortest, w.panels / max(1, wanted)))
    groups = max(1, (w.panels + group - 1) / group)
    let largest = (w.panels + groups - 1) / groups
    // Each slot's sums start at a cache line.
    partialFloats = (blockRows * largest * w.panelColumns + 15) / 16 * 16
    widenedFloats = w.storage == .float16 ? (depth * w.panelColumns + 15) / 16 * 16 : 0
  }

  var turns: [Turn] {
    stride(from: 0, to: rows, by: turnRows).map { first in
      let range = first..<min(rows, first + turnRows)
      return Turn(rows: range, blocks: (range.count + blockRows - 1) / blockRows)
    }
  }

  func inputs(_ index: Int) -> Range<Int> {
    index * depth..<min(inputCount, (index + 1) * depth)
  }

  func panels(_ group: Int) -> Range<Int> {
    Self.part(group, of: groups, in: 0..<panelCount)
  }

  /// The index-th of `count` parts of a range, which differ by at most one.
  private static func part(_ index: Int, of count: Int, in range: Range<Int>) -> Range<Int> {
    let base = range.count / count
    let larger = range.count % count
    let lower = range.lowerBound + index * base + min(index, larger)
    return lower..<lower + base + (index < larger ? 1 : 0)
  }
}
