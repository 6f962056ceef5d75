import Testing

@testable import Kernels

/// BatchNorm with what stands around it, against plain references in float64.
@Suite("BatchNorm in training")
struct BatchNormTests {
  /// Pictures in dense maps, channels last.
  struct Case: Sendable, CustomTestStringConvertible {
    var count, side, channels: Int
    var testDescription: String { "\(count) × \(side)² × \(channels)" }
    var rows: Int { count * side * side }
    func map(_ seed: UInt64, mean: Float = 0) -> Matrix {
      var random = Random(seed)
      return Matrix(rows, channels, gap: 0) { _, channel in
        random.float() + mean * Float(channel % 5 - 2)
      }
    }
    func half(_ seed: UInt64) -> Matrix { Matrix(rows / 4, channels, gap: 0, seed: seed) }
  }

  static let cases = [
    Case(count: 1, side: 2, channels: 1), Case(count: 3, side: 2, channels: 7),
    Case(count: 2, side: 4, channels: 8), Case(count: 5, side: 6, channels: 20),
    Case(count: 3, side: 10, channels: 33), Case(count: 4, side: 32, channels: 40),
    Case(count: 2, side: 4, channels: 1030),
  ]

  static func norm(_ channels: Int, seed: UInt64) -> (norm: ChannelNorm, values: Matrix) {
    let values = Matrix(3, channels, gap: 0, seed: seed)
    return (ChannelNorm(values.view), values)
  }

  static func normed(_ x: Float, _ norm: Matrix, _ channel: Int) -> Double {
    (Double(x) - Double(norm[0, channel])) * Double(norm[1, channel]) + Double(norm[2, channel])
  }

  @Test("moments", arguments: InstructionSet.allCases, cases)
  func moments(_ set: InstructionSet, _ test: Case) throws {
    let compute = try compute(set)
    // Means far from zero must not take the digits of the variance.
    let x = test.map(1, mean: 50)
    let result = Matrix(2, test.channels, gap: 0)
    try compute.moments(x.view, means: result.memory, variances: result.memory + test.channels)
    for channel in 0..<test.channels {
      let column = (0..<test.rows).map { Double(x[$0, channel]) }
      let mean = column.reduce(0, +) / Double(test.rows)
      let variance = column.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / Double(test.rows)
      #expect(abs(Double(result[0, channel]) - mean) < 1e-5)
      #expect(abs(Double(result[1, channel]) - variance) < 3e-6)
    }
  }

  @Test("ReLU, sums and pools", arguments: InstructionSet.allCases, cases)
  func forward(_ set: InstructionSet, _ test: Case) throws {
    let compute = try compute(set)
    let (x, shortcut) = (test.map(1), test.map(2))
    let ((norm, values), (other, otherValues)) = (
      Self.norm(test.channels, seed: 3), Self.norm(test.channels, seed: 4)
    )
    let (plain, sum, normedSum) = (test.map(5), test.map(5), test.map(5))
    compute.rectify(x.view, norm, into: plain.view)
    compute.rectifySum(x.view, norm, shortcut.view, nil, into: sum.view)
    compute.rectifySum(x.view, norm, shortcut.view, other, into: normedSum.view)
    let (pooled, pooledPlain) = (test.half(6), test.half(6))
    compute.halve(x.view, side: test.side, norm, into: pooled.view)
    compute.halve(x.view, side: test.side, nil, into: pooledPlain.view)
    var worst = 0.0
    for row in 0..<test.rows {
      for channel in 0..<test.channels {
        let value = Self.normed(x[row, channel], values, channel)
        let added = Double(shortcut[row, channel])
        let normedAdded = Self.normed(shortcut[row, channel], otherValues, channel)
        worst = max(
          worst, abs(Double(plain[row, channel]) - max(0, value)),
          abs(Double(sum[row, channel]) - max(0, value + added)),
          abs(Double(normedSum[row, channel]) - max(0, value + normedAdded)))
      }
    }
    forEachTile(test) { tile, rows in
      for channel in 0..<test.channels {
        let values = rows.map { max(0, Self.normed(x[$0, channel], values, channel)) }
        let mean = rows.reduce(0) { $0 + Double(x[$1, channel]) } / 4
        worst = max(
          worst, abs(Double(pooled[tile, channel]) - values.reduce(0, +) / 4),
          abs(Double(pooledPlain[tile, channel]) - mean))
      }
    }
    #expect(worst < 1e-6)
  }

  /// Each tile of 2 × 2 pixels and its pixels.
  private func forEachTile(_ test: Case, _ body: (_ tile: Int, _ rows: [Int]) -> Void) {
    let half = test.side / 2
    for tile in 0..<test.rows / 4 {
      let first = tile / half * 2 * test.side + tile % half * 2
      body(tile, [first, first + 1, first + test.side, first + test.side + 1])
    }
  }

  @Test("way back through ReLU, pooled or not", arguments: InstructionSet.allCases, cases)
  func rectified(_ set: InstructionSet, _ test: Case) throws {
    let compute = try compute(set)
    for isPooled in [false, true] {
      let (x, original) = (test.map(1), test.map(1))
      let (norm, values) = Self.norm(test.channels, seed: 2)
      let dy = isPooled ? test.half(3) : test.map(3)
      let (sums, offsets) = (Matrix(2, test.channels, gap: 0), Matrix(2, test.channels, gap: 0, seed: 4))
      var gradients = [[Double]](
        repeating: [Double](repeating: 0, count: test.channels), count: test.rows)
      func set(_ row: Int, _ gradientRow: Int, _ share: Double) {
        for channel in 0..<test.channels where Self.normed(x[row, channel], values, channel) > 0 {
          gradients[row][channel] = Double(dy[gradientRow, channel]) * share
        }
      }
      if isPooled {
        forEachTile(test) { tile, rows in for row in rows { set(row, tile, 0.25) } }
      } else {
        for row in 0..<test.rows { set(row, row, 1) }
      }
      try compute.rectifiedSums(x.view, side: test.side, norm, dy.view, into: NormSums(sums.view))
      compute.rectifiedGradient(
        inPlace: x.view, side: test.side, norm, dy.view, NormOffsets(offsets.view))
      check(original, x, values, gradients, sums, offsets, row: 0)
    }
  }

  /// Sums and the gradient in the place of x, of which the gradients of norm(x) are given.
  private func check(
    _ original: Matrix, _ x: Matrix, _ norm: Matrix, _ gradients: [[Double]], _ sums: Matrix,
    _ offsets: Matrix?, row first: Int
  ) {
    var (sumError, error) = (Error(), 0.0)
    for channel in 0..<x.columns {
      var (sum, product, terms, productTerms) = (0.0, 0.0, 0.0, 0.0)
      for row in 0..<x.rows {
        let (g, d) = (gradients[row][channel], Double(original[row, channel]) - Double(norm[0, channel]))
        sum += g
        product += g * d
        terms += abs(g)
        productTerms += abs(g * d)
        guard let offsets else { continue }
        let dx =
          (g - Double(offsets[0, channel]) - d * Double(offsets[1, channel])) * Double(norm[1, channel])
        error = max(error, abs(Double(x[row, channel]) - dx))
      }
      sumError.add(sums[first, channel], sum, terms: max(terms, 1e-3))
      sumError.add(sums[first + 1, channel], product, terms: max(productTerms, 1e-3))
    }
    #expect(sumError.greatest < 1e-6)
    #expect(error < 2e-6)
  }

  @Test("way back through the end of a block", arguments: InstructionSet.allCases, cases)
  func joined(_ set: InstructionSet, _ test: Case) throws {
    let compute = try compute(set)
    let (x, original, shortcut, y) = (test.map(1), test.map(1), test.map(2), test.map(3))
    // Zero is not above zero.
    y.memory[0] = 0
    let ((norm, values), (other, otherValues)) = (
      Self.norm(test.channels, seed: 4), Self.norm(test.channels, seed: 5)
    )
    let (dy, dyAlone, given) = (test.map(6), test.map(6), test.map(6))
    let (sums, alone) = (Matrix(4, test.channels, gap: 0), Matrix(2, test.channels, gap: 0))
    let offsets = Matrix(2, test.channels, gap: 0, seed: 7)
    try compute.joinedSums(
      output: y.view, inPlace: dy.view, x.view, norm, into: NormSums(sums.view.rows(0..<2)),
      shortcut: shortcut.view, other, into: NormSums(sums.view.rows(2..<4)))
    try compute.joinedSums(output: y.view, inPlace: dyAlone.view, x.view, norm, into: NormSums(alone.view))
    compute.normGradient(inPlace: x.view, norm, dy.view, NormOffsets(offsets.view))
    let gradients = (0..<test.rows).map { row in
      (0..<test.channels).map { y[row, $0] > 0 ? Double(given[row, $0]) : 0 }
    }
    for row in 0..<test.rows {
      #expect((0..<test.channels).allSatisfy { Double(dy[row, $0]) == gradients[row][$0] })
      #expect(dy.bits(row) == dyAlone.bits(row))
    }
    #expect(sums.bits(0) == alone.bits(0) && sums.bits(1) == alone.bits(1))
    check(original, x, values, gradients, sums, offsets, row: 0)
    check(shortcut, shortcut, otherValues, gradients, sums, nil, row: 2)
  }

  @Test("way back through a pool", arguments: InstructionSet.allCases, cases)
  func unpool(_ set: InstructionSet, _ test: Case) throws {
    let compute = try compute(set)
    let (dy, dx, before) = (test.half(1), test.map(2), test.map(2))
    compute.addHalvingGradient(dy.view, side: test.side, to: dx.view)
    forEachTile(test) { tile, rows in
      for row in rows {
        for channel in 0..<test.channels {
          let expected = Double(before[row, channel]) + Double(dy[tile, channel]) / 4
          #expect(abs(Double(dx[row, channel]) - expected) < 2e-7)
        }
      }
    }
  }

  @Test("threads change no bit", arguments: InstructionSet.allCases)
  func bits(_ set: InstructionSet) throws {
    let test = Case(count: 7, side: 32, channels: 24)
    func results(_ threads: Int) throws -> [[UInt32]] {
      let compute = try compute(set, threads: threads)
      let (x, dy) = (test.map(1), test.map(2))
      let (norm, _) = Self.norm(test.channels, seed: 3)
      let (moments, sums) = (Matrix(2, test.channels, gap: 0), Matrix(2, test.channels, gap: 0))
      try compute.moments(x.view, means: moments.memory, variances: moments.memory + test.channels)
      try compute.rectifiedSums(x.view, side: test.side, norm, dy.view, into: NormSums(sums.view))
      return [moments.bits(0), moments.bits(1), sums.bits(0), sums.bits(1)]
    }
    let alone = try results(1)
    for threads in [2, 3, 5] { #expect(try results(threads) == alone) }
  }
}
