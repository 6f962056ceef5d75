import CCodecs

/// The weights of an `AxisFilter` in fixed point, laid out for the instruction that multiplies pairs of
/// 16-bit integers and adds each pair.
///
/// A weight has 22 fraction bits and so does not fit 16. It is split as high * 2^15 + low with
/// 0 <= low < 2^15; the two sums are put together at the end. All of it is arithmetic modulo 2^32 and the
/// total fits 32 bits, so the result is the one that plain 32-bit multiplication gives.
struct PackedFilter: ~Copyable {
  /// Outputs that are kept.
  let count: Int
  /// Vectors reserved for each output; each holds four weights.
  let reach: Int
  /// Per output: its first input, counted from `base`, and how many vectors follow.
  let firsts: Memory<Int>, groups: Memory<Int>
  /// high 0, high 1, low 0, low 1, high 2, high 3, low 2, low 3
  let vectors: Memory<SIMD8<Int16>>

  /// First inputs are counted from `base` and moved down to a multiple of `alignment` (1 or 2).
  init(_ filter: borrowing AxisFilter, base: Int, alignment: Int) throws(ImagingError) {
    let count = filter.count
    let reach = (filter.reach + alignment + 2) / 4 + 1
    let firsts = try Memory<Int>(count, for: "filter bounds")
    let groups = try Memory<Int>(count, for: "filter bounds")
    let vectors = try Memory<SIMD8<Int16>>(try product(count, reach), for: "filter weights")
    vectors.fill(byte: 0)
    for slot in 0..<count {
      // slot < count, the length of each of these.
      let start = unsafe filter.starts.base[slot] - base
      let length = unsafe filter.lengths.base[slot]
      let first = start - start % alignment
      unsafe firsts.base[slot] = first
      unsafe groups.base[slot] = (start - first + length + 3) / 4
      for i in 0..<length {
        // i < length <= filter.reach, and the shift by start - first stays within `reach` vectors.
        let weight = unsafe AxisFilter.fixed(filter.weights.base[slot * filter.reach + i])
        let place = start - first + i
        unsafe Self.put(weight, at: place % 4, in: vectors.base + (slot * reach + place / 4))
      }
    }
    self.count = count
    self.reach = reach
    self.firsts = consume firsts
    self.groups = consume groups
    self.vectors = consume vectors
  }

  private static func put(_ weight: Int32, at place: Int, in vector: UnsafeMutablePointer<SIMD8<Int16>>) {
    let lane = (place / 2) * 4 + place % 2
    unsafe vector.pointee[lane] = Int16(truncatingIfNeeded: weight >> 15)
    unsafe vector.pointee[lane + 2] = Int16(truncatingIfNeeded: weight & 0x7fff)
  }

  /// Half a unit of the result, with which every sum begins.
  static var half: SIMD4<Int32> { SIMD4(repeating: 1 << (AxisFilter.fractionBits - 1)) }
}

/// Two neighbouring weights of a vector of weights, four times.
@inline(__always)
private func weights(_ vector: SIMD4<Int32>, _ lane: Int) -> SIMD8<Int16> {
  // Both types are 16 bytes without padding.
  unsafe unsafeBitCast(SIMD4<Int32>(repeating: vector[lane]), to: SIMD8<Int16>.self)
}

/// The sums of the high and the low parts to values of a channel, still unclipped.
@inline(__always)
private func joined(_ high: SIMD4<Int32>, _ low: SIMD4<Int32>) -> SIMD4<Int32> {
  ((high &<< 15) &+ low) &>> SIMD4<Int32>(repeating: AxisFilter.fractionBits)
}

/// Sums of one row's channels, high parts and low parts of the weights apart.
private struct Sums {
  var high = SIMD4<Int32>.zero
  var low = PackedFilter.half

  @inline(__always)
  mutating func add(_ pixels: SIMD8<Int16>, _ highs: SIMD8<Int16>, _ lows: SIMD8<Int16>) {
    high &+= ccodecs_multiply_pairs(pixels, highs)
    low &+= ccodecs_multiply_pairs(pixels, lows)
  }

  @inline(__always)
  var values: SIMD4<Int32> { joined(high, low) }
}

/// Four rows that are resampled together, so that weights are loaded once for them.
struct FourRows<Pointer> {
  var a: Pointer, b: Pointer, c: Pointer, d: Pointer
}

/// Turns rows of 4-byte pixels into what `resampleRows` reads: pairs of pixels channel by channel.
func pairPixels(_ row: UnsafeMutablePointer<UInt8>, bytes: Int) {
  let raw = UnsafeMutableRawPointer(row)
  for offset in stride(from: 0, to: bytes, by: 16) {
    // The caller's rows are padded to whole vectors.
    let four = unsafe raw.loadUnaligned(fromByteOffset: offset, as: SIMD16<UInt8>.self)
    unsafe raw.storeBytes(of: ccodecs_pair_pixels(four), toByteOffset: offset, as: SIMD16<UInt8>.self)
  }
}

/// Resamples four rows along x. `rows` hold pairs of pixels from column `base` of the filter on and
/// have 16 readable bytes beyond the last pixel. A result takes `step` bytes, 3 or 4, and writes 4, so
/// the rows of `results` have a byte to spare.
func resampleRows(
  _ rows: FourRows<UnsafePointer<UInt8>>, _ filter: borrowing PackedFilter,
  into results: FourRows<UnsafeMutablePointer<UInt8>>, step: Int
) {
  let (a, b) = unsafe (UnsafeRawPointer(rows.a), UnsafeRawPointer(rows.b))
  let (c, d) = unsafe (UnsafeRawPointer(rows.c), UnsafeRawPointer(rows.d))
  var place = 0
  for slot in 0..<filter.count {
    // The filter's bounds lie in the rows; vectors are four pixels, the last one reaching into the padding.
    var offset = unsafe filter.firsts.base[slot] &* 4
    let vectors = unsafe filter.vectors.base + slot &* filter.reach
    var (sumA, sumB, sumC, sumD) = (Sums(), Sums(), Sums(), Sums())
    for group in 0..<(unsafe filter.groups.base[slot]) {
      let four = unsafe unsafeBitCast(vectors[group], to: SIMD4<Int32>.self)
      let (high0, low0, high1, low1) = (
        weights(four, 0), weights(four, 1), weights(four, 2), weights(four, 3)
      )
      let pixelsA = unsafe a.loadUnaligned(fromByteOffset: offset, as: SIMD16<UInt8>.self)
      sumA.add(ccodecs_widen_low(pixelsA), high0, low0)
      sumA.add(ccodecs_widen_high(pixelsA), high1, low1)
      let pixelsB = unsafe b.loadUnaligned(fromByteOffset: offset, as: SIMD16<UInt8>.self)
      sumB.add(ccodecs_widen_low(pixelsB), high0, low0)
      sumB.add(ccodecs_widen_high(pixelsB), high1, low1)
      let pixelsC = unsafe c.loadUnaligned(fromByteOffset: offset, as: SIMD16<UInt8>.self)
      sumC.add(ccodecs_widen_low(pixelsC), high0, low0)
      sumC.add(ccodecs_widen_high(pixelsC), high1, low1)
      let pixelsD = unsafe d.loadUnaligned(fromByteOffset: offset, as: SIMD16<UInt8>.self)
      sumD.add(ccodecs_widen_low(pixelsD), high0, low0)
      sumD.add(ccodecs_widen_high(pixelsD), high1, low1)
      offset &+= 16
    }
    let clipped = ccodecs_clip(sumA.values, sumB.values, sumC.values, sumD.values)
    let pixels = unsafe unsafeBitCast(clipped, to: SIMD4<UInt32>.self)
    unsafe UnsafeMutableRawPointer(results.a + place).storeBytes(of: pixels[0], as: UInt32.self)
    unsafe UnsafeMutableRawPointer(results.b + place).storeBytes(of: pixels[1], as: UInt32.self)
    unsafe UnsafeMutableRawPointer(results.c + place).storeBytes(of: pixels[2], as: UInt32.self)
    unsafe UnsafeMutableRawPointer(results.d + place).storeBytes(of: pixels[3], as: UInt32.self)
    place &+= step
  }
}

/// Resamples along y the first `width` bytes of rows that are `stride` bytes apart; `width` and `stride`
/// are multiples of 16. Three readable rows follow the last one. Results are `width` bytes apart.
func resampleColumns(
  _ source: UnsafePointer<UInt8>, stride: Int, width: Int, _ filter: borrowing PackedFilter,
  into results: UnsafeMutablePointer<UInt8>
) {
  for slot in 0..<filter.count {
    // As above: bounds lie in the rows, the last vector of weights reaching into the padding.
    let first = unsafe UnsafeRawPointer(source + filter.firsts.base[slot] &* stride)
    let vectors = unsafe filter.vectors.base + slot &* filter.reach
    let groups = unsafe filter.groups.base[slot]
    let result = unsafe UnsafeMutableRawPointer(results + slot &* width)
    for x in Swift.stride(from: 0, to: width, by: 16) {
      var row = unsafe first + x
      var (sum0, sum1, sum2, sum3) = (Sums(), Sums(), Sums(), Sums())
      for group in 0..<groups {
        let four = unsafe unsafeBitCast(vectors[group], to: SIMD4<Int32>.self)
        for pair in 0..<2 {
          let (high, low) = (weights(four, pair &* 2), weights(four, pair &* 2 &+ 1))
          let above = unsafe row.loadUnaligned(as: SIMD16<UInt8>.self)
          let below = unsafe (row + stride).loadUnaligned(as: SIMD16<UInt8>.self)
          let left = ccodecs_interleave_low(above, below)
          let right = ccodecs_interleave_high(above, below)
          sum0.add(ccodecs_widen_low(left), high, low)
          sum1.add(ccodecs_widen_high(left), high, low)
          sum2.add(ccodecs_widen_low(right), high, low)
          sum3.add(ccodecs_widen_high(right), high, low)
          unsafe row += stride &* 2
        }
      }
      let clipped = ccodecs_clip(sum0.values, sum1.values, sum2.values, sum3.values)
      unsafe result.storeBytes(of: clipped, toByteOffset: x, as: SIMD16<UInt8>.self)
    }
  }
}
