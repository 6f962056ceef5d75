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

/// How packed weights are held. The results are the same to the bit: halves are widened before they are
/// multiplied.
public enum WeightStorage: Sendable {
  case float32
  /// Half the memory and half the traffic, for a matrix whose every weight has a half of the same value, as
  /// the official ones have, which were released in float16.
  case float16

  var size: Int { self == .float32 ? MemoryLayout<Float>.size : MemoryLayout<Float16>.size }
}

/// A weight matrix and its bias in the order in which the product reads them.
public final class PackedWeights: Sendable {
  /// [panel][input][column of panel] for the own loops, zero beyond the last output; or one panel as wide as
  /// the matrix for OpenBLAS.
  let weights: AlignedMemory
  public let storage: WeightStorage
  /// One per column, zero where none was given.
  let bias: AlignedBuffer
  public let hasBias: Bool
  let panelColumns: Int
  public let inputs, outputs: Int

  /// Whether no weight and no bias is NaN or infinite, as found while packing.
  public var isFinite: Bool { allFinite.load(ordering: .relaxed) }
  let allFinite = Atomic<Bool>(true)
  /// Whether every weight so far fitted the storage.
  let allFit = Atomic<Bool>(true)

  /// The memory held.
  public var bytes: Int { weights.bytes + bias.count * MemoryLayout<Float>.stride }

  var panels: Int { outputs == 0 ? 0 : (outputs - 1) / panelColumns + 1 }

  /// Where a panel's weights from some input on lie.
  func address(panel: Int, input: Int = 0) -> UnsafeMutableRawPointer {
    weights.address + (panel * inputs + input) * panelColumns * storage.size
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
    let (count, second) = columns.multipliedReportingOverflow(by: inputs)
    guard inputs >= 0, outputs >= 0, !first, !second else { throw .outOfMemory(bytes: .max) }
    weights = try AlignedMemory(count: count, size: storage.size)
    switch storage {
    case .float32: weights.address.bindMemory(to: Float.self, capacity: max(count, 1))
    case .float16: weights.address.bindMemory(to: Float16.self, capacity: max(count, 1))
    }
    bias = try AlignedBuffer(count: columns)
  }
}

extension Compute {
  /// Packs weights for `linear`. The sources are consecutive blocks of outputs, such as those of queries, keys
  /// and values. They are held as float16 where that loses nothing.
  /// - Parameters:
  ///   - taps: the places of a convolution's window; divides `inputs`.
  ///   - bias: one number for each output of all sources, or nil.
  public func pack(
    inputs: Int, taps: Int = 1, sources: [WeightSource], bias: UnsafePointer<Float>?
  ) throws(KernelError) -> PackedWeights {
    // A matrix that does not fit shows it within its first few numbers, so that trying costs nothing.
    if keepsHalves, blas == nil,
      let halves = try pack(inputs: inputs, taps: taps, sources: sources, bias: bias, as: .float16)
    {
      return halves
    }
    guard let floats = try pack(inputs: inputs, taps: taps, sources: sources, bias: bias, as: .float32) else {
      throw .outOfMemory(bytes: .max)
    }
    return floats
  }

  /// The same in a given storage; nil where a weight does not fit it.
  private func pack(
    inputs: Int, taps: Int, sources: [WeightSource], bias: UnsafePointer<Float>?, as storage: WeightStorage
  ) throws(KernelError) -> PackedWeights? {
    assert(taps > 0 && inputs % taps == 0)
    let channels = inputs / taps
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
    // Several panels at once read a row of the source in longer pieces.
    let group = max(1, 256 / packed.panelColumns)
    let loops = loops
    if isPlain {
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
    return packed.allFit.load(ordering: .relaxed) ? packed : nil
  }
}
