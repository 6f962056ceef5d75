/// The square that is left of a picture after resize and crop, in the mode that it was resized in.
struct KeptPixels: ~Copyable {
  /// Bytes from pixel to pixel.
  let step: Int
  private let memory: Memory<UInt8>
  private let stride: Int

  /// The first pixel of row `y`, valid as long as this value.
  func row(_ y: Int) -> UnsafeMutablePointer<UInt8> { unsafe memory.base + y &* stride }

  init<Source: RowSource & ~Copyable>(
    _ source: inout Source, _ plan: Plan, _ interpolation: PreprocessOptions.Interpolation
  ) throws(ImagingError) {
    let size = plan.geometry.size
    let step = plan.channels == 4 || plan.isNearest || plan.geometry.isUnchanged ? 4 : 3
    // One byte to spare, as a pixel is written with four; whole vectors for the pass along y.
    let stride = (size * step + 1 + 15) / 16 * 16
    let memory = try Memory<UInt8>(try product(stride, size) + 16, for: "the resized picture")
    if plan.geometry.isUnchanged {
      try unsafe Self.crop(&source, plan, into: memory.base, stride)
    } else if plan.isNearest {
      try unsafe Self.pickNearest(&source, plan, into: memory.base, stride)
    } else {
      let horizontal = try AxisFilter(
        inputs: plan.geometry.width, outputs: plan.geometry.resizedWidth,
        kept: plan.geometry.left..<plan.geometry.left + size, interpolation: interpolation)
      let vertical = try AxisFilter(
        inputs: plan.geometry.height, outputs: plan.geometry.resizedHeight,
        kept: plan.geometry.top..<plan.geometry.top + size, interpolation: interpolation)
      if plan.is16Bit {
        try unsafe Self.resample16(&source, plan, horizontal, vertical, into: memory.base, stride)
      } else if plan.geometry.isVerticalFirst {
        try unsafe Self.resampleVerticalFirst(
          &source, plan, horizontal, vertical, step, into: memory.base, stride)
      } else {
        try unsafe Self.resample(&source, plan, horizontal, vertical, step, into: memory.base, stride)
      }
    }
    self.step = step
    self.stride = stride
    self.memory = consume memory
  }

  /// No resize: only the crop.
  private static func crop<Source: RowSource & ~Copyable>(
    _ source: inout Source, _ plan: Plan, into result: UnsafeMutablePointer<UInt8>, _ stride: Int
  ) throws(ImagingError) {
    let (left, size) = (plan.geometry.left, plan.geometry.size)
    let columns = try source.begin(columns: left..<left + size, firstRow: plan.geometry.top)
    let line = try Memory<UInt8>(try product(columns.count, 4), for: "a row")
    for y in 0..<size {
      try unsafe source.read(1, into: line.base, stride: line.count)
      let kept = unsafe line.base + (left - columns.lowerBound) * 4
      unsafe plan.before.apply(to: kept, count: size)
      // `size` rows of `size` pixels each, `stride` apart.
      unsafe (result + y * stride).update(from: kept, count: size * 4)
    }
  }

  /// Pillow's NEAREST.
  private static func pickNearest<Source: RowSource & ~Copyable>(
    _ source: inout Source, _ plan: Plan, into result: UnsafeMutablePointer<UInt8>, _ stride: Int
  ) throws(ImagingError) {
    let geometry = plan.geometry
    let size = geometry.size
    let across = try nearestInputs(
      geometry.width, geometry.resizedWidth, geometry.left, size, plan.isNearestClosedForm)
    let down = try nearestInputs(
      geometry.height, geometry.resizedHeight, geometry.top, size, plan.isNearestClosedForm)
    // Positions grow, and there are `size` >= 1 of them.
    let (first, last) = unsafe (across.base[0], across.base[size - 1])
    var next = unsafe down.base[0]
    let columns = try source.begin(columns: first..<last + 1, firstRow: next)
    let line = try Memory<UInt8>(try product(columns.count, 4), for: "a row")
    for y in 0..<size {
      let wanted = unsafe down.base[y]
      while next <= wanted {
        try unsafe source.read(1, into: line.base, stride: line.count)
        next += 1
        if next > wanted { unsafe plan.before.apply(to: line.base, count: columns.count) }
      }
      let row = unsafe result + y * stride
      for x in 0..<size {
        // Positions lie in `columns`.
        let pixel = unsafe line.base + (across.base[x] - columns.lowerBound) * 4
        unsafe (row + x * 4).update(from: pixel, count: 4)
      }
    }
  }

  /// The pass along x while rows are decoded, a few at a time, then the pass along y.
  private static func resample<Source: RowSource & ~Copyable>(
    _ source: inout Source, _ plan: Plan, _ horizontal: borrowing AxisFilter,
    _ vertical: borrowing AxisFilter,
    _ step: Int, into result: UnsafeMutablePointer<UInt8>, _ stride: Int
  ) throws(ImagingError) {
    let rows = vertical.inputs
    let columns = try source.begin(columns: horizontal.inputs, firstRow: rows.lowerBound)
    let across = try PackedFilter(horizontal, base: columns.lowerBound, alignment: 2)
    let down = try PackedFilter(vertical, base: rows.lowerBound, alignment: 1)
    // Three rows more for the last vector of weights.
    let between = try Memory<UInt8>(try product(stride, rows.count + 3) + 16, for: "half-resized rows")
    unsafe (between.base + stride * rows.count).update(repeating: 0, count: stride * 3 + 16)
    let strip = try Strip(columns: columns.count)
    for row in Swift.stride(from: 0, to: rows.count, by: Strip.rows) {
      let count = min(Strip.rows, rows.count - row)
      try strip.fill(from: &source, rows: count, step: plan.before)
      unsafe strip.resample(across, rows: count, into: between.base + row * stride, stride, step: step)
    }
    unsafe resampleColumns(between.base, stride: stride, width: stride, down, into: result)
  }

  /// The passes in the other order, for very tall pictures.
  private static func resampleVerticalFirst<Source: RowSource & ~Copyable>(
    _ source: inout Source, _ plan: Plan, _ horizontal: borrowing AxisFilter,
    _ vertical: borrowing AxisFilter,
    _ step: Int, into result: UnsafeMutablePointer<UInt8>, _ stride: Int
  ) throws(ImagingError) {
    let rows = vertical.inputs
    let size = plan.geometry.size
    let columns = try source.begin(columns: horizontal.inputs, firstRow: rows.lowerBound)
    let across = try PackedFilter(horizontal, base: columns.lowerBound, alignment: 2)
    let down = try PackedFilter(vertical, base: rows.lowerBound, alignment: 1)
    let width = (columns.count * 4 + 15) / 16 * 16
    let region = try Memory<UInt8>(try product(width, rows.count + 3) + 16, for: "the decoded picture")
    unsafe (region.base + width * rows.count).update(repeating: 0, count: width * 3 + 16)
    try unsafe source.read(rows.count, into: region.base, stride: width)
    for row in 0..<rows.count {
      unsafe plan.before.apply(to: region.base + row * width, count: columns.count)
    }
    let between = try Memory<UInt8>(try product(width, size) + 16, for: "half-resized rows")
    unsafe resampleColumns(region.base, stride: width, width: width, down, into: between.base)
    let strip = try Strip(columns: columns.count)
    for row in Swift.stride(from: 0, to: size, by: Strip.rows) {
      let count = min(Strip.rows, size - row)
      unsafe strip.fill(from: between.base + row * width, rows: count, width)
      unsafe strip.resample(across, rows: count, into: result + row * stride, stride, step: step)
    }
  }
}

/// A few decoded rows, arranged for the pass along x.
private struct Strip: ~Copyable {
  static let rows = 16
  private let memory: Memory<UInt8>
  private let stride: Int
  private let columns: Int

  init(columns: Int) throws(ImagingError) {
    // Whole vectors, and room for the vectors of weights that reach past the last pixel.
    let stride = try product(columns + 12, 4) / 16 * 16
    memory = try Memory(try product(stride, Self.rows) + 16, for: "decoded rows")
    // What lies past the last pixel is multiplied by weights of 0; it only has to be something.
    memory.fill(byte: 0)
    self.stride = stride
    self.columns = columns
  }

  /// Decodes the next rows of `source`.
  func fill<Source: RowSource & ~Copyable>(
    from source: inout Source, rows: Int, step: PixelStep
  ) throws(ImagingError) {
    // rows <= Strip.rows, of `columns` pixels each.
    try unsafe source.read(rows, into: memory.base, stride: stride)
    for row in 0..<rows {
      let line = unsafe memory.base + row * stride
      unsafe step.apply(to: line, count: columns)
      unsafe pairPixels(line, bytes: columns * 4)
    }
  }

  /// Copies rows that are `width` bytes apart.
  func fill(from source: UnsafePointer<UInt8>, rows: Int, _ width: Int) {
    for row in 0..<rows {
      let line = unsafe memory.base + row * stride
      unsafe line.update(from: source + row * width, count: columns * 4)
      unsafe pairPixels(line, bytes: columns * 4)
    }
  }

  /// Resamples the rows, four at a time; a last group of fewer does its last row more than once.
  func resample(
    _ filter: borrowing PackedFilter, rows: Int, into result: UnsafeMutablePointer<UInt8>, _ distance: Int,
    step: Int
  ) {
    for first in Swift.stride(from: 0, to: rows, by: 4) {
      let (a, b, c, d) = (first, min(first + 1, rows - 1), min(first + 2, rows - 1), min(first + 3, rows - 1))
      let from = unsafe FourRows(
        a: UnsafePointer(memory.base + a * stride), b: UnsafePointer(memory.base + b * stride),
        c: UnsafePointer(memory.base + c * stride), d: UnsafePointer(memory.base + d * stride))
      let to = unsafe FourRows(
        a: result + a * distance, b: result + b * distance, c: result + c * distance, d: result + d * distance
      )
      unsafe resampleRows(from, filter, into: to, step: step)
    }
  }
}
