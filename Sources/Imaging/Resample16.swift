extension KeptPixels {
  /// Pillow's resampling of I;16: weights in double precision, each pass rounded to 16 bits, and at the end
  /// its conversion to RGB, which clips values above 255.
  static func resample16<Source: RowSource & ~Copyable>(
    _ source: inout Source, _ plan: Plan, _ horizontal: borrowing AxisFilter,
    _ vertical: borrowing AxisFilter,
    into result: UnsafeMutablePointer<UInt8>, _ stride: Int
  ) throws(ImagingError) {
    let size = plan.geometry.size
    let rows = vertical.inputs
    let columns = try source.begin(columns: horizontal.inputs, firstRow: rows.lowerBound)
    let region = try Memory<UInt16>(try product(columns.count, rows.count), for: "the decoded picture")
    try unsafe UnsafeMutableRawPointer(region.base).withMemoryRebound(
      to: UInt8.self, capacity: region.count * 2
    ) { (bytes) throws(ImagingError) in
      try unsafe source.read(rows.count, into: bytes, stride: columns.count * 2)
    }
    let isVerticalFirst = plan.geometry.isVerticalFirst
    let between = try Memory<UInt16>(
      try product(isVerticalFirst ? columns.count : rows.count, size), for: "half-resized rows")
    let gray = try Memory<UInt16>(try product(size, size), for: "the resized picture")
    // Each grid is read as `rows` x `columns`, then as what the first pass makes of it.
    if isVerticalFirst {
      unsafe alongY(region.base, width: columns.count, vertical, base: rows.lowerBound, into: between.base)
      unsafe alongX(
        between.base, width: columns.count, rows: size, horizontal, base: columns.lowerBound, into: gray.base)
    } else {
      unsafe alongX(
        region.base, width: columns.count, rows: rows.count, horizontal, base: columns.lowerBound,
        into: between.base)
      unsafe alongY(between.base, width: size, vertical, base: rows.lowerBound, into: gray.base)
    }
    for y in 0..<size {
      for x in 0..<size {
        let value = unsafe UInt8(clamping: gray.base[y * size + x])
        unsafe (result + (y * stride + x * 4)).update(repeating: value, count: 4)
      }
    }
  }

  private static func alongX(
    _ source: UnsafePointer<UInt16>, width: Int, rows: Int, _ filter: borrowing AxisFilter, base: Int,
    into result: UnsafeMutablePointer<UInt16>
  ) {
    for y in 0..<rows {
      for slot in 0..<filter.count {
        let first = unsafe source + (y * width + filter.starts.base[slot] - base)
        let weights = unsafe filter.weights.base + slot * filter.reach
        unsafe result[y * filter.count + slot] = sum(first, 1, weights, filter.lengths.base[slot])
      }
    }
  }

  private static func alongY(
    _ source: UnsafePointer<UInt16>, width: Int, _ filter: borrowing AxisFilter, base: Int,
    into result: UnsafeMutablePointer<UInt16>
  ) {
    for slot in 0..<filter.count {
      let first = unsafe source + (filter.starts.base[slot] - base) * width
      let weights = unsafe filter.weights.base + slot * filter.reach
      for x in 0..<width {
        unsafe result[slot * width + x] = sum(first + x, width, weights, filter.lengths.base[slot])
      }
    }
  }

  /// The weighted sum, rounded to the nearest, halves away from zero, and clipped to 16 bits. The bounds
  /// of a filter lie in the axis that it was made for.
  @inline(__always)
  private static func sum(
    _ first: UnsafePointer<UInt16>, _ step: Int, _ weights: UnsafePointer<Double>, _ count: Int
  ) -> UInt16 {
    var total = 0.0
    for i in 0..<count { unsafe total += Double(first[i * step]) * weights[i] }
    return UInt16(max(0, min(total >= 0 ? total + 0.5 : total - 0.5, 65535)))
  }
}
