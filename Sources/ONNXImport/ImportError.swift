/// Why a file could not be imported: a sentence or two that say what is wrong, where, and what to do.
public enum ImportError: Error, Equatable, Sendable {
  /// The file, or a file it refers to, cannot be opened or read.
  case io(String)
  /// The bytes are not a well-formed ONNX model.
  case malformed(String)
  /// A well-formed model that is not understood; names the first operator that did not fit.
  case unsupported(String)
  /// Memory ran out, or the file asks for more than its size can justify.
  case outOfMemory(String)
  /// The files are larger than a limit of the caller's.
  case limit(String)
  /// The caller asked to stop.
  case stopped

  /// The sentence.
  public var message: String {
    switch self {
    case .io(let text), .malformed(let text), .unsupported(let text), .outOfMemory(let text),
      .limit(let text):
      text
    case .stopped: "the import was stopped"
    }
  }

  /// The same error with the file's name in front.
  func inFile(_ name: String) -> ImportError {
    let prefix = "\(name): "
    guard !message.hasPrefix(prefix) else { return self }
    return mapped { prefix + $0 }
  }

  /// The same kind of error with another sentence.
  func mapped(_ change: (String) -> String) -> ImportError {
    switch self {
    case .io(let text): .io(change(text))
    case .malformed(let text): .malformed(change(text))
    case .unsupported(let text): .unsupported(change(text))
    case .outOfMemory(let text): .outOfMemory(change(text))
    case .limit(let text): .limit(change(text))
    case .stopped: .stopped
    }
  }
}

/// `text` for a message: quoted, without control characters, cut where it is long.
func quoted(_ text: String) -> String {
  var shown = ""
  for scalar in text.unicodeScalars.prefix(80) {
    shown.unicodeScalars.append(scalar.value < 0x20 || scalar.value == 0x7F ? "?" : scalar)
  }
  return "'\(shown)\(text.unicodeScalars.count > 80 ? "…" : "")'"
}
