import Testing

@testable import Kernels

@Suite("Products of halves")
struct StrassenTests {
  struct Case: CustomTestStringConvertible {
    var set: InstructionSet
    var inputs, outputs: Int
    var sequences: [Int]
    var testDescription: String { "\(set.name), K=\(inputs) N=\(outputs), sequences of \(sequences)" }
  }

  static let cases = InstructionSet.allCases.flatMap { set in
    [
      (256, 256, [1]), (256, 320, [2, 1, 3]), (258, 256, [7]), (300, 384, [50, 49]), (770, 256, [5, 0, 13]),
      (1090, 256, [29, 31]), (256, 256, [600]), (3072, 768, [97]),
    ].map { Case(set: set, inputs: $0.0, outputs: $0.1, sequences: $0.2) }
  }

  private func product(
    _ compute: Compute, _ packed: PackedWeights, _ x: Matrix, _ rows: Range<Int>, _ sequences: [Int],
    residual: Matrix? = nil
  ) throws -> Matrix {
    let y = residual?.copy() ?? Matrix(rows.count, packed.outputs)
    let pairs = try #require(RowPairs(sequences: sequences))
    try compute.linear(
      x.view.rows(rows), packed, into: y.view,
      .init(activation: .quickGELU, residual: residual == nil ? nil : y.view), pairs: pairs)
    return y
  }

  @Test("agree with float64, in place too", arguments: cases)
  func agrees(_ test: Case) throws {
    let compute = try compute(test.set)
    let rows = test.sequences.reduce(0, +)
    let w = Matrix(test.inputs, test.outputs, seed: 1)
    var random = Random(2)
    let bias = (0..<test.outputs).map { _ in random.float() }
    let packed = try compute.pack(w, bias: bias)
    #expect(compute.fitsStrassen(packed))
    let x = Matrix(rows, test.inputs, seed: 3)
    let residual = Matrix(rows, test.outputs, seed: 4)
    let y = try product(compute, packed, x, 0..<rows, test.sequences, residual: residual)
    var error = Error()
    for row in stride(from: 0, to: rows, by: rows / 20 + 1) {
      for column in stride(from: row % 5, to: test.outputs, by: 5) {
        let (value, terms) = LinearTests.reference(x, w, bias, row, column, .quickGELU, residual: residual)
        error.add(y[row, column], value, terms: terms)
      }
    }
    #expect(error.greatest < 1e-6)
    #expect(y.gapsAreUntouched)
  }

  @Test("give a sequence the same bits in any company", arguments: InstructionSet.allCases)
  func bits(_ set: InstructionSet) throws {
    let lengths = [50, 7, 1, 197, 50, 2]
    let w = Matrix(512, 256, seed: 1)
    let x = Matrix(lengths.reduce(0, +), 512, seed: 2)
    let one = try compute(set, threads: 1)
    let reference = try product(one, one.pack(w), x, 0..<x.rows, lengths)
    for threads in [1, 2, 3, 5] {
      let compute = try compute(set, threads: threads)
      let packed = try compute.pack(w)
      for chosen in [0..<1, 2..<3, 1..<4, 3..<4, 4..<6, 0..<6] {
        let start = lengths[..<chosen.lowerBound].reduce(0, +)
        let counts = Array(lengths[chosen])
        let y = try product(compute, packed, x, start..<start + counts.reduce(0, +), counts)
        #expect((0..<y.rows).allSatisfy { y.bits($0) == reference.bits(start + $0) }, "\(chosen), \(threads)")
      }
    }
  }

  @Test("are left out where they do not fit, or ascending order was asked for")
  func leftOut() throws {
    let set = InstructionSet.best
    let (plain, exact) = (try compute(set), try compute(set, exactOrder: true))
    for (inputs, outputs) in [(255, 256), (256, 250), (128, 1024)] {
      #expect(!plain.fitsStrassen(try plain.pack(Matrix(inputs, outputs, seed: 1))))
    }
    let w = Matrix(256, 256, seed: 1)
    let x = Matrix(20, 256, seed: 2)
    #expect(!exact.fitsStrassen(try exact.pack(w)))
    let packed = try exact.pack(w)
    let (paired, single) = (Matrix(20, 256), Matrix(20, 256))
    try exact.linear(x.view, packed, into: paired.view, pairs: RowPairs(sequences: [20]))
    try exact.linear(x.view, packed, into: single.view)
    #expect((0..<20).allSatisfy { paired.bits($0) == single.bits($0) })
  }

  @Test("pair rows within their sequence")
  func pairs() throws {
    let pairs = try #require(RowPairs(sequences: [3, 0, 2, 1]))
    #expect(pairs.upper == [0, 1, 3, 5])
    #expect(pairs.lower == [2, -1, 4, -1])
    #expect(RowPairs(sequences: [-1]) == nil)
    #expect(RowPairs(sequences: [1, Int.max]) == nil)
    #expect(RowPairs(sequences: [1 << 40]) == nil)
  }
}
