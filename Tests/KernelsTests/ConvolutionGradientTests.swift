import Kernels
import Testing

@Suite("Gradients of convolutions")
struct ConvolutionGradientTests {
  typealias Case = ConvolutionTests.Case

  static let cases = [
    Case(side: 5, channels: 3, outputs: 7), Case(count: 3, side: 8, channels: 3, outputs: 20, stride: 2),
    Case(count: 1, side: 1, channels: 1, outputs: 1), Case(side: 9, channels: 5, outputs: 6, kernel: 5),
    Case(count: 9, side: 32, channels: 3, outputs: 8, stride: 2),
    Case(count: 6, side: 32, channels: 12, outputs: 12),
  ]
  /// For Winograd's algorithm: every remainder of sides, channels and outputs, and more tiles than one turn has.
  static let wide =
    (1...9).map { Case(side: $0, channels: 16, outputs: 16) }
    + (17...31).map { Case(count: 3, side: 5, channels: $0, outputs: 50 - $0) }
    + [
      Case(count: 9, side: 40, channels: 16, outputs: 24),
      Case(count: 3, side: 4, channels: 150, outputs: 130),
    ]

  /// dW, added to what was there. Plain sums have errors relative to the terms that each adds up. Winograd's algorithm
  /// mixes those of all taps, and its error is about twice that of the plain sum: there it is relative to what a weight
  /// adds up on average.
  func check(_ compute: Compute, _ test: Case, byWinograd: Bool = false) throws {
    let x = Matrix(test.count * test.side * test.side, test.channels, gap: 0, seed: 1)
    let dY = Matrix(test.rows, test.outputs, gap: 0, seed: 2)
    let taps = test.kernel * test.kernel
    let dW = Matrix(test.outputs, test.channels * taps, gap: 0, seed: 3)
    let before = dW.copy()
    try compute.convolutionGradient(
      dY.view, Pictures(x.view, side: test.side), test.window, into: dW.memory)
    var (plain, error, size, count) = (Error(), 0.0, 0.0, 0.0)
    let weights = test.outputs * test.channels * taps
    for index in stride(from: 0, to: weights, by: max(1, weights * test.rows / 3_000_000) | 1) {
      let (output, channel, tap) = (
        index / (test.channels * taps), index / taps % test.channels, index % taps
      )
      var (sum, terms) = (Double(before[output, channel * taps + tap]), 0.0)
      for row in 0..<test.rows {
        let (picture, place) = row.quotientAndRemainder(dividingBy: test.outputSide * test.outputSide)
        let line = place / test.outputSide * test.stride + tap / test.kernel - test.padding
        let column = place % test.outputSide * test.stride + tap % test.kernel - test.padding
        guard (0..<test.side).contains(line), (0..<test.side).contains(column) else { continue }
        let pixel = (picture * test.side + line) * test.side + column
        let term = Double(x[pixel, channel]) * Double(dY[row, output])
        sum += term
        terms += abs(term)
      }
      plain.add(dW[output, channel * taps + tap], sum, terms: max(terms, 1))
      error = max(error, abs(Double(dW[output, channel * taps + tap]) - sum))
      (size, count) = (size + terms + abs(Double(before[output, channel * taps + tap])), count + 1)
    }
    #expect(byWinograd ? error < 2e-6 * size / count : plain.greatest < 1e-6)
  }

  @Test("agree with float64", arguments: InstructionSet.allCases, cases)
  func agrees(_ set: InstructionSet, _ test: Case) throws { try check(compute(set), test) }

  @Test("by Winograd's algorithm agree with float64", arguments: InstructionSet.allCases, wide)
  func winograd(_ set: InstructionSet, _ test: Case) throws {
    try check(compute(set), test, byWinograd: true)
  }

  @Test("in ascending order agree with float64", arguments: InstructionSet.allCases, wide)
  func inOrder(_ set: InstructionSet, _ test: Case) throws {
    try check(compute(set, exactOrder: true), test)
  }

  @Test("of one pixel agree with float64", arguments: InstructionSet.allCases, [50, 1000, 9000])
  func tall(_ set: InstructionSet, _ rows: Int) throws {
    let compute = try compute(set)
    for (outputs, columns) in [(1, 1), (13, 40), (64, 18)] {
      let (dY, x) = (Matrix(rows, outputs, seed: 1), Matrix(rows, columns, seed: 2))
      let dW = Matrix(outputs, columns, gap: 0, seed: 3)
      let before = dW.copy()
      try compute.tallWeightGradient(dY.view, x.view, into: dW.memory)
      var error = Error()
      for output in 0..<outputs {
        for column in 0..<columns {
          let terms = (0..<rows).map { Double(dY[$0, output]) * Double(x[$0, column]) }
          error.add(
            dW[output, column], terms.reduce(Double(before[output, column]), +),
            terms: terms.reduce(0) { $0 + abs($1) })
        }
      }
      #expect(error.greatest < 1e-6)
    }
  }

  @Test("threads change no bit", arguments: InstructionSet.allCases)
  func bits(_ set: InstructionSet) throws {
    func results(_ threads: Int) throws -> [[UInt32]] {
      let compute = try compute(set, threads: threads)
      return try [
        Case(count: 9, side: 32, channels: 12, outputs: 12),
        Case(count: 9, side: 40, channels: 16, outputs: 24),
      ]
      .map { test in
        let x = Matrix(test.count * test.side * test.side, test.channels, gap: 0, seed: 1)
        let dW = Matrix(1, test.outputs * test.channels * 9, gap: 0) { _, _ in 0 }
        try compute.convolutionGradient(
          Matrix(test.rows, test.outputs, gap: 0, seed: 2).view, Pictures(x.view, side: test.side),
          test.window,
          into: dW.memory)
        return dW.bits(0)
      }
    }
    let alone = try results(1)
    for threads in [2, 3, 5] { #expect(try results(threads) == alone) }
  }
}
