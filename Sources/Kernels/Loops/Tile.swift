import CPlatform

/// The sums of a tile of the product: some rows, two vectors wide. A type for each number of rows, built from
/// the type for one row less, so that every sum is a variable of its own and lives in a register.
protocol TileRows {
  static var count: Int { get }
  /// All sums zero.
  init()
  /// Sums that an earlier K block left at `c`.
  init(_ c: UnsafePointer<Float>, _ stride: Int)
  /// One k: each row's value of A times the two vectors of B.
  mutating func add(_ a: UnsafePointer<Float>, _ low: Vector, _ high: Vector)
  func store(_ c: UnsafeMutablePointer<Float>, _ stride: Int)
}

struct NoRows: TileRows {
  @inline(__always) static var count: Int { 0 }
  @inline(__always) init() {}
  @inline(__always) init(_ c: UnsafePointer<Float>, _ stride: Int) {}
  @inline(__always) func add(_ a: UnsafePointer<Float>, _ low: Vector, _ high: Vector) {}
  @inline(__always) func store(_ c: UnsafeMutablePointer<Float>, _ stride: Int) {}
}

struct AndRow<Rest: TileRows>: TileRows {
  var low: Vector
  var high: Vector
  var rest: Rest

  @inline(__always) static var count: Int { Rest.count + 1 }

  @inline(__always)
  init() {
    low = Vector()
    high = Vector()
    rest = Rest()
  }

  @inline(__always)
  init(_ c: UnsafePointer<Float>, _ stride: Int) {
    low = load(c)
    high = load(c + lanes)
    rest = Rest(c + stride, stride)
  }

  @inline(__always)
  mutating func add(_ a: UnsafePointer<Float>, _ low: Vector, _ high: Vector) {
    let value = Vector(repeating: a[0])
    self.low = multiplyAdd(value, low, self.low)
    self.high = multiplyAdd(value, high, self.high)
    rest.add(a + 1, low, high)
  }

  @inline(__always)
  func store(_ c: UnsafeMutablePointer<Float>, _ stride: Int) {
    Kernel.store(low, high, c)
    rest.store(c + stride, stride)
  }
}

enum Kernel {
  @inline(__always)
  static func store(_ low: Vector, _ high: Vector, _ c: UnsafeMutablePointer<Float>) {
    let raw = UnsafeMutableRawPointer(c)
    raw.storeBytes(of: low, as: Vector.self)
    (raw + MemoryLayout<Vector>.stride).storeBytes(of: high, as: Vector.self)
  }
}

typealias Rows1 = AndRow<NoRows>
typealias Rows2 = AndRow<Rows1>
typealias Rows3 = AndRow<Rows2>
typealias Rows4 = AndRow<Rows3>
typealias Rows5 = AndRow<Rows4>
typealias Rows6 = AndRow<Rows5>
#if AVX512
  typealias Rows7 = AndRow<Rows6>
  typealias Rows8 = AndRow<Rows7>
  typealias Rows9 = AndRow<Rows8>
  typealias Rows10 = AndRow<Rows9>
  typealias Rows11 = AndRow<Rows10>
  typealias Rows12 = AndRow<Rows11>
  typealias Rows13 = AndRow<Rows12>
  typealias Rows14 = AndRow<Rows13>
#endif

/// Rows of the largest tile: what the registers hold beside two vectors of B and one of A.
#if AVX512
  @inline(__always) var tileRows: Int { 14 }
#else
  @inline(__always) var tileRows: Int { 6 }
#endif

/// Columns of every tile, and of a panel of packed weights.
@inline(__always) var tileColumns: Int { 2 * lanes }

/// Sums a tile over `depth` values of k, in ascending order, each sum being one chain of multiply-adds. The
/// number of rows changes nothing in the sum of a row.
@inline(__always)
private func sumTile<R: TileRows, B: PanelReader>(
  _: R.Type, _ depth: Int, _ a: UnsafePointer<Float>, _ step: Int, _ b: B,
  _ c: UnsafeMutablePointer<Float>, _ stride: Int, _ continues: Bool,
  _ ahead: UnsafeRawPointer, _ aheadStep: Int
) {
  var sums = continues ? R(c, stride) : R()
  var a = a
  var b = b
  var ahead = ahead
  for _ in 0..<depth / 4 {
    platform_prefetch(ahead)
    // With few tiles each has several lines to ask for.
    var line = 64
    while line < aheadStep {
      platform_prefetch(ahead + line)
      line += 64
    }
    ahead += aheadStep
    sums.add(a, b.vector(0), b.vector(1))
    sums.add(a + step, b.vector(2), b.vector(3))
    sums.add(a + 2 * step, b.vector(4), b.vector(5))
    sums.add(a + 3 * step, b.vector(6), b.vector(7))
    a += 4 * step
    b.advance(by: 8)
  }
  for _ in 0..<depth % 4 {
    sums.add(a, b.vector(0), b.vector(1))
    a += step
    b.advance(by: 2)
  }
  sums.store(c, stride)
}

/// Picks the tile type of a number of rows.
@inline(__always)
private func sumRows<B: PanelReader>(
  _ rows: Int, _ depth: Int, _ a: UnsafePointer<Float>, _ step: Int, _ b: B,
  _ c: UnsafeMutablePointer<Float>, _ stride: Int, _ continues: Bool,
  _ ahead: UnsafeRawPointer, _ aheadStep: Int
) {
  switch rows {
  case 1: sumTile(Rows1.self, depth, a, step, b, c, stride, continues, ahead, aheadStep)
  case 2: sumTile(Rows2.self, depth, a, step, b, c, stride, continues, ahead, aheadStep)
  case 3: sumTile(Rows3.self, depth, a, step, b, c, stride, continues, ahead, aheadStep)
  case 4: sumTile(Rows4.self, depth, a, step, b, c, stride, continues, ahead, aheadStep)
  case 5: sumTile(Rows5.self, depth, a, step, b, c, stride, continues, ahead, aheadStep)
  #if AVX512
    case 6: sumTile(Rows6.self, depth, a, step, b, c, stride, continues, ahead, aheadStep)
    case 7: sumTile(Rows7.self, depth, a, step, b, c, stride, continues, ahead, aheadStep)
    case 8: sumTile(Rows8.self, depth, a, step, b, c, stride, continues, ahead, aheadStep)
    case 9: sumTile(Rows9.self, depth, a, step, b, c, stride, continues, ahead, aheadStep)
    case 10: sumTile(Rows10.self, depth, a, step, b, c, stride, continues, ahead, aheadStep)
    case 11: sumTile(Rows11.self, depth, a, step, b, c, stride, continues, ahead, aheadStep)
    case 12: sumTile(Rows12.self, depth, a, step, b, c, stride, continues, ahead, aheadStep)
    case 13: sumTile(Rows13.self, depth, a, step, b, c, stride, continues, ahead, aheadStep)
    default: sumTile(Rows14.self, depth, a, step, b, c, stride, continues, ahead, aheadStep)
  #else
    default: sumTile(Rows6.self, depth, a, step, b, c, stride, continues, ahead, aheadStep)
  #endif
  }
}

// One function each, so that the tiles of a reader are compiled once and beside their types.

extension FloatPanel {
  /// A tile from here on; see `PanelReader`.
  @inline(never)
  func tile(
    rows: Int, depth: Int, a: UnsafePointer<Float>, step: Int,
    c: UnsafeMutablePointer<Float>, stride: Int, continues: Bool, ahead: UnsafeRawPointer, aheadStep: Int
  ) {
    sumRows(rows, depth, a, step, self, c, stride, continues, ahead, aheadStep)
  }
}

extension HalfPanel {
  /// A tile from here on; see `PanelReader`.
  @inline(never)
  func tile(
    rows: Int, depth: Int, a: UnsafePointer<Float>, step: Int,
    c: UnsafeMutablePointer<Float>, stride: Int, continues: Bool, ahead: UnsafeRawPointer, aheadStep: Int
  ) {
    sumRows(rows, depth, a, step, self, c, stride, continues, ahead, aheadStep)
  }
}
