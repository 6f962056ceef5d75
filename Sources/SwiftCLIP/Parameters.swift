import Counters
import Kernels
import ONNXImport

/// Constant floats that a layer reads as they are: gains, biases, position embeddings, token embeddings.
///
/// Owned and immutable, so that models can be shared between threads and the file can be closed.
@safe final class Parameters: @unchecked Sendable {
  let pointer: UnsafePointer<Float>
  let count: Int
  private let storage: AlignedStorage

  /// Copies a weight out of its file, row-major, refusing values that are not finite.
  init(_ weight: Weight, named name: String, _ compute: Compute) throws(CLIPError) {
    storage = try AlignedStorage(count: weight.count)
    count = weight.count
    // The storage was made for exactly these values and is never written again.
    unsafe pointer = UnsafePointer(storage.pointer)
    let isFinite: Bool
    if weight.isDense {
      isFinite = unsafe weight.withBytes { base in
        unsafe compute.copy(base, ElementType(weight.kind), count: count, to: storage.pointer)
      }
    } else {
      let values = try converting { () throws(ImportError) in try weight.floats() }
      isFinite = unsafe values.withUnsafeBytes { bytes in
        guard let base = bytes.baseAddress else { return true }
        return unsafe compute.copy(base, .float32, count: values.count, to: storage.pointer)
      }
    }
    weight.discard()
    guard isFinite else { throw notFinite(name) }
  }

  /// The floats of row `index` of a matrix with `width` columns.
  func row(_ index: Int, width: Int) -> UnsafePointer<Float> { unsafe pointer + index * width }
}

/// An `AlignedBuffer` that several owners may share.
@safe final class AlignedStorage: @unchecked Sendable {
  private let buffer: AlignedBuffer
  let pointer: UnsafeMutablePointer<Float>

  init(count: Int) throws(CLIPError) {
    buffer = try converting { () throws(KernelError) in try AlignedBuffer(count: count) }
    unsafe pointer = buffer.pointer
  }
}

func notFinite(_ name: String) -> CLIPError {
  CLIPError(
    .invalidData,
    "The weights of \(name) are damaged: a value is NaN or infinite, which would spoil every embedding. Export or download the model again."
  )
}

/// Layer normalisation: gain, bias and the epsilon that the graph names.
struct LayerNorm: Sendable {
  let gain: Parameters
  let bias: Parameters
  let epsilon: Float

  init(_ norm: Norm, named name: String, _ compute: Compute) throws(CLIPError) {
    gain = try Parameters(norm.gain, named: "\(name).gain", compute)
    bias = try Parameters(norm.bias, named: "\(name).bias", compute)
    epsilon = norm.epsilon
  }

  func callAsFunction(_ x: MatrixView, into y: MatrixView, _ compute: Compute) {
    Counters.enter(.norms)
    unsafe compute.layerNorm(x, gain: gain.pointer, bias: bias.pointer, epsilon: epsilon, into: y)
  }
}

/// An affine map `y = x · W + b`, its weights packed once in the order in which the kernels read them.
/// Several maps of the same input are packed side by side and computed as one product.
struct Linear: Sendable {
  let weights: PackedWeights

  /// - Parameter precision: other than float32 for maps that are not sensitive to it.
  init(
    _ maps: [ONNXImport.Linear], named name: String, precision: Precision = .float32, _ compute: Compute
  ) throws(CLIPError) {
    let inputs = maps.first?.weight.shape.first ?? 0
    let bias = try Linear.bias(maps, named: name, compute)
    weights = try Linear.withSources(maps.map(\.weight), []) { (sources) throws(CLIPError) in
      try converting { () throws(KernelError) in
        unsafe try compute.pack(
          inputs: inputs, sources: sources, bias: bias?.pointer, precision: precision)
      }
    }
    for map in maps { map.weight.discard() }
    guard weights.isFinite else { throw notFinite(name) }
  }

  init(
    _ map: ONNXImport.Linear, named name: String, precision: Precision = .float32, _ compute: Compute
  ) throws(CLIPError) {
    try self.init([map], named: name, precision: precision, compute)
  }

  func callAsFunction(
    _ x: MatrixView, into y: MatrixView, _ compute: Compute, _ epilogue: Epilogue = Epilogue()
  ) throws(CLIPError) {
    try converting { () throws(KernelError) in try compute.linear(x, weights, into: y, epilogue) }
  }

  /// The biases of all maps one after the other, with zeros for maps that have none; nil if none has.
  private static func bias(
    _ maps: [ONNXImport.Linear], named name: String, _ compute: Compute
  ) throws(CLIPError) -> AlignedStorage? {
    guard maps.contains(where: { $0.bias != nil }) else { return nil }
    let outputs = maps.reduce(0) { $0 + $1.weight.shape[1] }
    let all = try AlignedStorage(count: outputs)
    var column = 0
    for map in maps {
      let values = try map.bias.map { (bias) throws(CLIPError) in
        try Parameters(bias, named: "\(name).bias", compute)
      }
      for output in 0..<map.weight.shape[1] {
        unsafe all.pointer[column] = values.map { unsafe $0.pointer[output] } ?? 0
        column += 1
      }
    }
    return all
  }

  /// Opens the weights one after the other, so that all are readable at once, and calls `body` with them.
  private static func withSources<R>(
    _ rest: [Weight], _ opened: [WeightSource], _ body: ([WeightSource]) throws(CLIPError) -> R
  ) throws(CLIPError) -> R {
    guard let weight = rest.first else { return try body(opened) }
    return try unsafe weight.withBytes { (base) throws(CLIPError) in
      let source = unsafe WeightSource(
        base: base, type: ElementType(weight.kind), inputStride: weight.strides[0],
        outputStride: weight.strides[1], outputs: weight.shape[1])
      return try withSources(Array(rest.dropFirst()), opened + [source], body)
    }
  }
}

extension ElementType {
  init(_ kind: ElementKind) {
    switch kind {
    case .float32: self = .float32
    case .float16: self = .float16
    case .bfloat16: self = .bfloat16
    }
  }
}
