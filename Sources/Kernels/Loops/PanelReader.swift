import CPlatform

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

/// Weights stored as int8, in pairs of inputs.
struct IntegerPanel: StoredPanel {
  typealias Numbers = IntegerArithmetic
  private var pointer: UnsafePointer<Int8>

  @inline(__always) static var unrolls: Bool { false }
  @inline(__always) init(_ start: UnsafeRawPointer) { pointer = start.assumingMemoryBound(to: Int8.self) }
  @inline(__always) func vector(_ index: Int) -> Pairs { Integers.pairs(pointer + index * 2 * lanes) }
  @inline(__always) mutating func advance(by vectors: Int) { pointer += vectors * 2 * lanes }
}
