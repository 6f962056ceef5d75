/// How the elements of a `Weight` are stored.
public enum ElementKind: Sendable { case float32, float16, bfloat16 }

/// A constant array as the file holds it: a strided view of bytes that are not copied.
///
/// Reading is valid as long as a copy of the `Weight` lives (for a model imported from the caller's bytes: as long as
/// the caller keeps them). Elements may be misaligned: nothing in the format aligns them.
public struct Weight: Sendable {
  public let kind: ElementKind
  /// Sizes of the axes, each at least 1. Their product does not overflow and every element lies inside the storage.
  public let shape: [Int]
  /// Distance in elements from one index to the next on each axis; 0 where the axis repeats. Never negative.
  public let strides: [Int]
  /// Where element [0, 0, …] starts in the storage.
  public let byteOffset: Int
  let region: Region

  /// Number of elements.
  public var count: Int { shape.reduce(1, &*) }

  /// The same with its axes in the opposite order.
  public var transposed: Weight {
    Weight(
      kind: kind, shape: shape.reversed(), strides: strides.reversed(), byteOffset: byteOffset, region: region
    )
  }

  /// Bytes of one element.
  public var elementSize: Int { kind == .float32 ? 4 : 2 }

  /// Whether the elements lie one after the other in row-major order.
  public var isDense: Bool {
    var run = 1
    for (size, stride) in zip(shape, strides).reversed() {
      if size > 1 && stride != run { return false }
      run = run &* size
    }
    return true
  }

  /// Lends the address of element [0, 0, …]. Element [i, j, …] lies `(i·strides[0] + j·strides[1] + …)` elements on.
  public func withBytes<R, E: Error>(_ body: (UnsafeRawPointer) throws(E) -> R) throws(E) -> R {
    unsafe try region.withAddress(offset: byteOffset, body)
  }

  /// A dense row-major copy in single precision. Each conversion is exact.
  public func floats() throws(ImportError) -> [Float] {
    let layout = Layout(
      offset: 0, atoms: zip(shape, strides).map { Layout.Atom(size: $0, stride: $1) }, shape: shape)
    let type: ElementType =
      switch kind {
      case .float32: .float32
      case .float16: .float16
      case .bfloat16: .bfloat16
      }
    return try ConstantTensor(
      type: type, count: count, elements: .stored(region, offset: byteOffset, as: type)
    )
    .floats(layout)
  }

  /// A hint that the elements are not needed any more, so that their pages of a mapped file stop counting as memory.
  /// They are read again if touched. Does nothing for memory that is not a mapped file.
  public func discard() {
    let last = zip(shape, strides).reduce(0) { $0 &+ ($1.0 &- 1) &* $1.1 }
    region.discard(offset: byteOffset, count: (last &+ 1) &* elementSize)
  }
}
