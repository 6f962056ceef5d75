import Glibc
import Kernels
import Testing

@Suite("Activations")
struct ActivationTests {
  static func reference(_ x: Double, _ activation: Epilogue.Activation) -> Double {
    switch activation {
    case .none: x
    case .relu: max(0, x)
    case .quickGELU: x / (1 + exp(-1.702 * x))
    case .gelu: 0.5 * x * erfc(-x / 2.0.squareRoot())
    }
  }

  @Test(
    "are as exact as float32 allows", arguments: InstructionSet.allCases,
    [Epilogue.Activation.quickGELU, .gelu, .relu])
  func exact(_ set: InstructionSet, _ activation: Epilogue.Activation) throws {
    let compute = try compute(set)
    // An identity product: 0 · x + b with the inputs as bias.
    let inputs = (-12_000...12_000).map { Float($0) * 0.001_237 }
    let packed = try compute.pack(Matrix(1, inputs.count) { _, _ in 0 }, bias: inputs)
    let y = Matrix(1, inputs.count)
    try compute.linear(Matrix(1, 1) { _, _ in 0 }.view, packed, into: y.view, .init(activation: activation))
    var error = Error()
    for (column, input) in inputs.enumerated() {
      let reference = Self.reference(Double(input), activation)
      // Relative to the input: what a following layer sees of it. Below 1e-3 relative to that.
      error.add(y[0, column], reference, terms: max(1e-3, abs(Double(input))))
    }
    #expect(error.greatest < 3e-7)
  }
}
