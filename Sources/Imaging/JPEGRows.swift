import CCodecs

/// The text that a codec left, or an error of ours when it left none.
func codecError(_ status: Int32, _ kind: StaticString, _ message: [CChar]) -> ImagingError {
  let bytes = message.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }
  let text = String(decoding: bytes, as: UTF8.self)
  switch Int(status) {
  case CCODECS_TRUNCATED: return .invalidData("the \(kind) is truncated: \(text); get a complete copy.")
  case CCODECS_UNSUPPORTED:
    return .unsupported("this kind of \(kind) is not decoded: \(text); save it as a plain one.")
  case CCODECS_NO_MEMORY:
    return .outOfMemory("the \(kind) decoder found no memory: \(text); lower max_pixels.")
  default: return .invalidData("the \(kind) is damaged: \(text); get an undamaged copy.")
  }
}

/// A JPEG, decoded as Pillow does: accurate integer DCT, interpolated chroma, four-channel pictures taken
/// to be inverted as Adobe writes them. Only the columns that are kept are transformed.
@safe struct JPEGRows: RowSource, ~Copyable {
  private(set) var width: Int
  private(set) var height: Int
  let mode: PictureMode
  var hasTransparency: Bool { false }
  var keeps16Bits = false
  private let decoder: OpaquePointer
  private var message = [CChar](repeating: 0, count: Int(CCODECS_MESSAGE_SIZE))
  private var columns = 0..<0
  private var next = 0

  /// Reads the header. `bytes` must outlive this value.
  init(_ bytes: UnsafeRawBufferPointer) throws(ImagingError) {
    var handle: OpaquePointer?
    var info = ccodecs_jpeg_info()
    var message = [CChar](repeating: 0, count: Int(CCODECS_MESSAGE_SIZE))
    let status = unsafe ccodecs_jpeg_open(
      bytes.baseAddress?.assumingMemoryBound(to: UInt8.self), bytes.count, &handle, &info, &message)
    guard let decoder = unsafe handle, status == CCODECS_OK else {
      unsafe ccodecs_jpeg_close(handle)
      throw codecError(status, "JPEG", message)
    }
    unsafe self.decoder = decoder
    width = Int(info.width)
    height = Int(info.height)
    mode = info.components == 4 ? .ink : .opaque
  }

  deinit { unsafe ccodecs_jpeg_close(decoder) }

  /// Has the picture decoded smaller where its shorter side keeps at least twice `size` pixels: as Pillow's
  /// `draft` and `thumbnail` do it, faster, and with other pixels than a full decode.
  mutating func scale(to size: Int) throws(ImagingError) {
    let shorter = min(width, height)
    let denominator = [8, 4, 2].first { shorter / $0 >= size * 2 }
    guard let denominator else { return }
    var info = ccodecs_jpeg_info()
    try check(unsafe ccodecs_jpeg_scale(decoder, UInt32(denominator), &info, &message))
    width = Int(info.width)
    height = Int(info.height)
  }

  mutating func begin(columns: Range<Int>, firstRow: Int) throws(ImagingError) -> Range<Int> {
    // JPEG's sides have 16 bits.
    var first = UInt32(truncatingIfNeeded: columns.lowerBound)
    var count = UInt32(truncatingIfNeeded: columns.count)
    try check(unsafe ccodecs_jpeg_start(decoder, &first, &count, &message))
    try check(unsafe ccodecs_jpeg_skip(decoder, UInt32(truncatingIfNeeded: firstRow), &message))
    self.columns = Int(first)..<Int(first) + Int(count)
    next = firstRow
    return self.columns
  }

  mutating func read(_ count: Int, into rows: UnsafeMutablePointer<UInt8>, stride: Int) throws(ImagingError) {
    // The caller's rows hold the columns that `begin` answered.
    try check(unsafe ccodecs_jpeg_read(decoder, rows, stride, UInt32(truncatingIfNeeded: count), &message))
    next += count
    guard mode == .ink else { return }
    for row in 0..<count {
      let pixels = unsafe rows + row &* stride
      for i in 0..<columns.count &* 4 { unsafe pixels[i] = ~pixels[i] }
    }
  }

  /// Passes over the rest and decodes its last row: a decoder that is told to skip to the very end does not
  /// look at what it skips.
  mutating func finish() throws(ImagingError) {
    guard next < height else { return }
    let last = try Memory<UInt8>(try product(columns.count, 4), for: "a row")
    try check(unsafe ccodecs_jpeg_skip(decoder, UInt32(truncatingIfNeeded: height - next - 1), &message))
    try check(unsafe ccodecs_jpeg_read(decoder, last.base, last.count, 1, &message))
    next = height
  }

  private func check(_ status: Int32) throws(ImagingError) {
    guard status == CCODECS_OK else { throw codecError(status, "JPEG", message) }
  }
}
