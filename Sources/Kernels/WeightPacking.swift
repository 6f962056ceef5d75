import Synchronization

extension PackedWeights {
  /// Inputs at a time, so that the lines written stay in the first-level cache while columns are filled.
  private static let blockInputs = 64

  /// Copies the weights of some panels and inputs to their places. Stops where one does not fit the storage.
  func fill(_ sources: [WeightSource], panels: Range<Int>, inputs range: Range<Int>, _ loops: LoopTable) {
    switch storage {
    case .float32:
      forEachBlock(panels, range) { panel, block in
        let target = address(panel: panel, step: block.lowerBound).assumingMemoryBound(to: Float.self)
        fillBlock(sources, panel: panel, inputs: block, target)
        if !areFinite(target, block.count * panelColumns) { allFinite.store(false, ordering: .relaxed) }
      }
    case .float16:
      forEachBlockOfFloats(sources, panels, range) { panel, block, floats in
        guard allFit.load(ordering: .relaxed) else { return }
        let target = address(panel: panel, step: block.lowerBound).assumingMemoryBound(to: Float16.self)
        if !loops.narrow(floats, target, block.count * panelColumns) {
          allFit.store(false, ordering: .relaxed)
        }
      }
    case .bfloat16:
      forEachBlockOfFloats(sources, panels, range) { panel, block, floats in
        let target = address(panel: panel, step: block.lowerBound).assumingMemoryBound(to: UInt16.self)
        let count = block.count * panelColumns
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
    forEachBlockOfFloats(sources, panels, range) { panel, block, floats in
      if !areFinite(floats, block.count * panelColumns) { allFinite.store(false, ordering: .relaxed) }
      let greatest = scales + panel * panelColumns
      for index in 0..<block.count {
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
    forEachBlockOfFloats(sources, panels, range) { panel, block, floats in
      let target = address(panel: panel, step: block.lowerBound / 2).assumingMemoryBound(to: Int8.self)
      for index in 0..<(block.count + 1) / 2 * 2 {
        let place = target + index / 2 * 2 * panelColumns + index % 2
        for column in 0..<panelColumns {
          let weight = index < block.count ? floats[index * panelColumns + column] : 0
          place[2 * column] = integer(weight, scales[panel * panelColumns + column])
        }
      }
    }
  }

  /// Blocks that are filled as floats first.
  private func forEachBlockOfFloats(
    _ sources: [WeightSource], _ panels: Range<Int>, _ range: Range<Int>,
    _ body: (_ panel: Int, _ inputs: Range<Int>, UnsafeMutablePointer<Float>) -> Void
  ) {
    withUnsafeTemporaryAllocation(of: Float.self, capacity: Self.blockInputs * panelColumns) { room in
      guard let floats = room.baseAddress else { return }
      forEachBlock(panels, range) { panel, block in
        fillBlock(sources, panel: panel, inputs: block, floats)
        body(panel, block, floats)
      }
    }
  }

  private func forEachBlock(
    _ panels: Range<Int>, _ range: Range<Int>, _ body: (_ panel: Int, _ inputs: Range<Int>) -> Void
  ) {
    var input = range.lowerBound
    while input < range.upperBound {
      let block = input..<min(range.upperBound, input + Self.blockInputs)
      for panel in panels { body(panel, block) }
      input = block.upperBound
    }
  }

  /// target[input][column of panel] = the weights of a block, zero beyond the last output.
  private func fillBlock(
    _ sources: [WeightSource], panel: Int, inputs range: Range<Int>, _ target: UnsafeMutablePointer<Float>
  ) {
    let columns = panel * panelColumns..<(panel + 1) * panelColumns
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
