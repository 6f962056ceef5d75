import Kernels

/// Texts that share their beginnings, as a tree of tokens: a causal Transformer gives the same activations to the
/// same beginning, so each is computed once. "a photo of a cat" and "a photo of a dog" have five tokens before they
/// part, and two each after.
struct TokenTree {
  /// Tokens that follow each other without a fork, in consecutive rows.
  private struct Segment {
    var firstRow: Int
    var count: Int
    /// Position of the first token in its text.
    var depth: Int
    /// The segment before it, or nil at the beginning of texts.
    var parent: Int?
  }

  private var segments: [Segment] = []
  /// Segments from the beginning of the last text to its end.
  private var path: [Int] = []
  private var last: [Int32] = []
  /// For each text the segment with which it ends, and the position that is read.
  private var texts: [(end: Int, pooled: Int)] = []

  /// A token and its position, for each row of activations.
  private(set) var rows: [(token: Int32, position: Int)] = []
  var count: Int { texts.count }

  /// Adds a text that is read at a position. Texts in lexicographic order share all that they can.
  /// - Parameter shares: whether the text may share its beginning with the one before, as causal ones may.
  mutating func append(_ tokens: [Int32], pooled: Int, shares: Bool) {
    var shared = 0
    if shares {
      while shared < min(last.count, tokens.count), last[shared] == tokens[shared] { shared += 1 }
    }
    leavePath(at: shared)
    if tokens.count > shared {
      path.append(segments.count)
      segments.append(
        Segment(
          firstRow: rows.count, count: tokens.count - shared, depth: shared, parent: path.dropLast().last))
      for position in shared..<tokens.count { rows.append((tokens[position], position)) }
    }
    last = tokens
    texts.append((path.last ?? 0, pooled))
  }

  /// Shortens the path to a depth, and cuts a segment there if the depth lies within it.
  private mutating func leavePath(at depth: Int) {
    while let index = path.last, segments[index].depth >= depth { path.removeLast() }
    guard let index = path.last, segments[index].depth + segments[index].count > depth else { return }
    // The part after the cut keeps the number, by which texts and later segments know it.
    var upper = segments[index]
    upper.count = depth - upper.depth
    segments[index].firstRow += upper.count
    segments[index].count -= upper.count
    segments[index].depth = depth
    segments[index].parent = segments.count
    path[path.count - 1] = segments.count
    segments.append(upper)
  }

  /// What the attention of all rows reads, and of each text's pooled token.
  func sequences(causal: Bool) -> TokenSequences {
    let all = segments.map { segment in
      Sequence(
        queryRow: segment.firstRow, queryCount: segment.count,
        runs: runs(to: segment, count: segment.depth + segment.count))
    }
    let pooled = texts.map { text in
      // A token that is read before its segment's end sees less of it.
      let seen = runs(to: segments[text.end], count: causal ? text.pooled + 1 : .max)
      return TokenSequences.PooledToken(row: row(of: text.pooled, endingWith: text.end), runs: seen)
    }
    return TokenSequences(all: all, pooled: pooled)
  }

  /// The row of a position of the text that ends with a segment.
  private func row(of position: Int, endingWith end: Int) -> Int {
    var segment = segments[end]
    while segment.depth > position, let parent = segment.parent { segment = segments[parent] }
    return segment.firstRow + position - segment.depth
  }

  /// The first `count` rows from the beginning of texts to the end of a segment.
  private func runs(to end: Segment, count: Int) -> [KeyRun] {
    var runs: [KeyRun] = []
    var segment: Segment? = end
    while let this = segment {
      let seen = min(this.count, count - this.depth)
      if seen > 0 { runs.append(KeyRun(row: this.firstRow, count: seen)) }
      segment = this.parent.map { segments[$0] }
    }
    return runs.reversed()
  }
}
