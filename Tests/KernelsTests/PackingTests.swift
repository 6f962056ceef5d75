import Kernels
import Testing

@Suite("Weights")
struct PackingTests {
  /// What a product with the identity says the weights are.
  private func unpacked(_ compute: Compute, _ w: PackedWeights) throws -> Matrix {
    let identity = Matrix(w.inputs, w.inputs) { $0 == $1 ? 1 : 0 }
    let y = Matrix(w.inputs, w.outputs)
    try compute.linear(identity.view, w, into: y.view)
    return y
  }

  @Test(
    "are read from any type, stride and alignment", arguments: [InstructionSet.portable, .best],
    [ElementType.float32, .float16, .bfloat16])
  func sources(_ set: InstructionSet, _ type: ElementType) throws {
    let compute = try compute(set)
    let (inputs, outputs) = (70, 45)
    for (inputStride, outputStride) in [(45, 1), (47, 1), (1, 70), (1, 73), (135, 3)] {
      for offset in [0, 1, 3] {
        let count = inputs * inputStride + outputs * outputStride
        let bytes = UnsafeMutableRawPointer.allocate(byteCount: count * type.size + offset, alignment: 64)
        defer { bytes.deallocate() }
        // Small integers are exact in every type.
        for element in 0..<count {
          let value = Float(element % 255 - 127)
          let address = bytes + offset + element * type.size
          switch type {
          case .float32: address.storeBytes(of: value, as: Float.self)
          case .float16: address.storeBytes(of: Float16(value).bitPattern, as: UInt16.self)
          case .bfloat16: address.storeBytes(of: UInt16(value.bitPattern >> 16), as: UInt16.self)
          }
        }
        let source = WeightSource(
          base: bytes + offset, type: type, inputStride: inputStride, outputStride: outputStride,
          outputs: outputs)
        let y = try unpacked(compute, compute.pack(inputs: inputs, sources: [source], bias: nil))
        for input in 0..<inputs {
          for output in 0..<outputs {
            let element = input * inputStride + output * outputStride
            #expect(y[input, output] == Float(element % 255 - 127))
          }
        }
      }
    }
  }

  @Test("every half-precision number keeps its value")
  func halves() throws {
    let compute = try Compute(threads: 2)
    let bits = (0...UInt16.max).map { $0 }
    let packed = try bits.withUnsafeBytes { bytes in
      let base = try #require(bytes.baseAddress)
      return try compute.pack(
        inputs: 1,
        sources: [
          WeightSource(base: base, type: .float16, inputStride: 1, outputStride: 1, outputs: bits.count)
        ], bias: nil)
    }
    let y = Matrix(1, bits.count)
    try compute.linear(Matrix(1, 1) { _, _ in 1 }.view, packed, into: y.view)
    let wrong = bits.filter { pattern in
      let (value, expected) = (y[0, Int(pattern)], Float(Float16(bitPattern: pattern)))
      return expected.isNaN ? !value.isNaN : value != expected
    }
    #expect(wrong.isEmpty)
  }

  @Test("several sources stand side by side, each with its bias", arguments: InstructionSet.allCases)
  func blocks(_ set: InstructionSet) throws {
    let compute = try compute(set)
    let parts = [Matrix(30, 20, seed: 1), Matrix(30, 1, seed: 2), Matrix(30, 77, seed: 3)]
    let bias = (0..<98).map { Float($0) }
    let packed = try bias.withUnsafeBufferPointer { bias in
      try compute.pack(
        inputs: 30,
        sources: parts.map {
          WeightSource(
            base: $0.memory, type: .float32, inputStride: $0.stride, outputStride: 1, outputs: $0.columns)
        }, bias: bias.baseAddress)
    }
    #expect(packed.outputs == 98)
    #expect(packed.bytes >= 98 * 31 * 4)
    let y = try unpacked(compute, packed)
    for input in 0..<30 {
      for output in 0..<98 {
        let part = output < 20 ? 0 : output < 21 ? 1 : 2
        #expect(y[input, output] == parts[part][input, output - [0, 20, 21][part]] + bias[output])
      }
    }
  }

  @Test("absurd sizes are errors")
  func absurd() throws {
    let compute = try Compute(threads: 1)
    let byte = UnsafeMutableRawPointer.allocate(byteCount: 4, alignment: 4)
    defer { byte.deallocate() }
    for (inputs, outputs) in [
      (Int.max, 2), (2, Int.max), (1 << 40, 1 << 20), (1 << 31, 1 << 31), (-1, 5), (5, -1),
    ] {
      #expect(throws: KernelError.self) {
        try compute.pack(
          inputs: inputs,
          sources: [
            WeightSource(base: byte, type: .float32, inputStride: 1, outputStride: 1, outputs: outputs)
          ], bias: nil)
      }
    }
    #expect(throws: KernelError.self) { _ = try AlignedBuffer(count: .max) }
    #expect(throws: KernelError.self) { _ = try AlignedBuffer(count: 1 << 58) }
  }
}
