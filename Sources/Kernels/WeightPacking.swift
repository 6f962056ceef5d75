import Synchronization

extension PackedWeights {
  /// Copies the weights of some panels and inputs to their places.
  func fill(_ sources: [WeightSource], panels: Range<Int>, inputs range: Range<Int>) {
    // Blocks of inputs, so that the lines written stay in the first-level cache while columns are filled.
    var input = range.lowerBound
    while input < range.upperBound {
      let block = input..<min(range.upperBound, input + 64)
      for panel in panels { fillBlock(sources, panel: panel, inputs: block) }
      input = block.upperBound
    }
  }

  private func fillBlock(_ sources: [WeightSource], panel: Int, inputs range: Range<Int>) {
    let columns = panel * panelColumns..<(panel + 1) * panelColumns
    let target = weights.pointer + (panel * inputs + range.lowerBound) * panelColumns
    var first = 0
    for source in sources {
      let shared = columns.clamped(to: first..<first + source.outputs)
      if !shared.isEmpty {
        source.copy(
          outputs: shared.lowerBound - first..<shared.upperBound - first, inputs: range,
          to: target + (shared.lowerBound - columns.lowerBound), stride: panelColumns)
      }
      first += source.outputs
    }
    // What is beyond the last output.
    for column in max(columns.lowerBound, first)..<max(columns.upperBound, first) {
      for k in 0..<range.count { target[k * panelColumns + column - columns.lowerBound] = 0 }
    }
    if !areFinite(target, range.count * panelColumns) { allFinite.store(false, ordering: .relaxed) }
  }
}

extension WeightSource {
  /// target[input][output] = this weight, for a block.
  fileprivate func copy(
    outputs: Range<Int>, inputs: Range<Int>, to target: UnsafeMutablePointer<Float>, stride: Int
  ) {
    switch type {
    case .float32:
      copy(outputs, inputs, target, stride, elementSize: 4) { address in
        address.loadUnaligned(as: Float.self)
      }
    case .float16:
      copy(outputs, inputs, target, stride, elementSize: 2) { address in
        Half.toFloat(address.loadUnaligned(as: UInt16.self))
      }
    case .bfloat16:
      copy(outputs, inputs, target, stride, elementSize: 2) { address in
        Float(bitPattern: UInt32(address.loadUnaligned(as: UInt16.self)) << 16)
      }
    }
  }

  @inline(__always)
  private func copy(
    _ outputs: Range<Int>, _ inputs: Range<Int>, _ target: UnsafeMutablePointer<Float>, _ stride: Int,
    elementSize: Int, _ read: (UnsafeRawPointer) -> Float
  ) {
    let base = base + (inputs.lowerBound * inputStride + outputs.lowerBound * outputStride) * elementSize
    let inputStep = inputStride * elementSize
    let outputStep = outputStride * elementSize
    if outputStride == 1 {
      for input in 0..<inputs.count {
        let row = base + input * inputStep
        for output in 0..<outputs.count {
          target[input * stride + output] = read(row + output * elementSize)
        }
      }
    } else {
      for output in 0..<outputs.count {
        let column = base + output * outputStep
        for input in 0..<inputs.count { target[input * stride + output] = read(column + input * inputStep) }
      }
    }
  }
}

/// IEEE half precision, by integers: the baseline has no instruction for it.
enum Half {
  /// The same number as a float; exact.
  @inline(__always)
  static func toFloat(_ bits: UInt16) -> Float {
    let sign = UInt32(bits & 0x8000) << 16
    let magnitude = UInt32(bits & 0x7fff)
    // Infinity and NaN keep their mantissa. For the rest the exponent's bias differs by 112, and multiplying by
    // 2¹¹² makes subnormal halves normal floats.
    let special = 0x7f80_0000 | magnitude << 13
    let number = (Float(bitPattern: magnitude << 13) * 0x1p112).bitPattern
    return Float(bitPattern: sign | (magnitude >= 0x7c00 ? special : number))
  }
}
