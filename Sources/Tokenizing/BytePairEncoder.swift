/// Byte pair encoding of one word at a time. Reused for all words of a text, so that it allocates once.
struct BytePairEncoder {
  /// The word's symbols, which end as its token ids: the first `count`.
  private var buffer = [Int32](repeating: 0, count: longWord)
  private var count = 0
  /// Rank of the merge of each symbol with the next.
  private var ranks = [UInt32](repeating: 0, count: longWord)

  /// From this length on, `mergeLong` is the faster way.
  private static let longWord = 64

  var symbols: ArraySlice<Int32> { buffer[..<count] }

  /// Encodes `text[word]`, which holds one byte or more, into `symbols`.
  mutating func encode(_ text: [UInt8], _ word: Range<Int>, _ vocabulary: Vocabulary) {
    start(text, word, vocabulary)
    if count < Self.longWord { merge(vocabulary.merges) } else { mergeLong(vocabulary.merges) }
  }

  /// The symbols before any merge: a word's bytes.
  mutating func start(_ text: [UInt8], _ word: Range<Int>, _ vocabulary: Vocabulary) {
    count = word.count
    if count > buffer.count {
      buffer = [Int32](repeating: 0, count: count)
      ranks = [UInt32](repeating: 0, count: count)
    }
    for (i, k) in word.enumerated() { buffer[i] = vocabulary.byteSymbols[Int(text[k])] }
    buffer[count - 1] = vocabulary.byteSymbols[256 + Int(text[word.upperBound - 1])]
  }

  /// The official way: the pair of the lowest rank, everywhere it occurs, until no pair can be merged. Time
  /// grows with the square of the length.
  mutating func merge(_ merges: MergeTable) {
    for i in 1..<max(1, count) { ranks[i - 1] = merges.rank(buffer[i - 1], buffer[i]) }
    while true {
      var lowest = MergeTable.none
      for i in 0..<count - 1 { lowest = min(lowest, ranks[i]) }
      if lowest == MergeTable.none { return }
      mergeAll(lowest, merges)
    }
  }

  /// Joins every pair of a rank, from left to right, and looks up the ranks of the pairs that are new.
  private mutating func mergeAll(_ rank: UInt32, _ merges: MergeTable) {
    let joined = merges.result(rank)
    var kept = 0
    var i = 0
    var isLastNew = false
    while i < count {
      let isNew = i + 1 < count && ranks[i] == rank
      let symbol = isNew ? joined : buffer[i]
      if kept > 0 {
        ranks[kept - 1] = isNew || isLastNew ? merges.rank(buffer[kept - 1], symbol) : ranks[i - 1]
      }
      buffer[kept] = symbol
      kept += 1
      i += isNew ? 2 : 1
      isLastNew = isNew
    }
    count = kept
  }

  /// The same by a heap of pairs and a linked list of symbols, in time n log n.
  mutating func mergeLong(_ merges: MergeTable) {
    var list = LinkedSymbols(Array(symbols), merges)
    list.mergeAll()
    count = 0
    for symbol in list.remaining {
      buffer[count] = symbol
      count += 1
    }
  }
}

/// A long word: symbols in a doubly linked list, and a heap of the pairs that can be merged.
private struct LinkedSymbols {
  private let merges: MergeTable
  private var symbols: [Int32]
  private var previous: [Int32]
  private var next: [Int32]
  private var heap = Heap<UInt64>()
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
