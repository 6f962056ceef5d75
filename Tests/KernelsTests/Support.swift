import Glibc
import Kernels
import Testing

/// A small generator with a fixed sequence for each seed (SplitMix64).
struct Random: RandomNumberGenerator {
  var state: UInt64

  init(_ seed: UInt64) { state = seed }

  mutating func next() -> UInt64 {
    state &+= 0x9e37_79b9_7f4a_7c15
    var z = state
    z = (z ^ (z >> 30)) &* 0xbf58_476d_1ce4_e5b9
    z = (z ^ (z >> 27)) &* 0x94d0_49bb_1331_11eb
    return z ^ (z >> 31)
  }

  mutating func float(_ range: ClosedRange<Float> = -1...1) -> Float { .random(in: range, using: &self) }
}

/// A matrix with a gap after each row that nothing may touch. Its memory is never freed: a view of it keeps
/// nothing alive, and the tests are short.
final class Matrix: @unchecked Sendable {
  static let untouched: Float = 12_345
  let rows, columns, stride: Int
  let memory: UnsafeMutablePointer<Float>

  init(_ rows: Int, _ columns: Int, gap: Int = 3, _ value: (Int, Int) -> Float = { _, _ in Matrix.untouched })
  {
    (self.rows, self.columns, stride) = (rows, columns, columns + gap)
    memory = .allocate(capacity: max(1, rows * stride))
    memory.initialize(repeating: Self.untouched, count: max(1, rows * stride))
    for row in 0..<rows { for column in 0..<columns { memory[row * stride + column] = value(row, column) } }
  }

  convenience init(_ rows: Int, _ columns: Int, gap: Int = 3, seed: UInt64, scale: Float = 1) {
    var random = Random(seed)
    self.init(rows, columns, gap: gap) { _, _ in random.float() * scale }
  }

  var view: MatrixView { MatrixView(pointer: memory, rows: rows, columns: columns, stride: stride) }
  var gapsAreUntouched: Bool {
    (0..<rows).allSatisfy { row in
      (columns..<stride).allSatisfy { memory[row * stride + $0] == Self.untouched }
    }
  }
  subscript(row: Int, column: Int) -> Float { memory[row * stride + column] }

  /// The bits of a row, for exact comparisons.
  func bits(_ row: Int) -> [UInt32] { (0..<columns).map { self[row, $0].bitPattern } }

  func copy() -> Matrix { Matrix(rows, columns, gap: stride - columns) { self[$0, $1] } }
}

/// Makes a `Compute`, or skips the test with a sentence where the processor lacks the instruction set. An emulated
/// processor is slow: where `SWIFTCLIP_ONLY` names an instruction set, the others are skipped too.
func compute(
  _ set: InstructionSet, threads: Int = 2, backend: Backend = .own, exactOrder: Bool = false
) throws -> Compute {
  if !InstructionSet.supported.contains(set) {
    try Test.cancel("This processor does not support \(set.name).")
  }
  if let only = getenv("SWIFTCLIP_ONLY").map({ String(cString: $0) }), only != "\(set)" {
    try Test.cancel("SWIFTCLIP_ONLY asks for \(only) only.")
  }
  return try Compute(threads: threads, instructions: set, backend: backend, exactOrder: exactOrder)
}

extension Compute {
  /// Packs a matrix [inputs][outputs].
  func pack(_ w: Matrix, bias: [Float]? = nil, precision: Precision = .float32) throws -> PackedWeights {
    let source = WeightSource(
      base: UnsafeRawPointer(w.memory), type: .float32, inputStride: w.stride, outputStride: 1,
      outputs: w.columns)
    guard let bias else {
      return try pack(inputs: w.rows, sources: [source], bias: nil, precision: precision)
    }
    return try bias.withUnsafeBufferPointer {
      try pack(inputs: w.rows, sources: [source], bias: $0.baseAddress, precision: precision)
    }
  }
}

/// The greatest error over a matrix, relative to the size of the terms that were added up: what rounding can
/// explain, whatever cancels.
struct Error {
  var greatest = 0.0
  mutating func add(_ value: Float, _ reference: Double, terms: Double) {
    let error = abs(Double(value) - reference) / max(terms, 1e-30)
    greatest = error.isNaN ? .infinity : max(greatest, error)
  }
}
