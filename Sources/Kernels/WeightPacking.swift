import Synchronization

extension PackedWeights {
  /// Copies the weights of some panels and channels, at all taps, to their places.
  func fill(_ sources: [WeightSource], panels: Range<Int>, _ taps: Int, channels range: Range<Int>) {
    // Blocks of channels, so that the lines written stay in the first-level cache while columns are filled, and those
    // read stay there from tap to tap.
    var channel = range.lowerBound
    while channel < range.upperBound {
      let block = channel..<min(range.upperBound, channel + 64)
      for panel in panels {
        for tap in 0..<taps { fillBlock(sources, panel: panel, tap, of: taps, channels: block) }
      }
      channel = block.upperBound
    }
  }

  private func fillBlock(
    _ sources: [WeightSource], panel: Int, _ tap: Int, of taps: Int, channels range: Range<Int>
  ) {
    let columns = panel * panelColumns..<(panel + 1) * panelColumns
    let firstInput = tap * (inputs / taps) + range.lowerBound
    let target = weights.pointer + (panel * inputs + firstInput) * panelColumns
    var first = 0
    for source in sources {
      let shared = columns.clamped(to: first..<first + source.outputs)
      if !shared.isEmpty {
        source.copy(
          outputs: shared.lowerBound - first..<shared.upperBound - first, tap, channels: range,
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
  /// target[channel][output] = this weight, for a block at one tap.
  fileprivate func copy(
    outputs: Range<Int>, _ tap: Int, channels: Range<Int>, to target: UnsafeMutablePointer<Float>, stride: Int
  ) {
    let first = outputs.lowerBound * outputStride + channels.lowerBound * inputStride + tap * tapStride
    let base = base + first * type.size
    switch type {
    case .float32:
      copy(outputs.count, channels.count, from: base, to: target, stride) { address in
        address.loadUnaligned(as: Float.self)
      }
    case .float16:
      copy(outputs.count, channels.count, from: base, to: target, stride) { address in
        Half.toFloat(address.loadUnaligned(as: UInt16.self))
      }
    case .bfloat16:
      copy(outputs.count, channels.count, from: base, to: target, stride) { address in
        Float(bitPattern: UInt32(address.loadUnaligned(as: UInt16.self)) << 16)
      }
    }
    guard let gain else { return }
    for channel in 0..<channels.count {
      for output in outputs { target[channel * stride + output - outputs.lowerBound] *= gain[output] }
    }
  }

  @inline(__always)
  private func copy(
    _ outputs: Int, _ channels: Int, from base: UnsafeRawPointer, to target: UnsafeMutablePointer<Float>,
    _ stride: Int, _ read: (UnsafeRawPointer) -> Float
  ) {
    let inputStep = inputStride * type.size
    let outputStep = outputStride * type.size
    if outputStride == 1 {
      for channel in 0..<channels {
        let row = base + channel * inputStep
        for output in 0..<outputs { target[channel * stride + output] = read(row + output * type.size) }
      }
    } else {
      for output in 0..<outputs {
        let column = base + output * outputStep
        for channel in 0..<channels { target[channel * stride + output] = read(column + channel * inputStep) }
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
