import Synchronization

extension PackedWeights {
  /// Channels at a time, so that the lines written stay in the first-level cache while columns are filled, and those
  /// read stay there from tap to tap.
  private static let blockChannels = 64

  /// Copies the weights of some panels and channels, at all taps, to their places. Stops where one does not fit the
  /// storage.
  func fill(
    _ sources: [WeightSource], panels: Range<Int>, _ taps: Int, channels range: Range<Int>, _ loops: LoopTable
  ) {
    switch storage {
    case .float32:
      forEachBlock(panels, taps, range) { panel, tap, block in
        let input = tap * (inputs / taps) + block.lowerBound
        let target = address(panel: panel, input: input).assumingMemoryBound(to: Float.self)
        fillBlock(sources, panel: panel, tap, channels: block, target)
        if !areFinite(target, block.count * panelColumns) { allFinite.store(false, ordering: .relaxed) }
      }
    case .float16:
      withUnsafeTemporaryAllocation(of: Float.self, capacity: Self.blockChannels * panelColumns) { room in
        guard let floats = room.baseAddress else { return }
        forEachBlock(panels, taps, range) { panel, tap, block in
          guard allFit.load(ordering: .relaxed) else { return }
          let input = tap * (inputs / taps) + block.lowerBound
          let target = address(panel: panel, input: input).assumingMemoryBound(to: Float16.self)
          fillBlock(sources, panel: panel, tap, channels: block, floats)
          if !loops.narrow(floats, target, block.count * panelColumns) {
            allFit.store(false, ordering: .relaxed)
          }
        }
      }
    }
  }

  private func forEachBlock(
    _ panels: Range<Int>, _ taps: Int, _ range: Range<Int>,
    _ body: (_ panel: Int, _ tap: Int, _ channels: Range<Int>) -> Void
  ) {
    var channel = range.lowerBound
    while channel < range.upperBound {
      let block = channel..<min(range.upperBound, channel + Self.blockChannels)
      for panel in panels {
        for tap in 0..<taps { body(panel, tap, block) }
      }
      channel = block.upperBound
    }
  }

  /// target[channel][column of panel] = the weights of a block at one tap, zero beyond the last output.
  private func fillBlock(
    _ sources: [WeightSource], panel: Int, _ tap: Int, channels range: Range<Int>,
    _ target: UnsafeMutablePointer<Float>
  ) {
    let columns = panel * panelColumns..<(panel + 1) * panelColumns
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
    for column in max(columns.lowerBound, first)..<max(columns.upperBound, first) {
      for k in 0..<range.count { target[k * panelColumns + column - columns.lowerBound] = 0 }
    }
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
