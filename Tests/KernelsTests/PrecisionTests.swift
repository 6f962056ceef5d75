import Kernels
import Testing

/// Products of integers are those of a plain loop to the bit; bfloat16 is float32 with rounded weights.
@Suite("Precision")
struct PrecisionTests {
  // MARK: int8

  /// Numbers and what 1 stands for: value ≈ integer · scale.
  private struct Integers {
    var values: [Int]
    var scale: Float

    /// The weights of one output.
    init(weights: [Float]) {
      scale = (weights.map(abs).max() ?? 0) / 127
      let scale = scale
      values = weights.map { scale > 0 ? Int(($0 / scale).rounded(.toNearestOrEven)) : 0 }
    }

    /// A row of inputs. Instruction sets with FMA round once.
    init(inputs: [Float], limit: Int, _ set: InstructionSet) {
      let greatest = inputs.map(abs).max() ?? 0
      let factor = greatest > 0 ? Float(limit) / greatest : 0
      scale = greatest / Float(limit)
      values = inputs.map {
        let exact = Double($0) * Double(factor)
        return Int((set == .portable ? Double(Float(exact)) : exact).rounded(.toNearestOrEven))
      }
    }
  }

  static let shapes = [
    (1, 1), (2, 5), (3, 33), (7, 16), (17, 31), (64, 32), (100, 65), (129, 17), (389, 129), (1537, 40),
    (3073, 19),
  ]

  @Test(
    "int8 equals a plain loop of integers, for every remainder of M, odd K and N",
    arguments: InstructionSet.allCases, shapes)
  func integers(_ set: InstructionSet, _ shape: (inputs: Int, outputs: Int)) throws {
    let compute = try compute(set)
    let w = Matrix(shape.inputs, shape.outputs, seed: 1, scale: 0.1)
    var random = Random(2)
    let bias = (0..<shape.outputs).map { _ in random.float() }
    let packed = try compute.pack(w, bias: bias, precision: .int8)
    #expect(packed.storage == .int8)
    let columns = (0..<shape.outputs).map { column in
      Integers(weights: (0..<shape.inputs).map { w[$0, column] })
    }
    let limit = Compute.integerLimit(inputs: shape.inputs)
    let all = Matrix(400, shape.inputs, seed: 3, scale: 7)
    for count in Array(1...40) + [168, 169, 400] where shape.inputs < 300 || count % 13 < 2 {
      let first = 400 - count
      let y = Matrix(count, shape.outputs)
      try compute.linear(all.view.rows(first..<400), packed, into: y.view)
      for row in count <= 40 ? Array(0..<count) : [0, count / 2, count - 1] {
        let x = Integers(inputs: (0..<shape.inputs).map { all[first + row, $0] }, limit: limit, set)
        for column in 0..<shape.outputs {
          let sum = zip(x.values, columns[column].values).reduce(0) { $0 + $1.0 * $1.1 }
          let value = Float(sum) * columns[column].scale * x.scale + bias[column]
          guard y[row, column] != value else { continue }
          Issue.record("M = \(count), row \(row), column \(column): \(y[row, column]), not \(value)")
          return
        }
      }
      #expect(y.gapsAreUntouched)
    }
  }

  @Test(
    "the largest sums do not overflow", arguments: InstructionSet.allCases, [1, 2, 511, 768, 3072, 20_001])
  func largest(_ set: InstructionSet, _ inputs: Int) throws {
    let compute = try compute(set)
    for sign: Float in [1, -1] {
      let w = Matrix(inputs, 17) { _, _ in sign }
      let x = Matrix(7, inputs) { _, _ in 3 }
      let y = Matrix(7, 17)
      try compute.linear(x.view, compute.pack(w, precision: .int8), into: y.view)
      let right = (0..<7).allSatisfy { row in
        (0..<17).allSatisfy { abs(y[row, $0] / (sign * 3 * Float(inputs)) - 1) < 1e-6 }
      }
      #expect(right)
    }
  }

  @Test("rows of zeros, of tiny numbers, with NaN or infinity", arguments: InstructionSet.allCases)
  func unusualRows(_ set: InstructionSet) throws {
    let compute = try compute(set)
    let w = Matrix(51, 20, seed: 1)
    let x = Matrix(13, 51, seed: 2)
    for input in 0..<51 {
      x.memory[2 * x.stride + input] = input % 2 == 0 ? 0 : -0.0
      x.memory[3 * x.stride + input] = 0x1p-149 * Float(input)
    }
    x.memory[5 * x.stride + 50] = .nan
    x.memory[8 * x.stride] = -.infinity
    let y = Matrix(13, 20)
    try compute.linear(
      x.view, compute.pack(w, bias: [Float](repeating: 0.5, count: 20), precision: .int8), into: y.view)
    for row in 0..<13 {
      for column in 0..<20 {
        switch row {
        case 2, 3: #expect(y[row, column] == 0.5)
        case 5, 8: #expect(y[row, column].isNaN)
        default: #expect(y[row, column].isFinite)
        }
      }
    }
  }

  @Test("weights of zeros, and with NaN or infinity, in every kind", arguments: [Precision.bfloat16, .int8])
  func unusualWeights(_ precision: Precision) throws {
    let compute = try Compute(threads: 2)
    let zeros = try compute.pack(Matrix(65, 20) { _, column in column == 3 ? 1 : 0 }, precision: precision)
    #expect(zeros.isFinite)
    let y = Matrix(1, 20)
    try compute.linear(Matrix(1, 65) { _, _ in 1 }.view, zeros, into: y.view)
    for column in 0..<20 { #expect(abs(y[0, column] - (column == 3 ? 65 : 0)) < 1e-4) }
    for value: Float in [.nan, .infinity, -.infinity] {
      for (row, column) in [(0, 0), (64, 19)] {
        let w = Matrix(65, 20) { $0 == row && $1 == column ? value : 0.5 }
        #expect(try !compute.pack(w, precision: precision).isFinite)
      }
    }
  }

  @Test("no inputs, no rows, no outputs", arguments: InstructionSet.allCases, [Precision.bfloat16, .int8])
  func empty(_ set: InstructionSet, _ precision: Precision) throws {
    let compute = try compute(set)
    let bias: [Float] = [1, -2, 3]
    let y = Matrix(2, 3)
    try compute.linear(
      Matrix(2, 0).view, compute.pack(Matrix(0, 3), bias: bias, precision: precision), into: y.view)
    #expect((0..<2).allSatisfy { row in (0..<3).allSatisfy { y[row, $0] == bias[$0] } })
    let none = try compute.pack(Matrix(5, 0), precision: precision)
    try compute.linear(Matrix(4, 5, seed: 1).view, none, into: Matrix(4, 0).view)
    let some = try compute.pack(Matrix(5, 3, seed: 1), precision: precision)
    try compute.linear(Matrix(0, 5).view, some, into: Matrix(0, 3).view)
  }

  @Test("so many inputs that 8 bits do not fit the sums stay float32")
  func manyInputs() throws {
    let compute = try Compute(threads: 2)
    #expect(try compute.pack(Matrix(133_000, 1, seed: 1), precision: .int8).storage == .int8)
    #expect(try compute.pack(Matrix(134_000, 1, seed: 1), precision: .int8).storage == .float32)
  }

  @Test("take a half and a quarter of the memory")
  func memory() throws {
    let compute = try Compute(threads: 2)
    let w = Matrix(768, 640, seed: 1)
    #expect(try compute.pack(w).bytes == 768 * 640 * 4 + 640 * 4)
    #expect(try compute.pack(w, precision: .bfloat16).bytes == 768 * 640 * 2 + 640 * 4)
    #expect(try compute.pack(w, precision: .int8).bytes == 768 * 640 + 640 * 8)
  }

  @Test("are none of OpenBLAS", arguments: [Precision.bfloat16, .int8])
  func openBLAS(_ precision: Precision) {
    #expect(throws: KernelError.self) {
      try Compute(
        threads: 1, instructions: nil, backend: .openBLAS, exactOrder: false, precision: precision,
        keepsHalves: true)
    }
  }

  // MARK: bfloat16

  /// The nearest number with 8 bits of mantissa, to even in the middle.
  private static func rounded(_ value: Float) -> Float {
    let below = Float(bitPattern: value.bitPattern & 0xffff_0000)
    let above = Float(bitPattern: below.bitPattern + 0x1_0000)
    let (low, high) = (abs(Double(value) - Double(below)), abs(Double(above) - Double(value)))
    if low == high { return below.bitPattern & 0x1_0000 == 0 ? below : above }
    return low < high ? below : above
  }

  @Test(
    "bfloat16 gives the bits of float32 with rounded weights", arguments: InstructionSet.allCases, shapes)
  func bfloats(_ set: InstructionSet, _ shape: (inputs: Int, outputs: Int)) throws {
    let compute = try compute(set)
    let w = Matrix(shape.inputs, shape.outputs, seed: 1)
    let plain = Matrix(shape.inputs, shape.outputs) { Self.rounded(w[$0, $1]) }
    let (small, large) = (try compute.pack(w, precision: .bfloat16), try compute.pack(plain))
    #expect(small.storage == .bfloat16)
    let all = Matrix(400, shape.inputs, seed: 3)
    for count in Array(1...40) + [168, 169, 400] where shape.inputs < 300 || count % 13 < 2 {
      let (a, b) = (Matrix(count, shape.outputs), Matrix(count, shape.outputs))
      try compute.linear(all.view.rows(0..<count), small, into: a.view, .init(activation: .quickGELU))
      try compute.linear(all.view.rows(0..<count), large, into: b.view, .init(activation: .quickGELU))
      #expect((0..<count).allSatisfy { a.bits($0) == b.bits($0) } && a.gapsAreUntouched, "M = \(count)")
    }
  }

  @Test("weights are rounded to the nearest bfloat16, to even in the middle")
  func rounding() throws {
    let compute = try Compute(threads: 1)
    // Each upper half's neighbourhood: below, at and above the middle to the next, subnormals included.
    let lows: [UInt32] = [0, 1, 0x7fff, 0x8000, 0x8001, 0xffff]
    let uppers: [UInt32] = [0, 1, 2, 0x7f, 0x80, 0x81, 0x3f80, 0x3f81, 0x3fff, 0x7f7e]
    let values = uppers.flatMap { upper in lows.map { Float(bitPattern: upper << 16 | $0) } }
    let w = Matrix(1, 2 * values.count) { _, column in
      column < values.count ? values[column] : -values[column - values.count]
    }
    let y = Matrix(1, w.columns)
    try compute.linear(
      Matrix(1, 1) { _, _ in 1 }.view, compute.pack(w, precision: .bfloat16), into: y.view)
    for column in 0..<w.columns { #expect(y[0, column] == Self.rounded(w[0, column])) }
  }
}
