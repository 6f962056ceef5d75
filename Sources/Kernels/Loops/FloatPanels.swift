import CPlatform

// The readers of weights that are floats in the end.

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

// The tiles of each reader, compiled once.

extension FloatPanel {
  @inline(never) func add(_ tile: TileTask) { sum(tile, self) }
}

extension HalfPanel {
  @inline(never) func add(_ tile: TileTask) { sum(tile, self) }
}

extension WideningPanel {
  @inline(never) func add(_ tile: TileTask) { sum(tile, self) }
}

extension IntegerPanel {
  @inline(never) func add(_ tile: TileTask) { sum(tile, self) }
}
