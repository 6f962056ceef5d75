import Kernels
import ONNXImport

/// Rows that are looked up, such as the token embeddings: 101 MB of a ViT-B as float32, half of that where every
/// number is that of a half, as in the official models. What is read is the same to the bit.
///
/// Owned and immutable, so that models can be shared between threads and the file can be closed.
struct EmbeddingTable: Sendable {
  private let numbers: CompactNumbers
  private let width: Int

  var storage: WeightStorage { numbers.storage }
  var count: Int { numbers.count }

  /// Copies a weight (rows, width) out of its file, refusing values that are not finite.
  init(_ weight: Weight, width: Int, named name: String, _ compute: Compute) throws(CLIPError) {
    self.width = width
    if weight.isDense {
      numbers = try unsafe weight.withBytes { (base) throws(CLIPError) in
        try converting { () throws(KernelError) in
          unsafe try compute.compact(base, ElementType(weight.kind), count: weight.count)
        }
      }
    } else {
      let values = try converting { () throws(ImportError) in try weight.floats() }
      numbers = try unsafe values.withUnsafeBufferPointer { (floats) throws(CLIPError) in
        guard let base = floats.baseAddress else { throw notFinite(name) }
        return try converting { () throws(KernelError) in
          unsafe try compute.compact(base, .float32, count: floats.count)
        }
      }
    }
    weight.discard()
    guard numbers.isFinite else { throw notFinite(name) }
  }

  /// Copies row `index`, which the caller has checked, to `width` floats.
  func copyRow(_ index: Int, to target: UnsafeMutablePointer<Float>, _ compute: Compute) {
    unsafe compute.copy(numbers, index * width..<(index + 1) * width, to: target)
  }
}
