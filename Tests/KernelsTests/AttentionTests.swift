import Glibc
import Kernels
import Testing

@Suite("Attention")
struct AttentionTests {
  struct Shape: CustomTestStringConvertible {
    var heads, width: Int
    var sequences: [(queries: Int, keys: Int)]
    var causal: Bool
    var testDescription: String { "\(heads)×\(width), \(sequences), causal \(causal)" }
  }

  static let shapes = [
    Shape(heads: 1, width: 1, sequences: [(1, 1)], causal: false),
    Shape(heads: 2, width: 64, sequences: [(50, 50), (50, 50), (50, 50)], causal: false),
    Shape(heads: 2, width: 64, sequences: [(1, 50), (1, 50)], causal: false),
    Shape(
      heads: 3, width: 20, sequences: [(7, 7), (1, 1), (33, 33), (77, 77), (16, 16), (17, 17)], causal: true),
    Shape(heads: 3, width: 33, sequences: [(1, 9), (4, 9), (40, 77)], causal: true),
    Shape(heads: 1, width: 80, sequences: [(197, 197)], causal: false),
    Shape(heads: 1, width: 64, sequences: [(577, 577)], causal: false),
    Shape(heads: 1, width: 48, sequences: [(300, 300)], causal: true),
  ]

  /// Queries, keys and values as column views of one matrix where every sequence has a query for each key.
  struct Problem {
    let q, k, v, out: Matrix
    let sequences: [Sequence]
    let scale: Float

    init(_ shape: Shape, seed: UInt64 = 1) {
      var (queryRow, keyRow) = (0, 0)
      var sequences: [Sequence] = []
      for (queries, keys) in shape.sequences {
        sequences.append(Sequence(queryRow: queryRow, queryCount: queries, keyRow: keyRow, keyCount: keys))
        queryRow += queries
        keyRow += keys
      }
      self.sequences = sequences
      let columns = shape.heads * shape.width
      q = Matrix(queryRow, columns, seed: seed, scale: 3)
      k = Matrix(keyRow, columns, gap: 5, seed: seed + 1, scale: 3)
      v = Matrix(keyRow, columns, gap: 1, seed: seed + 2)
      out = Matrix(queryRow, columns)
      scale = 1 / Float(shape.width).squareRoot()
    }

    func run(_ compute: Compute, _ shape: Shape) throws {
      try compute.attention(
        q: q.view, k: k.view, v: v.view, into: out.view, sequences: sequences, heads: shape.heads,
        headWidth: shape.width, scale: scale, causal: shape.causal)
    }

    /// One output row of a head in float64.
    func reference(_ sequence: Sequence, _ query: Int, _ head: Int, _ shape: Shape) -> [Double] {
      let columns = head * shape.width..<(head + 1) * shape.width
      let keyRow = sequence.runs[0].row
      let seen = shape.causal ? sequence.keyCount - sequence.queryCount + query + 1 : sequence.keyCount
      let scores = (0..<seen).map { key in
        let dot = columns.reduce(0.0) {
          $0 + Double(q[sequence.queryRow + query, $1]) * Double(k[keyRow + key, $1])
        }
        return Double(scale) * dot
      }
      let greatest = scores.max() ?? 0
      let weights = scores.map { exp($0 - greatest) }
      let total = weights.reduce(0, +)
      return columns.map { column in
        (0..<seen).reduce(0.0) { $0 + weights[$1] * Double(v[keyRow + $1, column]) } / total
      }
    }
  }

  @Test("agrees with float64", arguments: InstructionSet.allCases, shapes)
  func agrees(_ set: InstructionSet, _ shape: Shape) throws {
    let compute = try compute(set)
    let problem = Problem(shape)
    try problem.run(compute, shape)
    var error = Error()
    for sequence in problem.sequences {
      let step = max(1, sequence.queryCount / 40)
      for query in stride(from: 0, to: sequence.queryCount, by: step) {
        for head in 0..<shape.heads {
          for (column, value) in problem.reference(sequence, query, head, shape).enumerated() {
            error.add(problem.out[sequence.queryRow + query, head * shape.width + column], value, terms: 1)
          }
        }
      }
    }
    #expect(error.greatest < 2e-6)
    #expect(problem.out.gapsAreUntouched)
  }

  @Test(
    "a row has the same bits alone, in any batch, chunk and number of threads",
    arguments: InstructionSet.allCases)
  func bits(_ set: InstructionSet) throws {
    for causal in [false, true] {
      let shape = Shape(heads: 2, width: 40, sequences: [(60, 60), (13, 13), (31, 31)], causal: causal)
      let problem = Problem(shape)
      try problem.run(compute(set, threads: 1), shape)
      let reference = problem.out.copy()
      for threads in [2, 3, 7] {
        let compute = try compute(set, threads: threads)
        try problem.run(compute, shape)
        for row in 0..<problem.out.rows { #expect(problem.out.bits(row) == reference.bits(row)) }
        // Each sequence alone; causal: its first queries with just the keys they see. Else single queries.
        for sequence in problem.sequences {
          for query in 0..<sequence.queryCount {
            let alone = Sequence(
              queryRow: sequence.queryRow + query, queryCount: 1, keyRow: sequence.runs[0].row,
              keyCount: causal ? query + 1 : sequence.keyCount)
            try compute.attention(
              q: problem.q.view, k: problem.k.view, v: problem.v.view, into: problem.out.view,
              sequences: [alone], heads: 2, headWidth: 40, scale: problem.scale, causal: causal)
            #expect(problem.out.bits(alone.queryRow) == reference.bits(alone.queryRow))
          }
        }
      }
    }
  }

  @Test("reads keys in runs to the same bits", arguments: InstructionSet.allCases)
  func runs(_ set: InstructionSet) throws {
    let compute = try compute(set)
    let shape = Shape(heads: 2, width: 40, sequences: [(40, 40)], causal: true)
    let problem = Problem(shape)
    try problem.run(compute, shape)
    let reference = problem.out.copy()
    // The first queries as a sequence of their own, the rest with the keys of both.
    for cuts in [[1], [39], [3, 17], [5, 6, 7, 30]] {
      let edges = [0] + cuts + [40]
      let parts = zip(edges, edges.dropFirst()).map { KeyRun(row: $0, count: $1 - $0) }
      let sequences = parts.indices.map {
        Sequence(queryRow: parts[$0].row, queryCount: parts[$0].count, runs: Array(parts[...$0]))
      }
      let out = Matrix(40, 80)
      try compute.attention(
        q: problem.q.view, k: problem.k.view, v: problem.v.view, into: out.view, sequences: sequences,
        heads: 2, headWidth: 40, scale: problem.scale, causal: true)
      for row in 0..<40 { #expect(out.bits(row) == reference.bits(row), "\(cuts)") }
    }
  }

  @Test("what a causal query does not see cannot touch it, not even NaN", arguments: InstructionSet.allCases)
  func maskedNaN(_ set: InstructionSet) throws {
    let compute = try compute(set)
    let shape = Shape(heads: 1, width: 32, sequences: [(40, 40)], causal: true)
    let problem = Problem(shape)
    try problem.run(compute, shape)
    let clean = problem.out.copy()
    for first in [1, 5, 17, 39] {
      let spoiled = Problem(shape)
      for column in 0..<32 {
        spoiled.k.memory[first * spoiled.k.stride + column] = .nan
        spoiled.v.memory[first * spoiled.v.stride + column] = .infinity
      }
      try spoiled.run(compute, shape)
      for row in 0..<first { #expect(spoiled.out.bits(row) == clean.bits(row)) }
      for row in first..<40 { #expect(spoiled.out[row, 0].isNaN) }
    }
  }

  @Test("scores far apart do not overflow", arguments: InstructionSet.allCases)
  func extremes(_ set: InstructionSet) throws {
    let compute = try compute(set)
    let q = Matrix(1, 1) { _, _ in 1000 }
    let k = Matrix(3, 1) { key, _ in [-1000, 1000, 999][key] }
    let v = Matrix(3, 1) { key, _ in [5, 7, 11][key] }
    let out = Matrix(1, 1)
    try compute.attention(
      q: q.view, k: k.view, v: v.view, into: out.view,
      sequences: [Sequence(queryRow: 0, queryCount: 1, keyRow: 0, keyCount: 3)], heads: 1, headWidth: 1,
      scale: 1,
      causal: false)
    #expect(out[0, 0] == 7)
  }
}
