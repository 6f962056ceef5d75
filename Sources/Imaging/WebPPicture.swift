import CCodecs

/// A WebP, decoded whole. An animation gives its first frame on a canvas of transparent black.
@safe struct WebPPicture: ~Copyable {
  let width: Int
  let height: Int
  /// Whether Pillow's mode is RGBA, by the header.
  let hasAlpha: Bool
  private let bytes: UnsafeRawBufferPointer
  private let isAnimated: Bool

  /// Reads the header of a file, which says how long the file is. `bytes` must outlive this value.
  init(file bytes: UnsafeRawBufferPointer) throws(ImagingError) {
    let length = unsafe ByteReader(bytes, isLittleEndian: true).u32(4) ?? .max
    guard length <= bytes.count - 8 else {
      throw .invalidData(
        "the WebP is truncated: its header says more bytes than there are; get a complete copy.")
    }
    try unsafe self.init(bytes)
  }

  private init(_ bytes: UnsafeRawBufferPointer) throws(ImagingError) {
    var info = ccodecs_webp_info()
    var message = [CChar](repeating: 0, count: Int(CCODECS_MESSAGE_SIZE))
    let status = unsafe ccodecs_webp_info_read(
      bytes.baseAddress?.assumingMemoryBound(to: UInt8.self), bytes.count, &info, &message)
    guard status == CCODECS_OK else { throw codecError(status, "WebP", message) }
    unsafe self.bytes = bytes
    width = Int(info.width)
    height = Int(info.height)
    hasAlpha = info.has_alpha != 0
    isAnimated = info.has_animation != 0
  }

  /// Red, green, blue, alpha, row after row without a gap.
  func decode() throws(ImagingError) -> Memory<UInt8> {
    let memory = try Memory<UInt8>(try product(width, height, 4), for: "the decoded picture")
    if isAnimated {
      memory.fill(byte: 0)
      try decodeFirstFrame(into: memory)
    } else {
      try unsafe Self.decode(bytes, into: memory.base, stride: width * 4, capacity: memory.count)
    }
    return memory
  }

  private static func decode(
    _ bytes: UnsafeRawBufferPointer, into pixels: UnsafeMutablePointer<UInt8>, stride: Int, capacity: Int
  ) throws(ImagingError) {
    var message = [CChar](repeating: 0, count: Int(CCODECS_MESSAGE_SIZE))
    let status = unsafe ccodecs_webp_decode(
      bytes.baseAddress?.assumingMemoryBound(to: UInt8.self), bytes.count, pixels, stride, capacity, &message)
    guard status == CCODECS_OK else { throw codecError(status, "WebP", message) }
  }

  /// Finds the first ANMF chunk, checks that its frame lies on the canvas and that its own header says
  /// the same size, and decodes it in place.
  private func decodeFirstFrame(into canvas: borrowing Memory<UInt8>) throws(ImagingError) {
    let reader = unsafe ByteReader(bytes, isLittleEndian: true)
    guard let chunk = reader.webpChunk("ANMF"), chunk.count >= 16,
      let left = reader.u24(chunk.lowerBound), let top = reader.u24(chunk.lowerBound + 3),
      let frameWidth = reader.u24(chunk.lowerBound + 6), let frameHeight = reader.u24(chunk.lowerBound + 9)
    else { throw .invalidData("the animated WebP has no complete frame; get an undamaged copy.") }
    // 24-bit numbers: none of these sums overflows.
    let (x, y, wide, high) = (left * 2, top * 2, frameWidth + 1, frameHeight + 1)
    guard x + wide <= width, y + high <= height else {
      throw .invalidData("the first frame of the animated WebP leaves its canvas; get an undamaged copy.")
    }
    // The range lies in `bytes`, as `webpChunk` answers it.
    let frame = unsafe UnsafeRawBufferPointer(rebasing: bytes[chunk.lowerBound + 16..<chunk.upperBound])
    let inner = try unsafe WebPPicture(frame)
    guard inner.width == wide, inner.height == high, !inner.isAnimated else {
      throw .invalidData(
        "the first frame of the animated WebP has another size than it says; get an undamaged copy.")
    }
    let start = (y * width + x) * 4
    try unsafe Self.decode(
      frame, into: canvas.base + start, stride: width * 4, capacity: canvas.count - start)
  }
}
