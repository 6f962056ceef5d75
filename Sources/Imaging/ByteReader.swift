/// Checked reading of numbers from bytes that come from outside: past the end is nil, never a trap.
@safe struct ByteReader {
  private let bytes: UnsafeRawBufferPointer
  private let isLittleEndian: Bool

  /// `bytes` must outlive this value.
  init(_ bytes: UnsafeRawBufferPointer, isLittleEndian: Bool) {
    unsafe self.bytes = bytes
    self.isLittleEndian = isLittleEndian
  }

  var count: Int { unsafe bytes.count }

  func u8(_ offset: Int) -> Int? {
    guard offset >= 0, offset < count else { return nil }
    return unsafe Int(bytes[offset])
  }

  func u16(_ offset: Int) -> Int? { number(offset, bytes: 2) }
  func u24(_ offset: Int) -> Int? { number(offset, bytes: 3) }
  func u32(_ offset: Int) -> Int? { number(offset, bytes: 4) }

  private func number(_ offset: Int, bytes length: Int) -> Int? {
    guard offset >= 0, offset <= count - length else { return nil }
    var value = 0
    for i in 0..<length {
      // offset + length <= count.
      let byte = unsafe Int(bytes[offset + (isLittleEndian ? length - 1 - i : i)])
      value = value << 8 | byte
    }
    return value
  }

  /// Whether the ASCII text stands at `offset`.
  func has(_ text: StaticString, at offset: Int) -> Bool {
    guard offset >= 0, offset <= count - text.utf8CodeUnitCount else { return false }
    for i in 0..<text.utf8CodeUnitCount {
      guard unsafe bytes[offset + i] == text.utf8Start[i] else { return false }
    }
    return true
  }

  /// The same bytes from `offset` on, read in the other or the same order.
  func from(_ offset: Int, isLittleEndian: Bool) -> ByteReader {
    let start = min(max(offset, 0), count)
    return unsafe ByteReader(
      UnsafeRawBufferPointer(rebasing: bytes[start...]), isLittleEndian: isLittleEndian)
  }

  /// The contents of the first chunk of this name in a WebP file; nil if there is none or it is cut.
  func webpChunk(_ name: StaticString) -> Range<Int>? {
    var offset = 12
    while let length = u32(offset + 4) {
      if has(name, at: offset) {
        return length <= count - offset - 8 ? offset + 8..<offset + 8 + length : nil
      }
      // At most 2^32 + 8 further each time, never backwards.
      offset += 8 + length + length % 2
    }
    return nil
  }
}
