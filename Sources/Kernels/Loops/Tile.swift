import CPlatform

/// The sums of a tile of the product: some rows, two vectors wide. A type for each number of rows, built from
/// the type for one row less, so that every sum is a variable of its own and lives in a register.
protocol TileRows {
  associatedtype Numbers: Arithmetic
  static var count: Int { get }
  /// All sums zero.
  init()
  /// Sums that an earlier K block left at `c`.
  init(_ c: UnsafePointer<Float>, _ stride: Int)
  /// One k: each row's value of A, `step` apart, times the two vectors of B.
  mutating func add(_ a: UnsafePointer<Float>, _ step: Int, _ low: Numbers.Factor, _ high: Numbers.Factor)
  func store(_ c: UnsafeMutablePointer<Float>, _ stride: Int)
}

struct NoRows<Numbers: Arithmetic>: TileRows {
  @inline(__always) static var count: Int { 0 }
  @inline(__always) init() {}
  @inline(__always) init(_ c: UnsafePointer<Float>, _ stride: Int) {}
  @inline(__always)
  func add(_ a: UnsafePointer<Float>, _ step: Int, _ low: Numbers.Factor, _ high: Numbers.Factor) {}
  @inline(__always) func store(_ c: UnsafeMutablePointer<Float>, _ stride: Int) {}
}

struct AndRow<Rest: TileRows>: TileRows {
  typealias Numbers = Rest.Numbers
  var low: Numbers.Sum
  var high: Numbers.Sum
  var rest: Rest

  @inline(__always) static var count: Int { Rest.count + 1 }

  @inline(__always)
  init() {
    low = Numbers.zero
    high = Numbers.zero
    rest = Rest()
  }

  @inline(__always)
  init(_ c: UnsafePointer<Float>, _ stride: Int) {
    rest = Rest(c, stride)
    low = Numbers.sums(c + Rest.count * stride)
    high = Numbers.sums(c + Rest.count * stride + lanes)
  }

  @inline(__always)
  mutating func add(_ a: UnsafePointer<Float>, _ step: Int, _ low: Numbers.Factor, _ high: Numbers.Factor) {
    rest.add(a, step, low, high)
    // By its number, not from the row before: a chain of additions would take as long as the arithmetic.
    let value = Numbers.repeated(a + Rest.count * step)
    self.low = Numbers.add(value, low, to: self.low)
    self.high = Numbers.add(value, high, to: self.high)
  }

  @inline(__always)
  func store(_ c: UnsafeMutablePointer<Float>, _ stride: Int) {
    rest.store(c, stride)
    Numbers.store(low, c + Rest.count * stride)
    Numbers.store(high, c + Rest.count * stride + lanes)
  }
}

typealias Rows1<N: Arithmetic> = AndRow<NoRows<N>>
typealias Rows2<N: Arithmetic> = AndRow<Rows1<N>>
typealias Rows3<N: Arithmetic> = AndRow<Rows2<N>>
typealias Rows4<N: Arithmetic> = AndRow<Rows3<N>>
typealias Rows5<N: Arithmetic> = AndRow<Rows4<N>>
typealias Rows6<N: Arithmetic> = AndRow<Rows5<N>>
#if AVX512
  typealias Rows7<N: Arithmetic> = AndRow<Rows6<N>>
  typealias Rows8<N: Arithmetic> = AndRow<Rows7<N>>
  typealias Rows9<N: Arithmetic> = AndRow<Rows8<N>>
  typealias Rows10<N: Arithmetic> = AndRow<Rows9<N>>
  typealias Rows11<N: Arithmetic> = AndRow<Rows10<N>>
  typealias Rows12<N: Arithmetic> = AndRow<Rows11<N>>
  typealias Rows13<N: Arithmetic> = AndRow<Rows12<N>>
  typealias Rows14<N: Arithmetic> = AndRow<Rows13<N>>
#endif

/// Rows of the largest tile: what the registers hold beside two vectors of B and one of A.
#if AVX512
  @inline(__always) var tileRows: Int { 14 }
#else
  @inline(__always) var tileRows: Int { 6 }
#endif

/// Columns of every tile, and of a panel of packed weights.
@inline(__always) var tileColumns: Int { 2 * lanes }

/// Sums a tile in ascending order of k, each sum being one chain of multiply-adds. The number of rows changes
/// nothing in the sum of a row.
@inline(__always)
private func sum<R: TileRows, B: PanelReader>(_: R.Type, _ tile: TileTask, _ b: B)
where R.Numbers == B.Numbers {
  let (c, step, rowStep) = (tile.c, tile.step, tile.rowStep)
  var sums = tile.continues ? R(c, tile.stride) : R()
  var a = tile.a
  var b = b
  var ahead = tile.ahead
  var remaining = tile.depth
  while remaining > 0 {
    platform_prefetch(ahead)
    // With few tiles each has several lines to ask for.
    var line = 64
    while line < tile.aheadStep {
      platform_prefetch(ahead + line)
      line += 64
    }
    ahead += tile.aheadStep
    if B.unrolls && remaining >= 4 {
      sums.add(a, rowStep, b.vector(0), b.vector(1))
      sums.add(a + step, rowStep, b.vector(2), b.vector(3))
      sums.add(a + 2 * step, rowStep, b.vector(4), b.vector(5))
      sums.add(a + 3 * step, rowStep, b.vector(6), b.vector(7))
      a += 4 * step
      b.advance(by: 8)
    } else {
      // A count that the compiler cannot see.
      for _ in 0..<min(4, remaining) {
        sums.add(a, rowStep, b.vector(0), b.vector(1))
        a += step
        b.advance(by: 2)
      }
    }
    remaining -= 4
  }
  sums.store(c, tile.stride)
}

/// Picks the type of a number of rows.
@inline(__always)
func sum<B: PanelReader>(_ tile: TileTask, _ b: B) {
  switch tile.rows {
  case 1: sum(Rows1<B.Numbers>.self, tile, b)
  case 2: sum(Rows2<B.Numbers>.self, tile, b)
  case 3: sum(Rows3<B.Numbers>.self, tile, b)
  case 4: sum(Rows4<B.Numbers>.self, tile, b)
  case 5: sum(Rows5<B.Numbers>.self, tile, b)
  #if AVX512
    case 6: sum(Rows6<B.Numbers>.self, tile, b)
    case 7: sum(Rows7<B.Numbers>.self, tile, b)
    case 8: sum(Rows8<B.Numbers>.self, tile, b)
    case 9: sum(Rows9<B.Numbers>.self, tile, b)
    case 10: sum(Rows10<B.Numbers>.self, tile, b)
    case 11: sum(Rows11<B.Numbers>.self, tile, b)
    case 12: sum(Rows12<B.Numbers>.self, tile, b)
    case 13: sum(Rows13<B.Numbers>.self, tile, b)
    default: sum(Rows14<B.Numbers>.self, tile, b)
  #else
    default: sum(Rows6<B.Numbers>.self, tile, b)
  #endif
  }
}
