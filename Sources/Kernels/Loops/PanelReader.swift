/// Packed weights as the tile reads them: two vectors of float32 for each k, whatever is stored. Registers:
/// the vectors live for one k; widening takes none beside them.
protocol PanelReader {
  init(_ start: UnsafeRawPointer)
  /// The index-th vector from here.
  func vector(_ index: Int) -> Vector
  mutating func advance(by vectors: Int)
  /// A tile whose rows lie at `a[k · step + row]`: c = a·b, or c += a·b if it `continues`, b being `depth` k's
  /// from here. For every fourth k `aheadStep` bytes at `ahead`, at least a line, are prefetched, and `ahead`
  /// moves on by as many.
  func tile(
    rows: Int, depth: Int, a: UnsafePointer<Float>, step: Int,
    c: UnsafeMutablePointer<Float>, stride: Int, continues: Bool, ahead: UnsafeRawPointer, aheadStep: Int)
}

/// Weights stored as float32.
struct FloatPanel: PanelReader {
  private var pointer: UnsafePointer<Float>

  @inline(__always) init(_ start: UnsafeRawPointer) { pointer = start.assumingMemoryBound(to: Float.self) }
  @inline(__always) func vector(_ index: Int) -> Vector { load(pointer + index * lanes) }
  @inline(__always) mutating func advance(by vectors: Int) { pointer += vectors * lanes }
}

/// Weights stored as float16, widened in registers.
struct HalfPanel: PanelReader {
  private var pointer: UnsafePointer<Float16>

  @inline(__always) init(_ start: UnsafeRawPointer) { pointer = start.assumingMemoryBound(to: Float16.self) }
  @inline(__always) func vector(_ index: Int) -> Vector { Half.widened(pointer + index * lanes) }
  @inline(__always) mutating func advance(by vectors: Int) { pointer += vectors * lanes }
}
