import Kernels
import Testing

/// Weights held as float16 give the bits that the same weights give as float32.
@Suite("Halves")
struct HalfTests {
  /// Halves of every kind: subnormal, zero of either sign, the greatest, and everyday ones.
  private static func weights(_ inputs: Int, _ outputs: Int) -> Matrix {
    var random = Random(7)
    return Matrix(inputs, outputs) { _, _ in
      switch random.next() % 16 {
      case 0: Float(Float16(bitPattern: UInt16(truncatingIfNeeded: random.next()) & 0x83ff))
      case 1: random.next() % 2 == 0 ? -0.0 : 0
      case 2: random.next() % 2 == 0 ? 65504 : -65504
      default: Float(Float16(random.float()))
      }
    }
  }

  /// The same instruction set with halves and without.
  private static func pair(_ set: InstructionSet, threads: Int = 2) throws -> (
    halves: Compute, floats: Compute
  ) {
    let halves = try compute(set, threads: threads)
    let floats = try Compute(
      threads: threads, instructions: set, backend: .own, exactOrder: false, precision: .float32,
      keepsHalves: false)
    return (halves, floats)
  }

  private static func isSame(_ a: Matrix, _ b: Matrix) -> Bool {
    (0..<a.rows).allSatisfy { a.bits($0) == b.bits($0) } && a.gapsAreUntouched
  }

  @Test(
    "change no bit of a product, for every remainder of M, odd K and N", arguments: InstructionSet.allCases,
    [(1, 1), (3, 33), (17, 31), (64, 32), (100, 65), (770, 40), (1541, 19)])
  func products(_ set: InstructionSet, _ shape: (inputs: Int, outputs: Int)) throws {
    let (halves, floats) = try Self.pair(set)
    let w = Self.weights(shape.inputs, shape.outputs)
    let bias = (0..<shape.outputs).map { Float($0) * 0.1 }
    let (small, large) = (try halves.pack(w, bias: bias), try floats.pack(w, bias: bias))
    #expect(small.storage == .float16)
    #expect(large.storage == .float32)
    let all = Matrix(400, shape.inputs, seed: 3)
    for rows in Array(1...40) + [167, 168, 169, 400] {
      let (a, b) = (Matrix(rows, shape.outputs), Matrix(rows, shape.outputs))
      let x = all.view.rows(400 - rows..<400)
      try halves.linear(x, small, into: a.view, .init(activation: .quickGELU))
      try floats.linear(x, large, into: b.view, .init(activation: .quickGELU))
      #expect(Self.isSame(a, b), "M = \(rows)")
    }
  }

  @Test("change no bit of a convolution", arguments: InstructionSet.allCases)
  func convolutions(_ set: InstructionSet) throws {
    let (halves, floats) = try Self.pair(set)
    let pixels = Matrix(2 * 9 * 9, 5, seed: 1)
    let window = Window(kernel: 3, stride: 2, padding: 1)
    let w = Self.weights(3 * 3 * 5, 21)
    let places = 2 * window.outputSide(of: 9) * window.outputSide(of: 9)
    let (a, b) = (Matrix(places, 21), Matrix(places, 21))
    try halves.convolve(Pictures(pixels.view, side: 9), window, halves.pack(w), into: a.view)
    try floats.convolve(Pictures(pixels.view, side: 9), window, floats.pack(w), into: b.view)
    #expect(Self.isSame(a, b))
  }

  @Test("take half the memory")
  func memory() throws {
    let (halves, floats) = try Self.pair(.best)
    let w = Self.weights(768, 640)
    let (small, large) = (try halves.pack(w), try floats.pack(w))
    #expect(small.bytes == 768 * 640 * 2 + 640 * 4)
    #expect(large.bytes == 768 * 640 * 4 + 640 * 4)
  }

  /// What no half equals: between two halves, below the smallest, above the greatest, subnormal floats, infinity
  /// and NaN.
  static let misfits: [Float] = [
    0.1, 1 + 0x1p-11, 0x1p-25, 0x1.8p-24, 65505, 65520, 65536, -1e38, 0x1p-149, -0x1p-140, .infinity, .nan,
  ]

  @Test(
    "are not used for a matrix with one number that is none", arguments: InstructionSet.allCases, misfits)
  func misfit(_ set: InstructionSet, _ value: Float) throws {
    let compute = try compute(set)
    for (row, column) in [(0, 0), (0, 76), (128, 0), (128, 76), (70, 40)] {
      let w = Matrix(129, 77) { $0 == row && $1 == column ? value : 0.5 }
      let packed = try compute.pack(w)
      #expect(packed.storage == .float32)
      #expect(packed.isFinite == value.isFinite)
      let x = Matrix(1, 129) { _, input in input == row ? 1 : 0 }
      let y = Matrix(1, 77)
      try compute.linear(x.view, packed, into: y.view)
      if value.isFinite { #expect(y[0, column] == value) }
    }
  }

  @Test("are widened and narrowed without loss, all of them", arguments: InstructionSet.allCases)
  func everyHalf(_ set: InstructionSet) throws {
    _ = try compute(set)
    let loops = LoopTable.of(set)
    let halves = (0...UInt16.max).map { Float16(bitPattern: $0) }.filter(\.isFinite)
    // Odd counts and starts reach what is left beside whole vectors.
    for part in [halves, Array(halves[1...]), Array(halves[..<21]), Array(halves[33_000..<33_007])] {
      var floats = [Float](repeating: 0, count: part.count)
      loops.widen(part, &floats, part.count)
      #expect(floats.map(\.bitPattern) == part.map { Float($0).bitPattern })
      var back = [Float16](repeating: 1, count: part.count)
      #expect(loops.narrow(floats, &back, part.count))
      #expect(back.map(\.bitPattern) == part.map(\.bitPattern))
    }
  }

  @Test("a number that is none is found wherever it stands", arguments: InstructionSet.allCases, misfits)
  func refusal(_ set: InstructionSet, _ value: Float) throws {
    _ = try compute(set)
    let loops = LoopTable.of(set)
    for place in 0..<41 {
      var floats = [Float](repeating: -0.25, count: 41)
      floats[place] = value
      var halves = [Float16](repeating: 0, count: 41)
      #expect(!loops.narrow(floats, &halves, 41))
    }
  }

  @Test("hold a table's numbers too, or floats do", arguments: InstructionSet.allCases)
  func tables(_ set: InstructionSet) throws {
    let compute = try compute(set)
    for (last, storage) in [(Float(-0.0), WeightStorage.float16), (0.1, .float32), (.nan, .float32)] {
      // Several threads' stretches, and an odd end.
      var floats = (0..<200_003).map { Float($0 % 999) * 0.5 }
      floats[200_002] = last
      #expect(areHalves(floats, .float32, count: 200_003) == (storage == .float16))
      let table = try compute.compact(floats, .float32, count: floats.count)
      #expect(table.storage == storage)
      #expect(table.isFinite == last.isFinite)
      for range in [0..<0, 0..<7, 65_530..<65_545, 199_990..<200_003] {
        var row = [Float](repeating: 7, count: range.count)
        compute.copy(table, range, to: &row)
        #expect(row.map(\.bitPattern) == floats[range].map(\.bitPattern))
      }
    }
  }

  @Test("are kept from files that hold them", arguments: [ElementType.float16, .bfloat16])
  func types(_ type: ElementType) throws {
    let compute = try Compute(threads: 2)
    // 1.5 and -1.5 in either type, and a bfloat16 beyond the halves.
    let bits: [UInt16] = type == .float16 ? [0x3e00, 0xbe00, 0x0001] : [0x3fc0, 0xbfc0, 0x3f80]
    let large: [UInt16] = [0x7f00, 0x7f00, 0x7f00]
    #expect(areHalves(bits, type, count: 3))
    #expect(try compute.compact(bits, type, count: 3).storage == .float16)
    #expect(areHalves(large, type, count: 3) == false)
    #expect(try compute.compact(large, type, count: 3).storage == .float32)
  }
}
