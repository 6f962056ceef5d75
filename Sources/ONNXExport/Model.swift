/// An ONNX model, ready to be written.
public struct Model {
  private let message: Message
  private static let irVersion = 8
  private static let opset = 17
  /// Protobuf's limit for a message.
  public static let mostBytes = Int(Int32.max)

  /// Bytes of the file.
  public var byteCount: Int { message.count }

  public init(_ graph: Graph, producer: String, metadata: KeyValuePairs<String, String>) {
    var model = Message()
    model.append(1, integer: Model.irVersion)
    model.append(2, string: producer)
    model.append(7, message: graph.message)
    var operators = Message()
    operators.append(1, string: "")
    operators.append(2, integer: Model.opset)
    model.append(8, message: operators)
    for (key, value) in metadata {
      var entry = Message()
      entry.append(1, string: key)
      entry.append(2, string: value)
      model.append(14, message: entry)
    }
    message = model
  }

  /// Calls `body` with the bytes of the file, a part at a time, in order.
  public func write<E: Error>(_ body: (UnsafeRawBufferPointer) throws(E) -> Void) throws(E) {
    for piece in message.pieces {
      switch piece {
      case .bytes(let bytes):
        try unsafe bytes.withUnsafeBufferPointer { (buffer) throws(E) in
          unsafe try body(UnsafeRawBufferPointer(buffer))
        }
      case .numbers(let numbers): unsafe try numbers.write(body)
      }
    }
  }
}
