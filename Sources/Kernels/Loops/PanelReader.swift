/// Packed weights as the tile reads them: two vectors for each k, whatever is stored.
protocol PanelReader {
  /// Whether four k's may be written out one after the other. With halves the compiler would widen all of them
  /// first and keep them on the stack.
  static var unrolls: Bool { get }
  associatedtype Numbers: Arithmetic = FloatArithmetic
  /// The index-th vector from here.
  func vector(_ index: Int) -> Numbers.Factor
  mutating func advance(by vectors: Int)
  /// Sums a tile over the k's from here on.
  func add(_ tile: TileTask)
}

/// Weights read as they are stored.
protocol StoredPanel: PanelReader {
  init(_ start: UnsafeRawPointer)
}

/// Weights stored as float32.
struct FloatPanel: StoredPanel {
  private var pointer: UnsafePointer<Float>

  @inline(__always) static var unrolls: Bool { true }
  @inline(__always) init(_ start: UnsafeRawPointer) { pointer = start.assumingMemoryBound(to: Float.self) }
  @inline(__always) func vector(_ index: Int) -> Vector { load(pointer + index * lanes) }
  @inline(__always) mutating func advance(by vectors: Int) { pointer += vectors * lanes }
}

/// Whether halves are widened once for all tiles of a panel, by the first, which writes them down for the others.
/// With AVX2 conversions hide behind the multiply-adds of every tile (Zen 3: 100 of 100 GFLOP/s, 98 if written
/// down); with AVX-512 they take the ports of multiply-adds on some processors, and without F16C they are integer
/// arithmetic.
@inline(__always) var widensOnce: Bool {
  #if AVX2
    false
  #else
    true
  #endif
}

/// Weights stored as int8, in pairs of inputs.
struct IntegerPanel: StoredPanel {
  typealias Numbers = IntegerArithmetic
  private var pointer: UnsafePointer<Int8>

  @inline(__always) static var unrolls: Bool { false }
  @inline(__always) init(_ start: UnsafeRawPointer) { pointer = start.assumingMemoryBound(to: Int8.self) }
  @inline(__always) func vector(_ index: Int) -> Pairs { Integers.pairs(pointer + index * 2 * lanes) }
  @inline(__always) mutating func advance(by vectors: Int) { pointer += vectors * 2 * lanes }
}

/// Weights stored as float16, widened in registers.
struct HalfPanel: StoredPanel {
  private var pointer: UnsafePointer<Float16>

  @inline(__always) static var unrolls: Bool { false }
  @inline(__always) init(_ start: UnsafeRawPointer) { pointer = start.assumingMemoryBound(to: Float16.self) }
  @inline(__always) func vector(_ index: Int) -> Vector { Half.widened(pointer + index * lanes) }
  @inline(__always) mutating func advance(by vectors: Int) { pointer += vectors * lanes }
}

/// Weights stored as float16, widened in registers for the first tile that reads them, and written as float32
/// for those that follow.
struct WideningPanel: PanelReader {
  private var pointer: UnsafePointer<Float16>
  private var widened: UnsafeMutablePointer<Float>

  @inline(__always) static var unrolls: Bool { false }
  @inline(__always)
  init(_ start: UnsafeRawPointer, into widened: UnsafeMutablePointer<Float>) {
    pointer = start.assumingMemoryBound(to: Float16.self)
    self.widened = widened
  }

  @inline(__always)
  func vector(_ index: Int) -> Vector {
    let vector = Half.widened(pointer + index * lanes)
    store(vector, widened + index * lanes)
    return vector
  }

  @inline(__always)
  mutating func advance(by vectors: Int) {
    pointer += vectors * lanes
    widened += vectors * lanes
  }
}
