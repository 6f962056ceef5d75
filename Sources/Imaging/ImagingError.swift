/// Why a picture could not be read. Each message says what is wrong, where, and what to do.
public enum ImagingError: Error {
  /// A file is missing or cannot be read.
  case io(String)
  /// The picture is damaged or truncated.
  case invalidData(String)
  /// Well-formed, but of a kind that is not decoded.
  case unsupported(String)
  /// Larger than the options allow.
  case limit(String)
  case outOfMemory(String)
  case invalidArgument(String)

  /// The sentence, whatever the case.
  public var message: String {
    switch self {
    case .io(let message), .invalidData(let message), .unsupported(let message), .limit(let message),
      .outOfMemory(let message), .invalidArgument(let message):
      message
    }
  }

  /// The same error with `place` in front of its message.
  func at(_ place: String) -> ImagingError {
    switch self {
    case .io(let message): .io(place + message)
    case .invalidData(let message): .invalidData(place + message)
    case .unsupported(let message): .unsupported(place + message)
    case .limit(let message): .limit(place + message)
    case .outOfMemory(let message): .outOfMemory(place + message)
    case .invalidArgument(let message): .invalidArgument(place + message)
    }
  }
}
