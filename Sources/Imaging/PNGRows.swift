import CCodecs

/// A PNG, in the modes that Pillow gives to its kinds: P for palettes, 1 for 1-bit gray, L up to 8 bits,
/// I;16 for 16-bit gray; of 16-bit colour and alpha, the high bytes. An animated PNG gives its default picture.
@safe struct PNGRows: RowSource, ~Copyable {
  var width: Int { Int(info.width) }
  var height: Int { Int(info.height) }
  let mode: PictureMode
  let hasTransparency: Bool
  var keeps16Bits = false
  private let decoder: OpaquePointer
  private let info: ccodecs_png_info
  private let palette: Memory<UInt8>
  /// The colour that stands for transparent, as Pillow compares it: by low bytes.
  private let key: (UInt8, UInt8, UInt8)?
  private var message = [CChar](repeating: 0, count: Int(CCODECS_MESSAGE_SIZE))
  /// One row, or the whole of an interlaced picture, as the decoder writes it.
  private var decoded: Memory<UInt8>?
  private var columns = 0..<0
  private var next = 0

  /// Reads the header. `bytes` must outlive this value.
  init(_ bytes: UnsafeRawBufferPointer) throws(ImagingError) {
    let palette = try Memory<UInt8>(1024, for: "a palette")
    var handle: OpaquePointer?
    var info = ccodecs_png_info()
    var message = [CChar](repeating: 0, count: Int(CCODECS_MESSAGE_SIZE))
    let status = unsafe ccodecs_png_open(
      bytes.baseAddress?.assumingMemoryBound(to: UInt8.self), bytes.count, &handle, &info, &message)
    guard let decoder = unsafe handle, status == CCODECS_OK else {
      unsafe ccodecs_png_close(handle)
      throw codecError(status, "PNG", message)
    }
    let table = unsafe palette.base
    // 256 colours of four bytes, here and there.
    unsafe withUnsafeBytes(of: info.palette) { colors in
      for i in 0..<min(1024, colors.count) { unsafe table[i] = colors[i] }
    }
    unsafe self.decoder = decoder
    self.info = info
    self.palette = consume palette
    mode = Self.mode(of: info)
    hasTransparency = info.color_type & Int32(CCODECS_PNG_ALPHA) != 0 || info.has_transparency != 0
    key = Self.key(of: info)
  }

  deinit { unsafe ccodecs_png_close(decoder) }

  private static func mode(of info: ccodecs_png_info) -> PictureMode {
    if info.color_type & Int32(CCODECS_PNG_PALETTE) != 0 { return .indexed }
    if info.color_type & Int32(CCODECS_PNG_ALPHA) != 0 { return .alpha }
    if info.color_type & Int32(CCODECS_PNG_COLOR) != 0 { return .opaque }
    return info.depth == 16 ? .gray16 : info.depth == 1 ? .indexed : .opaque
  }

  private static func key(of info: ccodecs_png_info) -> (UInt8, UInt8, UInt8)? {
    guard info.has_transparency != 0, info.color_type & ~Int32(CCODECS_PNG_COLOR) == 0 else { return nil }
    let (red, green, blue) = info.key
    if info.depth == 1 {
      let value: UInt8 = red != 0 ? 255 : 0
      return (value, value, value)
    }
    return (UInt8(truncatingIfNeeded: red), UInt8(truncatingIfNeeded: green), UInt8(truncatingIfNeeded: blue))
  }

  /// Bytes a pixel as the decoder writes them.
  private var step: Int {
    if info.color_type & Int32(CCODECS_PNG_PALETTE) != 0 { return 1 }
    return mode == .gray16 ? 2 : 4
  }

  mutating func begin(columns: Range<Int>, firstRow: Int) throws(ImagingError) -> Range<Int> {
    self.columns = columns
    next = firstRow
    let rows = info.interlaced != 0 ? height : 1
    // A vector to spare: the decoder may write whole groups of pixels.
    let memory = try Memory<UInt8>(try product(width, step, rows) + 64, for: "the decoded picture")
    if info.interlaced != 0 {
      memory.fill(byte: 0)
      try check(unsafe ccodecs_png_read(decoder, memory.base, width * step, UInt32(rows), &message))
    } else {
      for _ in 0..<firstRow { try check(unsafe ccodecs_png_read(decoder, memory.base, 0, 1, &message)) }
    }
    decoded = consume memory
    return columns
  }

  mutating func read(_ count: Int, into rows: UnsafeMutablePointer<UInt8>, stride: Int) throws(ImagingError) {
    guard let memory = unsafe decoded?.base else { return }
    for row in 0..<count {
      var from = unsafe memory
      if info.interlaced != 0 {
        // next < height, the number of rows decoded.
        unsafe from += next &* width &* step
      } else {
        try check(unsafe ccodecs_png_read(decoder, memory, 0, 1, &message))
      }
      next += 1
      unsafe convert(from + columns.lowerBound &* step, into: rows + row &* stride)
    }
  }

  mutating func finish() throws(ImagingError) {
    guard info.interlaced == 0, let memory = unsafe decoded?.base else { return }
    while next < height {
      try check(unsafe ccodecs_png_read(decoder, memory, 0, 1, &message))
      next += 1
    }
  }

  private func check(_ status: Int32) throws(ImagingError) {
    guard status == CCODECS_OK else { throw codecError(status, "PNG", message) }
  }

  /// The kept columns of a decoded row to 4 bytes a pixel (or 2 where asked for).
  private func convert(_ from: UnsafePointer<UInt8>, into to: UnsafeMutablePointer<UInt8>) {
    // Rows on both sides hold `columns.count` pixels of their sizes.
    let count = columns.count
    if info.color_type & Int32(CCODECS_PNG_PALETTE) != 0 {
      for x in 0..<count {
        let color = unsafe palette.base + Int(from[x]) &* 4
        unsafe (to + x &* 4).update(from: color, count: 4)
      }
    } else if mode == .gray16 {
      if keeps16Bits {
        unsafe to.update(from: from, count: count &* 2)
      } else {
        unsafe Self.narrow(UnsafeRawPointer(from), into: to, count)
      }
    } else {
      unsafe to.update(from: from, count: count &* 4)
    }
    if let key, !keeps16Bits { unsafe Self.clear(key, in: to, count) }
  }

  /// Pillow's I;16 to RGB, which clips and does not scale.
  private static func narrow(_ from: UnsafeRawPointer, into to: UnsafeMutablePointer<UInt8>, _ count: Int) {
    for x in 0..<count {
      let value = UInt8(clamping: unsafe from.loadUnaligned(fromByteOffset: x &* 2, as: UInt16.self))
      unsafe to[x &* 4] = value
      unsafe to[x &* 4 &+ 1] = value
      unsafe to[x &* 4 &+ 2] = value
      unsafe to[x &* 4 &+ 3] = 255
    }
  }

  /// Makes the pixels of one colour transparent.
  private static func clear(
    _ key: (UInt8, UInt8, UInt8), in pixels: UnsafeMutablePointer<UInt8>, _ count: Int
  ) {
    for x in 0..<count {
      let pixel = unsafe pixels + x &* 4
      if unsafe pixel[0] == key.0 && pixel[1] == key.1 && pixel[2] == key.2 { unsafe pixel[3] = 0 }
    }
  }
}
