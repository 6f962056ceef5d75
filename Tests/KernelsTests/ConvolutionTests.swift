import Kernels
import Testing

@Suite("Convolutions")
struct ConvolutionTests {
  /// A convolution of some pictures, channels last, with a plain reference in float64.
  struct Case: Sendable, CustomTestStringConvertible {
    var count = 2
    var side, channels, outputs: Int
    var kernel = 3
    var stride = 1
    var padding = 1
    var testDescription: String {
      "\(count) × \(side)², \(channels) → \(outputs), kernel \(kernel), stride \(stride), padding \(padding)"
    }

    var window: Window { Window(kernel: kernel, stride: stride, padding: padding) }
    var outputSide: Int { (side + 2 * padding - kernel) / stride + 1 }
    var rows: Int { count * outputSide * outputSide }
    var x: Matrix { Matrix(count * side * side, channels, seed: 1) }
    var w: Matrix { Matrix(kernel * kernel * channels, outputs, seed: 2) }
    var bias: [Float] { (0..<outputs).map { Float($0 % 7) / 8 } }

    /// The sum for a place and output, and the sum of the terms' sizes.
    func reference(_ x: Matrix, _ w: Matrix, row: Int, output: Int) -> (value: Double, terms: Double) {
      let (picture, place) = (row / (outputSide * outputSide), row % (outputSide * outputSide))
      var (sum, terms) = (Double(bias[output]), abs(Double(bias[output])))
      for dy in 0..<kernel {
        for dx in 0..<kernel {
          let y = place / outputSide * stride + dy - padding
          let column = place % outputSide * stride + dx - padding
          guard (0..<side).contains(y), (0..<side).contains(column) else { continue }
          for channel in 0..<channels {
            let term =
              Double(x[(picture * side + y) * side + column, channel])
              * Double(w[(dy * kernel + dx) * channels + channel, output])
            sum += term
            terms += abs(term)
          }
        }
      }
      return (sum, terms)
    }
  }

  static let cases =
    (1...9).map { Case(side: $0, channels: 3, outputs: 5) }
    + (2...9).map { Case(side: $0, channels: 3, outputs: 33, stride: 2) }
    + [
      Case(count: 1, side: 1, channels: 1, outputs: 1), Case(count: 3, side: 7, channels: 17, outputs: 64),
      Case(side: 14, channels: 100, outputs: 31), Case(side: 6, channels: 200, outputs: 19, stride: 2),
      Case(side: 9, channels: 4, outputs: 8, kernel: 5, stride: 3, padding: 2),
      Case(side: 8, channels: 6, outputs: 7, kernel: 2, stride: 2, padding: 0),
      Case(side: 5, channels: 6, outputs: 7, kernel: 1, padding: 0),
      Case(side: 4, channels: 2, outputs: 3, kernel: 3, padding: 4),
    ]
  /// 3 × 3 over enough channels for Winograd's algorithm: every remainder of sides, channels and outputs.
  static let wide =
    (1...9).map { Case(side: $0, channels: 16, outputs: 16) }
    + (17...31).map { Case(count: 3, side: 5, channels: $0, outputs: 50 - $0) }
    + [
      Case(count: 1, side: 56, channels: 64, outputs: 64),
      Case(count: 5, side: 28, channels: 40, outputs: 72),
      Case(count: 1, side: 3, channels: 1030, outputs: 17),
    ]

  /// Sums of every case, with ReLU and a residual.
  func check(_ compute: Compute, _ test: Case) throws {
    let (x, w) = (test.x, test.w)
    let packed = try compute.pack(w, bias: test.bias)
    let residual = Matrix(test.rows, test.outputs, gap: 5, seed: 4)
    let y = residual.copy()
    try compute.convolve(
      Pictures(x.view, side: test.side), test.window, packed, into: y.view,
      .init(activation: .relu, residual: y.view))
    var error = Error()
    for row in stride(from: 0, to: test.rows, by: test.rows / 60 + 1) {
      for output in stride(from: row % 2, to: test.outputs, by: test.channels < 50 ? 1 : 2) {
        let (sum, terms) = test.reference(x, w, row: row, output: output)
        let old = Double(residual[row, output])
        error.add(y[row, output], max(0, sum + old), terms: terms + abs(old))
      }
    }
    #expect(error.greatest < 1e-6)
    #expect(y.gapsAreUntouched)
  }

  @Test("agree with float64", arguments: InstructionSet.allCases, cases + wide)
  func agrees(_ set: InstructionSet, _ test: Case) throws {
    try check(compute(set), test)
  }

  @Test("in ascending order agree with float64", arguments: InstructionSet.allCases, wide)
  func inOrder(_ set: InstructionSet, _ test: Case) throws {
    try check(compute(set, exactOrder: true), test)
  }

  @Test("agree with float64 through OpenBLAS", arguments: cases + wide)
  func openBLAS(_ test: Case) throws {
    try check(Compute(threads: 2, backend: .openBLAS), test)
  }

  @Test("read planes as they read pixels, to the bit", arguments: InstructionSet.allCases, [1, 2])
  func planes(_ set: InstructionSet, _ stride: Int) throws {
    let compute = try compute(set)
    let test = Case(count: 3, side: 11, channels: 3, outputs: 20, stride: stride)
    let x = test.x
    let pixels = test.side * test.side
    let planes = (0..<test.count * 3 * pixels).map { index in
      x[index / (3 * pixels) * pixels + index % pixels, index / pixels % 3]
    }
    let packed = try compute.pack(test.w, bias: test.bias)
    let (fromPixels, fromPlanes) = (Matrix(test.rows, 20), Matrix(test.rows, 20))
    try compute.convolve(Pictures(x.view, side: test.side), test.window, packed, into: fromPixels.view)
    try planes.withUnsafeBufferPointer { planes in
      let pictures = Pictures(planes: planes.baseAddress!, count: test.count, channels: 3, side: test.side)
      try compute.convolve(pictures, test.window, packed, into: fromPlanes.view)
    }
    #expect((0..<test.rows).allSatisfy { fromPixels.bits($0) == fromPlanes.bits($0) })
  }

  @Test(
    "of a picture do not depend on the others, its position or the threads",
    arguments: InstructionSet.allCases, [false, true])
  func bits(_ set: InstructionSet, _ exactOrder: Bool) throws {
    // Two K blocks, and enough pictures for several row blocks.
    let all = Case(count: 9, side: 7, channels: 100, outputs: 40)
    let places = 49
    let (x, w) = (all.x, all.w)
    func result(_ compute: Compute, _ pictures: Range<Int>) throws -> Matrix {
      let y = Matrix(pictures.count * places, 40)
      let rows = x.view.rows(pictures.lowerBound * places..<pictures.upperBound * places)
      try compute.convolve(
        Pictures(rows, side: 7), all.window, compute.pack(w, bias: all.bias), into: y.view)
      return y
    }
    let reference = try result(compute(set, threads: 1, exactOrder: exactOrder), 0..<9)
    for threads in [1, 2, 3, 5] {
      let compute = try compute(set, threads: threads, exactOrder: exactOrder)
      for pictures in [0..<1, 3..<4, 8..<9, 2..<5, 0..<9] {
        let y = try result(compute, pictures)
        let same = (0..<y.rows).allSatisfy {
          y.bits($0) == reference.bits(pictures.lowerBound * places + $0)
        }
        #expect(same, "pictures \(pictures), \(threads) threads")
      }
    }
  }

  @Test("average pools agree with float64 and touch nothing else", arguments: [1, 2, 3, 7], [1, 2, 3])
  func averagePool(_ window: Int, _ threads: Int) throws {
    let compute = try Compute(threads: threads)
    for tiles in [1, 2, 5] {
      let side = window * tiles
      let x = Matrix(3 * side * side, 21, seed: 1)
      let y = Matrix(3 * tiles * tiles, 21)
      compute.averagePool(x.view, side: side, pool: window, into: y.view)
      for row in 0..<y.rows {
        let (picture, place) = (row / (tiles * tiles), row % (tiles * tiles))
        for channel in 0..<21 {
          var sum = 0.0
          for dy in 0..<window {
            for dx in 0..<window {
              let line = picture * side + place / tiles * window + dy
              sum += Double(x[line * side + place % tiles * window + dx, channel])
            }
          }
          #expect(abs(Double(y[row, channel]) - sum / Double(window * window)) < 1e-6)
        }
      }
      #expect(y.gapsAreUntouched)
    }
  }
}
