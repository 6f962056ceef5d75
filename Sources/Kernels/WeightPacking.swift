import Synchronization

extension PackedWeights {
  /// Inputs at a time, so that the lines written stay in the first-level cache while columns are filled.
  private static let blockInputs = 64

  /// Copies the weights of some panels and inputs to their places. Stops where one does not fit the storage.
  func fill(_ sources: [WeightSource], panels: Range<Int>, inputs range: Range<Int>, _ loops: LoopTable) {
    switch storage {
    case .float32:
      forEachBlock(panels, range) { panel, block in
        let target = address(panel: panel, input: block.lowerBound).assumingMemoryBound(to: Float.self)
        fillBlock(sources, panel: panel, inputs: block, target)
        if !areFinite(target, block.count * panelColumns) { allFinite.store(false, ordering: .relaxed) }
      }
    case .float16:
      withUnsafeTemporaryAllocation(of: Float.self, capacity: Self.blockInputs * panelColumns) { room in
        guard let floats = room.baseAddress else { return }
        forEachBlock(panels, range) { panel, block in
          guard allFit.load(ordering: .relaxed) else { return }
          let target = address(panel: panel, input: block.lowerBound).assumingMemoryBound(to: Float16.self)
          fillBlock(sources, panel: panel, inputs: block, floats)
          if !loops.narrow(floats, target, block.count * panelColumns) {
            allFit.store(false, ordering: .relaxed)
          }
        }
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
