import Kernels

/// Texts that share their beginnings, as a tree of tokens: a causal Transformer gives the same activations to the
/// same beginning, so each is computed once. "a photo of a cat" and "a photo of a dog" have six tokens before they
/// part, and two or three each after.
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
  /// The segment with which each text ends.
  private var ends: [Int] = []

  /// A token and its position for each row.
  private(set) var rows: [(token: Int32, position: Int)] = []

  /// Adds a text. Texts in lexicographic order share all they can; in another order fewer rows are shared.
  mutating func append(_ tokens: some Collection<Int32>) {
    var shared = 0
    for (old, new) in zip(last, tokens) {
      guard old == new else { break }
      shared += 1
    }
    keepPath(upTo: shared)
    if tokens.count > shared {
      let segment = Segment(
        firstRow: rows.count, count: tokens.count - shared, depth: shared, parent: path.last)
      for (offset, token) in tokens.dropFirst(shared).enumerated() { rows.append((token, shared + offset)) }
      path.append(segments.count)
      segments.append(segment)
    }
    last = Array(tokens)
    ends.append(path[path.count - 1])
  }

  /// Leaves the path at a depth, and cuts the segment there if the depth lies within it.
  private mutating func keepPath(upTo depth: Int) {
    while let index = path.last, segments[index].depth >= depth { path.removeLast() }
    guard let index = path.last, segments[index].depth + segments[index].count > depth else { return }
    // The rest keeps the number, which texts and segments after it know.
    let kept = depth - segments[index].depth
    var upper = segments[index]
    upper.count = kept
    segments[index].firstRow += kept
    segments[index].count -= kept
    segments[index].depth = depth
    segments[index].parent = segments.count
    path[path.count - 1] = segments.count
    segments.append(upper)
  }

  /// What the attention of all rows reads.
  var sequences: [Sequence] {
    segments.map { Sequence(queryRow: $0.firstRow, queryCount: $0.count, runs: runs(to: $0)) }
  }

  /// The last token of each text, and all tokens before it.
  var endings: [Ending] {
    ends.map { index in
      let segment = segments[index]
      return Ending(row: segment.firstRow + segment.count - 1, runs: runs(to: segment))
    }
  }

  struct Ending {
    let row: Int
    let runs: [KeyRun]
  }

  /// The rows from the beginning to the end of a segment.
  private func runs(to segment: Segment) -> [KeyRun] {
    var runs = [KeyRun(row: segment.firstRow, count: segment.count)]
    var parent = segment.parent
    while let index = parent {
      runs.append(KeyRun(row: segments[index].firstRow, count: segments[index].count))
      parent = segments[index].parent
    }
    return runs.reversed()
  }
}
