/// A position in protobuf's wire format, with the end of the message that is being read.
///
/// The bytes are passed to each call rather than kept, so that a cursor is a plain value. Every read is checked
/// against `end`, which is never beyond the bytes.
struct Cursor {
  private(set) var position: Int
  let end: Int

  /// Reads the message in `range`, which must lie inside the bytes.
  init(_ range: Range<Int>) {
    position = range.lowerBound
    end = range.upperBound
  }

  var isAtEnd: Bool { position >= end }

  /// One field of a message.
  struct Field {
    let number: Int
    let payload: Payload
    /// The byte where the field starts.
    let offset: Int
  }

  enum Payload {
    case varint(UInt64)
    case fixed64(Range<Int>)
    case fixed32(Range<Int>)
    case bytes(Range<Int>)
  }

  /// The next field, or nil at the end of the message.
  mutating func next(_ bytes: RawSpan) throws(ImportError) -> Field? {
    guard !isAtEnd else { return nil }
    let start = position
    let key = try varint(bytes)
    guard let number = Int(exactly: key >> 3), number > 0, number < 1 << 29 else {
      throw .malformed("not ONNX: no field can start at byte \(start)")
    }
    let payload: Payload =
      switch key & 7 {
      case 0: .varint(try varint(bytes))
      case 1: .fixed64(try take(8))
      case 2: .bytes(try take(try varint(bytes)))
      case 5: .fixed32(try take(4))
      default: throw .malformed("not ONNX: wire type \(key & 7) at byte \(start)")
      }
    return Field(number: number, payload: payload, offset: start)
  }

  /// A base-128 integer of up to ten bytes.
  mutating func varint(_ bytes: RawSpan) throws(ImportError) -> UInt64 {
    let start = position
    var result: UInt64 = 0
    var shift: UInt64 = 0
    while position < end, position < bytes.byteCount, shift < 64 {
      // In bounds by the condition above.
      let byte = unsafe bytes.unsafeLoad(fromByteOffset: position, as: UInt8.self)
      position += 1
      result |= UInt64(byte & 0x7F) << shift
      if byte < 0x80 { return result }
      shift += 7
    }
    throw .malformed("truncated or not ONNX: the number at byte \(start) does not end")
  }

  private mutating func take(_ length: UInt64) throws(ImportError) -> Range<Int> {
    guard let length = Int(exactly: length), length <= end - position else {
      throw .malformed(
        "truncated or damaged: the field at byte \(position) has \(length) bytes, but \(end - position) are left"
      )
    }
    let range = position..<position + length
    position = range.upperBound
    return range
  }
}

extension Cursor.Field {
  /// The payload's bytes, of a string or an embedded message.
  func range() throws(ImportError) -> Range<Int> {
    guard case .bytes(let range) = payload else { throw wrongType() }
    return range
  }

  /// The payload as a signed integer.
  func integer() throws(ImportError) -> Int {
    guard case .varint(let value) = payload else { throw wrongType() }
    return Int(truncatingIfNeeded: value)
  }

  /// The payload as a string. Invalid UTF-8 is repaired: names are only ever compared.
  func string(_ bytes: RawSpan) throws(ImportError) -> String {
    let range = try range()
    return copyString(bytes, range)
  }

  /// Appends the integers of a repeated field, packed or not.
  func appendIntegers(_ bytes: RawSpan, to list: inout [Int]) throws(ImportError) {
    if case .bytes(let range) = payload {
      var cursor = Cursor(range)
      while !cursor.isAtEnd { list.append(Int(truncatingIfNeeded: try cursor.varint(bytes))) }
    } else {
      list.append(try integer())
    }
  }

  /// Appends the single-precision floats of a repeated field, packed or not.
  func appendFloats(_ bytes: RawSpan, to list: inout [Float]) throws(ImportError) {
    let range: Range<Int>
    switch payload {
    case .bytes(let packed): range = packed
    case .fixed32(let one): range = one
    default: throw wrongType()
    }
    guard range.count % 4 == 0 else { throw wrongType() }
    for offset in stride(from: range.lowerBound, to: range.upperBound, by: 4) {
      list.append(Float(bitPattern: try load(bytes, at: offset, as: UInt32.self)))
    }
  }

  /// Appends the double-precision floats of a repeated field, packed or not, in single precision.
  func appendDoubles(_ bytes: RawSpan, to list: inout [Float]) throws(ImportError) {
    let range: Range<Int>
    switch payload {
    case .bytes(let packed): range = packed
    case .fixed64(let one): range = one
    default: throw wrongType()
    }
    guard range.count % 8 == 0 else { throw wrongType() }
    for offset in stride(from: range.lowerBound, to: range.upperBound, by: 8) {
      list.append(Float(Double(bitPattern: try load(bytes, at: offset, as: UInt64.self))))
    }
  }

  func wrongType() -> ImportError {
    .malformed("damaged or not ONNX: field \(number) at byte \(offset) has the wrong type")
  }
}

private func copyString(_ bytes: RawSpan, _ range: Range<Int>) -> String {
  guard range.lowerBound >= 0, range.upperBound <= bytes.byteCount else { return "" }
  // In bounds by the line above; the pointer does not leave the closure.
  return unsafe bytes.withUnsafeBytes { unsafe String(decoding: $0[range], as: UTF8.self) }
}
