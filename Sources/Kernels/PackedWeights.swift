import Synchronization

/// How a number of a weight source is stored.
public enum ElementType: Sendable {
  case float32, float16, bfloat16

  public var size: Int { self == .float32 ? 4 : 2 }
}

/// Some outputs' weights somewhere in memory, such as a mapped file: the weight from input i to output o is
/// element `i · inputStride + o · outputStride`.
///
/// The inputs of a convolution are its channels once for each tap of the window, in the order (tap, channel): the
/// weight from channel c at tap t is element `c · inputStride + t · tapStride + o · outputStride`.
public struct WeightSource: @unchecked Sendable {
  /// Need not be aligned.
  public var base: UnsafeRawPointer
  public var type: ElementType
  /// In elements.
  public var inputStride: Int
  public var tapStride: Int
  public var outputStride: Int
  public var outputs: Int
  /// What each output's weights are multiplied by, or nil.
  public var gain: UnsafePointer<Float>?

  public init(
    base: UnsafeRawPointer, type: ElementType, inputStride: Int, tapStride: Int = 0, outputStride: Int,
    outputs: Int,
    gain: UnsafePointer<Float>? = nil
  ) {
    self.base = base
    self.type = type
    self.inputStride = inputStride
    self.tapStride = tapStride
    self.outputStride = outputStride
    self.outputs = outputs
    self.gain = gain
  }
}

/// A weight matrix and its bias in the order in which the product reads them.
public final class PackedWeights: Sendable {
  /// [panel][input][column of panel] for the own loops, zero beyond the last output; or one panel as wide as
  /// the matrix for OpenBLAS.
  let weights: AlignedMemory
  public let storage: WeightStorage
  /// One per column, zero where none was given.
  let bias: AlignedBuffer
  /// For integers, what 1 stands for in each column; else empty.
  let scales: AlignedBuffer
  public let hasBias: Bool
  let panelColumns: Int
  public let inputs, outputs: Int

  /// Whether no weight and no bias is NaN or infinite, as found while packing.
  public var isFinite: Bool { allFinite.load(ordering: .relaxed) }
  let allFinite = Atomic<Bool>(true)
  /// Whether every weight so far fitted the storage.
  let allFit = Atomic<Bool>(true)

  /// The memory held.
  public var bytes: Int { weights.bytes + (bias.count + scales.count) * MemoryLayout<Float>.stride }

  /// What takes the place of inputs in the order of the weights: pairs of them, for integers.
  var steps: Int { (inputs + storage.inputsPerStep - 1) / storage.inputsPerStep }

  var panels: Int { outputs == 0 ? 0 : (outputs - 1) / panelColumns + 1 }

  /// Where a panel's weights from some step on lie.
  func address(panel: Int, step: Int = 0) -> UnsafeMutableRawPointer {
    weights.address + (panel * steps + step) * panelColumns * storage.size
  }

  init(
    inputs: Int, outputs: Int, panelColumns: Int, hasBias: Bool, storage: WeightStorage
  ) throws(KernelError) {
    self.inputs = inputs
    self.outputs = outputs
    self.panelColumns = panelColumns
    self.hasBias = hasBias
    self.storage = storage
    let panels = outputs == 0 ? 0 : (outputs - 1) / panelColumns + 1
    let (columns, first) = panels.multipliedReportingOverflow(by: panelColumns)
    let steps = inputs / storage.inputsPerStep + inputs % storage.inputsPerStep
    let (count, second) = columns.multipliedReportingOverflow(by: steps)
    guard inputs >= 0, outputs >= 0, !first, !second else { throw .outOfMemory(bytes: .max) }
    let weights = try AlignedMemory(count: count, size: storage.size)
    switch storage {
    case .float32: weights.address.bindMemory(to: Float.self, capacity: max(count, 1))
    case .float16: weights.address.bindMemory(to: Float16.self, capacity: max(count, 1))
    case .bfloat16: weights.address.bindMemory(to: UInt16.self, capacity: max(count, 1))
    case .int8: weights.address.bindMemory(to: Int8.self, capacity: max(2 * count, 1))
    }
    let bias = try AlignedBuffer(count: columns)
    scales = try AlignedBuffer(count: storage == .int8 ? columns : 0)
    self.weights = weights
    self.bias = bias
  }
}

extension Compute {
  /// Packs weights for `linear`. The sources are consecutive blocks of outputs, such as those of queries, keys
  /// and values.
  /// - Parameters:
  ///   - taps: the places of a convolution's window; divides `inputs`.
  ///   - bias: one number for each output of all sources, or nil.
  ///   - precision: float32 holds them as float16 where that loses nothing. OpenBLAS knows nothing else.
  public func pack(
    inputs: Int, taps: Int = 1, sources: [WeightSource], bias: UnsafePointer<Float>?,
    precision: Precision = .float32
  ) throws(KernelError) -> PackedWeights {
    for storage in storages(precision, inputs: inputs) {
      if let packed = try pack(inputs: inputs, taps: taps, sources: sources, bias: bias, as: storage) {
        return packed
      }
    }
    throw .outOfMemory(bytes: .max)
  }

  /// What to try. A matrix that does not fit halves shows it within its first few numbers, so that trying costs
  /// nothing.
  private func storages(_ precision: Precision, inputs: Int) -> [WeightStorage] {
    if blas != nil { return [.float32] }
    switch precision {
    case .bfloat16: return [.bfloat16]
    // With fewer bits than 8 for the inputs it would not be what it is called.
    case .int8 where Self.integerLimit(inputs: inputs) >= 127: return [.int8]
    default: return keepsHalves ? [.float16, .float32] : [.float32]
    }
  }

  /// The same in a given storage; nil where a weight does not fit it.
  private func pack(
    inputs: Int, taps: Int, sources: [WeightSource], bias: UnsafePointer<Float>?, as storage: WeightStorage
  ) throws(KernelError) -> PackedWeights? {
    assert(taps > 0 && inputs % taps == 0)
    try Attachments.check()
    var outputs = 0
    for source in sources {
      let (sum, overflow) = outputs.addingReportingOverflow(source.outputs)
      guard source.outputs >= 0, !overflow else { throw .outOfMemory(bytes: .max) }
      outputs = sum
    }
    let isPlain = blas != nil
    let packed = try PackedWeights(
      inputs: inputs, outputs: outputs, panelColumns: isPlain ? max(outputs, 1) : loops.panelColumns,
      hasBias: bias != nil, storage: storage)
    for output in 0..<packed.bias.count {
      packed.bias.pointer[output] = output < outputs ? bias?[output] ?? 0 : 0
    }
    if !areFinite(packed.bias.pointer, packed.bias.count) {
      packed.allFinite.store(false, ordering: .relaxed)
    }
    fill(packed, sources, taps)
    return packed.allFit.load(ordering: .relaxed) ? packed : nil
  }

  /// Packs other weights into the same memory, for training, where they change. Nobody may be reading it.
  /// - Parameter bias: one number for each output, or nil.
  package func repack(
    _ packed: PackedWeights, taps: Int = 1, sources: [WeightSource], bias: UnsafePointer<Float>?
  ) {
    assert(packed.storage == .float32)
    for output in 0..<packed.outputs { packed.bias.pointer[output] = bias?[output] ?? 0 }
    fill(packed, sources, taps)
  }

  private func fill(_ packed: PackedWeights, _ sources: [WeightSource], _ taps: Int) {
    let channels = packed.inputs / taps
    // Several panels at once read a row of the source in longer pieces.
    let group = max(1, 256 / packed.panelColumns)
    let loops = loops
    if blas != nil {
      // One panel: shared by channels.
      let pieces = (channels + 63) / 64
      pool.run(pieces) { piece, _ in
        packed.fill(
          sources, panels: 0..<1, taps, channels: piece * 64..<min(channels, (piece + 1) * 64), loops)
      }
    } else {
      let groups = (packed.panels + group - 1) / group
      pool.run(groups) { index, _ in
        let panels = index * group..<min(packed.panels, (index + 1) * group)
        packed.fill(sources, panels: panels, taps, channels: 0..<channels, loops)
      }
    }
  }
}
