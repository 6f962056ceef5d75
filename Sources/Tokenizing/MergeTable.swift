/// The merges by the pair of symbols that they join: a hash table with open addressing.
struct MergeTable: Sendable {
  /// A merge: the ids of its two symbols and of what they become.
  private struct Merge {
    let left: Int32
    let right: Int32
    let result: Int32
  }

  private var merges: [Merge] = []
  /// Ranks + 1; 0 is free.
  private var slots: [UInt32]
  /// Rank of a pair that no merge joins.
  static let none = UInt32.max

  init(count: Int) {
    merges.reserveCapacity(count)
    slots = [UInt32](repeating: 0, count: Self.capacity(count))
  }

  /// A power of two with at most half of the slots in use.
  static func capacity(_ count: Int) -> Int {
    var capacity = 16
    while capacity < 2 * count { capacity *= 2 }
    return capacity
  }

  /// Adds the next merge. The rank of a pair that is there already becomes the new one.
  mutating func append(_ left: Int32, _ right: Int32, makes result: Int32) {
    let slot = slot(left, right)
    merges.append(Merge(left: left, right: right, result: result))
    slots[slot] = UInt32(merges.count)
  }

  /// The rank of the merge of two symbols; lower ones go first.
  @inline(__always)
  func rank(_ left: Int32, _ right: Int32) -> UInt32 { slots[slot(left, right)] &- 1 }

  /// What the merge of a rank makes.
  @inline(__always)
  func result(_ rank: UInt32) -> Int32 { merges[Int(rank)].result }

  /// The slot that holds a pair, or the free one where it belongs. At least half of the slots are free.
  @inline(__always)
  private func slot(_ left: Int32, _ right: Int32) -> Int {
    let key = UInt64(UInt32(bitPattern: left)) << 32 | UInt64(UInt32(bitPattern: right))
    let hash = key &* 0x9E37_79B9_7F4A_7C15
    let mask = slots.count - 1
    var slot = Int(truncatingIfNeeded: hash >> 40) & mask
    while true {
      let rank = slots[slot]
      if rank == 0 { return slot }
      let merge = merges[Int(rank) - 1]
      if merge.left == left && merge.right == right { return slot }
      slot = (slot + 1) & mask
    }
  }
}
