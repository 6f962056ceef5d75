/// Byte pair encoding of one word at a time. Reused for all words of a text, so that it allocates once.
struct BytePairEncoder {
  /// The word's symbols, which end as its token ids.
  private(set) var symbols: [Int32] = []
  /// Rank of the merge of each symbol with the next.
  private var ranks: [UInt32] = []

  /// From this length on, `mergeLong` is the faster way.
  private static let longWord = 64

  init() {
    symbols.reserveCapacity(Self.longWord)
    ranks.reserveCapacity(Self.longWord)
  }

  /// Encodes a word of one or more bytes into `symbols`.
  mutating func encode(_ word: some Collection<UInt8>, _ vocabulary: Vocabulary) {
    symbols.removeAll(keepingCapacity: true)
    for byte in word { symbols.append(vocabulary.byteSymbols[Int(byte)]) }
    guard let last = word.lazy.map({ Int($0) }).suffix(1).first else { return }
    symbols[symbols.count - 1] = vocabulary.byteSymbols[256 + last]
    if symbols.count < Self.longWord { merge(vocabulary.merges) } else { mergeLong(vocabulary.merges) }
  }

  /// The official way: the pair of the lowest rank, everywhere it occurs, until no pair can be merged. Time
  /// grows with the square of the length.
  mutating func merge(_ merges: MergeTable) {
    ranks.removeAll(keepingCapacity: true)
    for i in 0..<max(0, symbols.count - 1) { ranks.append(merges.rank(symbols[i], symbols[i + 1])) }
    while true {
      var lowest = MergeTable.none
      for rank in ranks where rank < lowest { lowest = rank }
      if lowest == MergeTable.none { return }
      mergeAll(lowest, merges)
    }
  }

  /// Joins every pair of a rank, from left to right.
  private mutating func mergeAll(_ rank: UInt32, _ merges: MergeTable) {
    let joined = merges.result(rank)
    var count = 0
    var i = 0
    while i < symbols.count {
      if i < ranks.count, ranks[i] == rank {
        symbols[count] = joined
        i += 2
      } else {
        symbols[count] = symbols[i]
        i += 1
      }
      count += 1
    }
    symbols.removeSubrange(count...)
    ranks.removeAll(keepingCapacity: true)
    for i in 0..<count - 1 { ranks.append(merges.rank(symbols[i], symbols[i + 1])) }
  }

  /// The same by a heap of pairs and a linked list of symbols, in time n log n.
  mutating func mergeLong(_ merges: MergeTable) {
    var list = LinkedSymbols(symbols, merges)
    list.mergeAll()
    symbols = list.remaining
  }
}

/// A long word: symbols in a doubly linked list, and a heap of the pairs that can be merged.
private struct LinkedSymbols {
  private let merges: MergeTable
  private var symbols: [Int32]
  private var previous: [Int32]
  private var next: [Int32]
  private var heap = MinimumHeap()
  private static let end: Int32 = -1
  /// In the place of a symbol that went into the one before it.
  private static let gone: Int32 = -1

  init(_ word: [Int32], _ merges: MergeTable) {
    self.merges = merges
    symbols = word
    previous = word.indices.map { Int32(truncatingIfNeeded: $0 - 1) }
    next = word.indices.map { Int32(truncatingIfNeeded: $0 + 1 < word.count ? $0 + 1 : -1) }
    for i in word.indices {
      if let pair = pair(at: i) { heap.insert(pair) }
    }
  }

  var remaining: [Int32] { symbols.filter { $0 != Self.gone } }

  /// The pair that begins at `i`, as its rank above its place: the heap's order is the order of merging.
  private func pair(at i: Int) -> UInt64? {
    guard symbols[i] != Self.gone, next[i] != Self.end else { return nil }
    let rank = merges.rank(symbols[i], symbols[Int(next[i])])
    return rank == MergeTable.none ? nil : UInt64(rank) << 32 | UInt64(i)
  }

  /// Merges rank by rank. The pairs that a rank's merges bring about wait until it is done, even where their
  /// own rank is lower: the official code finishes a pair everywhere before it looks for the next.
  mutating func mergeAll() {
    var fresh: [Int] = []
    while let lowest = heap.minimum {
      fresh.removeAll(keepingCapacity: true)
      while let entry = heap.minimum, entry >> 32 == lowest >> 32 {
        heap.removeMinimum()
        let place = Int(entry & 0xFFFF_FFFF)
        // Stale where one of the two symbols has been merged since.
        if pair(at: place) == entry { join(place, UInt32(entry >> 32), &fresh) }
      }
      for place in fresh {
        if let pair = pair(at: place) { heap.insert(pair) }
      }
    }
  }

  private mutating func join(_ place: Int, _ rank: UInt32, _ fresh: inout [Int]) {
    let second = Int(next[place])
    symbols[place] = merges.result(rank)
    symbols[second] = Self.gone
    next[place] = next[second]
    if next[place] != Self.end { previous[Int(next[place])] = Int32(truncatingIfNeeded: place) }
    fresh.append(place)
    if previous[place] >= 0 { fresh.append(Int(previous[place])) }
  }
}

/// A binary heap of numbers.
private struct MinimumHeap {
  private var items: [UInt64] = []

  var minimum: UInt64? { items.first }

  mutating func insert(_ item: UInt64) {
    var i = items.count
    items.append(item)
    while i > 0, items[(i - 1) / 2] > items[i] {
      items.swapAt(i, (i - 1) / 2)
      i = (i - 1) / 2
    }
  }

  mutating func removeMinimum() {
    guard let last = items.popLast(), !items.isEmpty else { return }
    items[0] = last
    var i = 0
    while true {
      var child = 2 * i + 1
      guard child < items.count else { return }
      if child + 1 < items.count, items[child + 1] < items[child] { child += 1 }
      if items[i] <= items[child] { return }
      items.swapAt(i, child)
      i = child
    }
  }
}
