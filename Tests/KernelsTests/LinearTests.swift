import Kernels
import Testing

@Suite("Products")
struct LinearTests {
  /// activation(x·W + b) + residual in float64, and the sum of the terms' sizes.
  static func reference(
    _ x: Matrix, _ w: Matrix, _ bias: [Float], _ row: Int, _ column: Int,
    _ activation: Epilogue.Activation = .none, residual: Matrix? = nil
  ) -> (value: Double, terms: Double) {
    var (sum, terms) = (Double(bias[column]), abs(Double(bias[column])))
    for k in 0..<w.rows {
      let term = Double(x[row, k]) * Double(w[k, column])
      sum += term
      terms += abs(term)
    }
    let activated = ActivationTests.reference(sum, activation)
    let old = residual.map { Double($0[row, column]) } ?? 0
    return (activation == .relu ? max(0, sum + old) : activated + old, terms + abs(old))
  }

  struct Case: CustomTestStringConvertible {
    var set: InstructionSet
    var inputs, outputs: Int
    var backend = Backend.own
    var testDescription: String { "\(set.name), \(backend), K=\(inputs) N=\(outputs)" }
  }

  static let cases =
    InstructionSet.allCases.flatMap { set in
      [(1, 1), (2, 5), (3, 33), (7, 16), (17, 31), (64, 32), (100, 65), (389, 129), (769, 40), (1541, 19)].map
      {
        Case(set: set, inputs: $0.0, outputs: $0.1)
      }
    } + [Case(set: .portable, inputs: 100, outputs: 65, backend: .openBLAS)]

  @Test("agrees with float64 for every remainder of M, odd K and N", arguments: cases)
  func agrees(_ test: Case) throws {
    let compute = try compute(test.set, backend: test.backend)
    let w = Matrix(test.inputs, test.outputs, seed: 1)
    var random = Random(2)
    let bias = (0..<test.outputs).map { _ in random.float() }
    let packed = try compute.pack(w, bias: bias)
    let all = Matrix(40, test.inputs, seed: 3)
    for rows in 1...40 where test.inputs < 300 || [1, 2, 5, 6, 7, 13, 40].contains(rows) {
      let y = Matrix(rows, test.outputs)
      try compute.linear(all.view.rows(0..<rows), packed, into: y.view)
      var error = Error()
      for row in rows == 40 ? 0..<40 : rows - 1..<rows {
        for column in 0..<test.outputs {
          let (value, terms) = Self.reference(all, w, bias, row, column)
          error.add(y[row, column], value, terms: terms)
        }
      }
      #expect(error.greatest < 1e-6, "M = \(rows)")
      #expect(y.gapsAreUntouched, "M = \(rows)")
    }
  }

  @Test("agrees with float64 across row blocks and turns", arguments: InstructionSet.allCases)
  func large(_ set: InstructionSet) throws {
    let compute = try compute(set)
    let w = Matrix(3000, 70, seed: 1)
    let bias = [Float](repeating: 0.5, count: 70)
    let packed = try compute.pack(w, bias: bias)
    let x = Matrix(731, 3000, seed: 3)
    let y = Matrix(731, 70)
    try compute.linear(x.view, packed, into: y.view)
    var error = Error()
    for row in stride(from: 0, to: 731, by: 7) {
      for column in stride(from: row % 3, to: 70, by: 3) {
        let (value, terms) = Self.reference(x, w, bias, row, column)
        error.add(y[row, column], value, terms: terms)
      }
    }
    #expect(error.greatest < 1e-6)
  }

  @Test(
    "applies activation and residual, in place too", arguments: InstructionSet.allCases,
    [Epilogue.Activation.none, .quickGELU, .gelu, .relu])
  func epilogue(_ set: InstructionSet, _ activation: Epilogue.Activation) throws {
    let compute = try compute(set)
    // Two K blocks, so that sums wait while y still holds the residual.
    let (rows, inputs, outputs) = (23, 900, 45)
    let x = Matrix(rows, inputs, seed: 1)
    let w = Matrix(inputs, outputs, seed: 2, scale: 0.2)
    let bias = [Float](repeating: 0.25, count: outputs)
    let packed = try compute.pack(w, bias: bias)
    let residual = Matrix(rows, outputs, gap: 9, seed: 4)
    let apart = Matrix(rows, outputs)
    try compute.linear(
      x.view, packed, into: apart.view, .init(activation: activation, residual: residual.view))
    let inPlace = residual.copy()
    try compute.linear(
      x.view, packed, into: inPlace.view, .init(activation: activation, residual: inPlace.view))
    var error = Error()
    for row in 0..<rows {
      for column in 0..<outputs {
        let (value, terms) = Self.reference(x, w, bias, row, column, activation, residual: residual)
        error.add(apart[row, column], value, terms: terms)
      }
      #expect(apart.bits(row) == inPlace.bits(row))
    }
    #expect(error.greatest < 1e-6)
    #expect(inPlace.gapsAreUntouched)
  }

  @Test("OpenBLAS gives the same numbers, with every epilogue", arguments: [Epilogue.Activation.none, .gelu])
  func openBLAS(_ activation: Epilogue.Activation) throws {
    let own = try Compute(threads: 2)
    let blas = try Compute(threads: 2, backend: .openBLAS)
    let x = Matrix(300, 77, seed: 1)
    let w = Matrix(77, 133, seed: 2)
    let bias = [Float](repeating: -0.1, count: 133)
    let (mine, theirs) = (Matrix(300, 133, seed: 5), Matrix(300, 133, seed: 5))
    try own.linear(
      x.view, own.pack(w, bias: bias), into: mine.view, .init(activation: activation, residual: mine.view))
    try blas.linear(
      x.view, blas.pack(w, bias: bias), into: theirs.view,
      .init(activation: activation, residual: theirs.view))
    for row in 0..<300 {
      for column in 0..<133 { #expect(abs(mine[row, column] - theirs[row, column]) < 2e-5) }
    }
  }

  @Test("the instruction sets agree within 1e-5")
  func setsAgree() throws {
    let x = Matrix(50, 768, seed: 1)
    let w = Matrix(768, 200, seed: 2)
    let results = try InstructionSet.supported.map { set in
      let compute = try Compute(threads: 2, instructions: set)
      let y = Matrix(50, 200)
      try compute.linear(x.view, compute.pack(w), into: y.view, .init(activation: .quickGELU))
      return y
    }
    for other in results.dropFirst() {
      var (difference, size) = (0.0, 0.0)
      for row in 0..<50 {
        for column in 0..<200 {
          let (a, b) = (Double(results[0][row, column]), Double(other[row, column]))
          difference += (a - b) * (a - b)
          size += a * a
        }
      }
      #expect((difference / size).squareRoot() < 1e-6)
    }
  }

  @Test("empty matrices and no inputs", arguments: InstructionSet.allCases)
  func empty(_ set: InstructionSet) throws {
    let compute = try compute(set)
    let bias: [Float] = [1, -2, 3]
    let packed = try compute.pack(Matrix(0, 3), bias: bias)
    let y = Matrix(2, 3)
    try compute.linear(Matrix(2, 0).view, packed, into: y.view)
    #expect((0..<2).allSatisfy { row in (0..<3).allSatisfy { y[row, $0] == bias[$0] } })
    try compute.linear(Matrix(0, 0).view, packed, into: Matrix(0, 3).view)
    try compute.linear(Matrix(4, 5, seed: 1).view, compute.pack(Matrix(5, 0)), into: Matrix(4, 0).view)
  }

  @Test(
    "NaN and infinity reach the outputs that depend on them, and no others",
    arguments: InstructionSet.allCases)
  func nonFinite(_ set: InstructionSet) throws {
    let compute = try compute(set)
    let w = Matrix(50, 40, seed: 1)
    let packed = try compute.pack(w)
    let x = Matrix(13, 50, seed: 2)
    x.memory[4 * x.stride + 7] = .nan
    x.memory[9 * x.stride + 49] = .infinity
    for activation in [Epilogue.Activation.none, .quickGELU, .gelu, .relu] {
      let y = Matrix(13, 40)
      try compute.linear(x.view, packed, into: y.view, .init(activation: activation))
      for column in 0..<40 {
        #expect(y[4, column].isNaN)
        if activation == .none { #expect(y[9, column] == (w[49, column] > 0 ? .infinity : -.infinity)) }
        for row in [0, 3, 5, 8, 10, 12] { #expect(y[row, column].isFinite) }
      }
    }
  }

  @Test("denormals are kept, whatever mode the host set", arguments: InstructionSet.allCases, [1, 2])
  func denormals(_ set: InstructionSet, _ threads: Int) throws {
    let compute = try compute(set, threads: threads)
    let w = Matrix(1, 300) { _, _ in 1 }
    let x = Matrix(8, 1) { row, _ in Float(row + 1) * 0x1p-140 }
    let y = Matrix(8, 300)
    let packed = try compute.pack(w)
    try HostMode.flushingDenormals { try compute.linear(x.view, packed, into: y.view) }
    #expect((0..<8).allSatisfy { row in (0..<300).allSatisfy { y[row, $0] == Float(row + 1) * 0x1p-140 } })
  }
}
