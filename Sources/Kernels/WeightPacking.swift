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
        let target = address(panel: panel, step: input).assumingMemoryBound(to: Float.self)
        fillBlock(sources, panel: panel, tap, channels: block, target)
        if !areFinite(target, block.count * panelColumns) { allFinite.store(false, ordering: .relaxed) }
      }
    case .float16:
      forEachBlockOfFloats(sources, panels, taps, range) { panel, input, count, floats in
        guard allFit.load(ordering: .relaxed) else { return }
        let target = address(panel: panel, step: input).assumingMemoryBound(to: Float16.self)
        if !loops.narrow(floats, target, count * panelColumns) {
          allFit.store(false, ordering: .relaxed)
        }
      }
    case .bfloat16:
      forEachBlockOfFloats(sources, panels, taps, range) { panel, input, inputs, floats in
        let target = address(panel: panel, step: input).assumingMemoryBound(to: UInt16.self)
        let count = inputs * panelColumns
        for index in 0..<count { target[index] = upperHalf(floats[index]) }
        // Rounding makes the greatest floats infinite.
        let isFinite = (0..<count).allSatisfy { target[$0] & 0x7f80 != 0x7f80 }
        if !isFinite { allFinite.store(false, ordering: .relaxed) }
      }
    case .int8:
      fillIntegers(sources, panels, range)
    }
  }

  /// The same for integers, which takes two readings: one to find each column's greatest weight.
  private func fillIntegers(_ sources: [WeightSource], _ panels: Range<Int>, _ range: Range<Int>) {
    let scales = scales.pointer
    let columns = panels.lowerBound * panelColumns..<panels.upperBound * panelColumns
    for column in columns { scales[column] = 0 }
    forEachBlockOfFloats(sources, panels, 1, range) { panel, _, count, floats in
      if !areFinite(floats, count * panelColumns) { allFinite.store(false, ordering: .relaxed) }
      let greatest = scales + panel * panelColumns
      for index in 0..<count {
        let row = floats + index * panelColumns
        for column in 0..<panelColumns {
          greatest[column] = abs(row[column]) > greatest[column] ? abs(row[column]) : greatest[column]
        }
      }
    }
    // Columns of nothing but tiny numbers are zero, as rows of inputs are.
    for column in columns {
      scales[column] = scales[column] < 0x1p-100 ? 0 : scales[column] / Float(Compute.greatestWeight)
    }
    forEachBlockOfFloats(sources, panels, 1, range) { panel, input, count, floats in
      let target = address(panel: panel, step: input / 2).assumingMemoryBound(to: Int8.self)
      for index in 0..<(count + 1) / 2 * 2 {
        let place = target + index / 2 * 2 * panelColumns + index % 2
        for column in 0..<panelColumns {
          let weight = index < count ? floats[index * panelColumns + column] : 0
          place[2 * column] = integer(weight, scales[panel * panelColumns + column])
        }
      }
    }
  }

  /// Blocks that are filled as floats first: the panel, the block's first input, and how many inputs it has.
  private func forEachBlockOfFloats(
    _ sources: [WeightSource], _ panels: Range<Int>, _ taps: Int, _ range: Range<Int>,
    _ body: (_ panel: Int, _ input: Int, _ count: Int, UnsafeMutablePointer<Float>) -> Void
  ) {
    withUnsafeTemporaryAllocation(of: Float.self, capacity: Self.blockChannels * panelColumns) { room in
      guard let floats = room.baseAddress else { return }
      forEachBlock(panels, taps, range) { panel, tap, block in
        fillBlock(sources, panel: panel, tap, channels: block, floats)
        body(panel, tap * (inputs / taps) + block.lowerBound, block.count, floats)
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

/// A float's bits rounded to the upper 16, to even in the middle.
@inline(__always)
private func upperHalf(_ value: Float) -> UInt16 {
  let bits = value.bitPattern
  // Carries of NaN could make it a number.
  if bits & 0x7fff_ffff > 0x7f80_0000 { return 0x7fff }
  return UInt16(truncatingIfNeeded: (bits &+ 0x7fff &+ (bits >> 16 & 1)) >> 16)
}

/// A weight in units of its column's scale, rounded, to even in the middle.
@inline(__always)
private func integer(_ weight: Float, _ scale: Float) -> Int8 {
  let units = scale > 0 ? weight / scale : 0
  return Int8(truncatingIfNeeded: Int32(bitPattern: (units + 0x1.8p23).bitPattern))
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
