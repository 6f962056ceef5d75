import Testing

@testable import SwiftCLIP

@Suite("Texts that share their beginnings")
struct TokenTreeTests {
  private func tree(_ texts: [[Int32]], pooled: [Int]? = nil, shares: Bool = true) -> TokenTree {
    var tree = TokenTree()
    for (index, text) in texts.enumerated() {
      tree.append(text, pooled: pooled?[index] ?? text.count - 1, shares: shares)
    }
    return tree
  }

  /// What a row's attention sees, as tokens.
  private func seen(_ tree: TokenTree, _ runs: [(row: Int, count: Int)]) -> [Int32] {
    runs.flatMap { run in tree.rows[run.row..<run.row + run.count].map(\.token) }
  }

  /// Every text's pooled token must see its text from the beginning, and every row what stands before it.
  private func check(_ texts: [[Int32]], pooled: [Int]? = nil, rows: Int) {
    let tree = tree(texts, pooled: pooled)
    #expect(tree.rows.count == rows)
    let sequences = tree.sequences(causal: true)
    for (index, text) in texts.enumerated() {
      let position = pooled?[index] ?? text.count - 1
      let token = sequences.pooled[index]
      #expect(seen(tree, token.runs.map { ($0.row, $0.count) }) == Array(text[...position]))
      #expect(tree.rows[token.row] == (text[position], position))
    }
    var computed = Set<Int>()
    for sequence in sequences.all {
      computed.formUnion(sequence.queryRow..<sequence.queryRow + sequence.queryCount)
      let keys = sequence.runs.flatMap { Array($0.row..<$0.row + $0.count) }
      #expect(keys.map { tree.rows[$0].position } == Array(0..<keys.count))
      #expect(
        Array(keys.suffix(sequence.queryCount))
          == Array(sequence.queryRow..<sequence.queryRow + sequence.queryCount))
    }
    #expect(computed == Set(0..<rows))
  }

  @Test("are computed once")
  func shared() {
    check([[1, 2, 3, 9]], rows: 4)
    check([[1, 2, 3, 9], [1, 2, 4, 9]], rows: 6)
    check([[1, 2, 3, 9], [1, 2, 3, 9], [1, 2, 3, 9]], rows: 4)
    check([[1, 2], [1, 2, 3], [1, 2, 3, 4]], rows: 4)
    check([[1, 2, 3, 4], [1, 2], [5]], rows: 5)
    // The second cuts the first's segment, the third cuts the piece before the cut.
    check([[1, 2, 3, 4, 5], [1, 2, 3, 6], [1, 7], [1, 7, 8]], rows: 8)
  }

  @Test("read at a token before their end")
  func pooledBefore() {
    check([[1, 2, 3, 4], [1, 2, 3, 5]], pooled: [1, 3], rows: 5)
  }

  @Test("any texts in order")
  func random() {
    var generator = SystemRandomNumberGenerator()
    for _ in 0..<200 {
      let texts = (0..<20).map { _ in
        (0..<Int.random(in: 1...6, using: &generator)).map { _ in Int32.random(in: 0...2, using: &generator) }
      }.sorted { $0.lexicographicallyPrecedes($1) }
      let distinct = Set(texts.flatMap { text in text.indices.map { Array(text[...$0]) } })
      check(texts, rows: distinct.count)
    }
  }

  @Test("do not where a later token can change an earlier one")
  func separate() {
    let texts: [[Int32]] = [[1, 2, 3], [1, 2, 3]]
    let tree = tree(texts, pooled: [0, 1], shares: false)
    #expect(tree.rows.count == 6)
    let pooled = tree.sequences(causal: false).pooled
    #expect(pooled.map(\.row) == [0, 4])
    #expect(pooled.map { $0.runs.map(\.count) } == [[3], [3]])
  }
}
