/// A message in protobuf's wire format while it is put together. Large tensors are only referred to: their numbers are
/// read when the message is written.
struct Message {
  enum Piece {
    case bytes([UInt8])
    case numbers(Numbers)
  }

  private(set) var pieces: [Piece] = []
  /// Bytes of the whole message.
  private(set) var count = 0

  mutating func append(_ field: Int, integer: Int) {
    var bytes = Message.varint(UInt64(field) << 3)
    bytes += Message.varint(UInt64(bitPattern: Int64(integer)))
    append(bytes)
  }

  mutating func append(_ field: Int, float: Float) {
    let bits = float.bitPattern
    append(
      Message.varint(UInt64(field) << 3 | 5) + (0..<4).map { UInt8(truncatingIfNeeded: bits >> (8 * $0)) })
  }

  mutating func append(_ field: Int, bytes: [UInt8]) {
    append(Message.header(field, count: bytes.count) + bytes)
  }

  mutating func append(_ field: Int, string: String) { append(field, bytes: Array(string.utf8)) }

  mutating func append(_ field: Int, numbers: Numbers) {
    append(Message.header(field, count: numbers.byteCount))
    pieces.append(.numbers(numbers))
    count += numbers.byteCount
  }

  mutating func append(_ field: Int, message: Message) {
    append(Message.header(field, count: message.count))
    append(contentsOf: message)
  }

  /// The fields of another message after those of this one.
  mutating func append(contentsOf message: Message) {
    for piece in message.pieces {
      switch piece {
      case .bytes(let bytes): append(bytes)
      case .numbers(let numbers):
        pieces.append(piece)
        count += numbers.byteCount
      }
    }
  }

  private mutating func append(_ bytes: [UInt8]) {
    count += bytes.count
    // Runs of small fields become one piece.
    if case .bytes(var last) = pieces.last, last.count < 1 << 16 {
      pieces.removeLast()
      last += bytes
      pieces.append(.bytes(last))
    } else {
      pieces.append(.bytes(bytes))
    }
  }

  private static func header(_ field: Int, count: Int) -> [UInt8] {
    varint(UInt64(field) << 3 | 2) + varint(UInt64(count))
  }

  /// A base-128 integer, least significant digits first.
  private static func varint(_ value: UInt64) -> [UInt8] {
    var bytes: [UInt8] = []
    var rest = value
    while rest >= 0x80 {
      bytes.append(UInt8(truncatingIfNeeded: rest) | 0x80)
      rest >>= 7
    }
    bytes.append(UInt8(rest))
    return bytes
  }
}

/// Floats that lie elsewhere until they are written, as they are or rounded to half precision.
@safe public struct Numbers: Sendable {
  // Only read, and kept alive by whoever made the graph until it is written.
  private nonisolated(unsafe) let start: UnsafePointer<Float>
  public let count: Int
  public let isHalf: Bool

  /// - Parameter start: `count` floats that stay valid and unchanged until the model has been written.
  public init(_ start: UnsafePointer<Float>, count: Int, isHalf: Bool) {
    unsafe self.start = start
    (self.count, self.isHalf) = (count, isHalf)
  }

  var byteCount: Int { count * (isHalf ? 2 : 4) }

  /// Calls `body` with the bytes, a part at a time.
  func write<E: Error>(_ body: (UnsafeRawBufferPointer) throws(E) -> Void) throws(E) {
    guard isHalf else {
      return unsafe try body(UnsafeRawBufferPointer(start: UnsafeRawPointer(start), count: byteCount))
    }
    let part = 1 << 15
    var halves = [Float16](repeating: 0, count: min(part, count))
    var first = 0
    while first < count {
      let length = min(part, count - first)
      for index in 0..<length { halves[index] = Float16(unsafe start[first + index]) }
      try unsafe halves.withUnsafeBufferPointer { (halves) throws(E) in
        unsafe try body(UnsafeRawBufferPointer(UnsafeBufferPointer(rebasing: halves[..<length])))
      }
      first += length
    }
  }
}
