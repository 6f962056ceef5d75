import Imaging
import Kernels
import ONNXImport
import Tokenizing

/// What went wrong, in a sentence a user can act on, and the kind that decides the status code.
public struct CLIPError: Error, Sendable {
  public enum Kind: Sendable {
    case invalidArgument, io, invalidData, unsupported, textTooLong, limitExceeded
    case outOfMemory, cancelled, deadlineExceeded, missingPart
  }

  public let kind: Kind
  public let message: String

  public init(_ kind: Kind, _ message: String) {
    self.kind = kind
    self.message = message
  }

  /// The same error, told with the place where it happened first.
  func located(_ place: String) -> CLIPError { CLIPError(kind, "\(place): \(message)") }
}

extension CLIPError {
  /// What a cancellation that is attached to the calling thread asked for.
  init(_ reason: Cancellation.Reason) {
    switch reason {
    case .cancelled:
      self.init(
        .cancelled, "The call was stopped by a cancellation attached to its thread. Detach it to call again.")
    case .deadline:
      self.init(
        .deadlineExceeded,
        "The call did not end before the deadline attached to its thread. Allow more time, or ask for less at once."
      )
    }
  }
}

/// Throws where the calling thread is to stop.
func checkStop() throws(CLIPError) {
  try converting { () throws(KernelError) in try Attachments.check() }
}

/// An error of a room below, which this room can tell in its own terms.
protocol ToldByCLIP: Error {
  var told: CLIPError { get }
}

extension ImportError: ToldByCLIP {
  var told: CLIPError {
    switch self {
    case .io(let message): CLIPError(.io, message)
    case .malformed(let message): CLIPError(.invalidData, message)
    case .unsupported(let message): CLIPError(.unsupported, message)
    case .outOfMemory(let message): CLIPError(.outOfMemory, message)
    case .limit(let message): CLIPError(.limitExceeded, message)
    case .stopped: CLIPError(Attachments.own?.reason ?? .cancelled)
    }
  }
}

extension KernelError: ToldByCLIP {
  var told: CLIPError {
    switch self {
    case .unsupported(let set):
      let available = InstructionSet.supported.map(\.name).joined(separator: ", ")
      return CLIPError(
        .unsupported,
        "This processor lacks the instruction set \(set.name); it has \(available). Ask for one of those, or for the automatic choice."
      )
    case .outOfMemory(let bytes):
      return CLIPError(
        .outOfMemory, "No memory for \(bytes) bytes. Encode fewer items at once, or free some memory.")
    case .backendUnavailable(let message):
      return CLIPError(.unsupported, message)
    case .imprecise:
      return CLIPError(.invalidArgument, description)
    case .stopped(let reason):
      return CLIPError(reason)
    }
  }
}

extension TokenizerError: ToldByCLIP {
  var told: CLIPError {
    switch self {
    case .invalidData(let message), .invalidUTF8(let message): CLIPError(.invalidData, message)
    case .tooLong(let message): CLIPError(.textTooLong, message)
    case .unsupported(let message): CLIPError(.unsupported, message)
    }
  }
}

extension ImagingError: ToldByCLIP {
  var told: CLIPError {
    switch self {
    case .io(let message): CLIPError(.io, message)
    case .invalidData(let message): CLIPError(.invalidData, message)
    case .unsupported(let message): CLIPError(.unsupported, message)
    case .limit(let message): CLIPError(.limitExceeded, message)
    case .outOfMemory(let message): CLIPError(.outOfMemory, message)
    case .invalidArgument(let message): CLIPError(.invalidArgument, message)
    }
  }
}

/// Runs `body` and tells an error of a room below in this room's terms.
func converting<E: ToldByCLIP, R: ~Copyable>(_ body: () throws(E) -> R) throws(CLIPError) -> R {
  do { return try body() } catch { throw error.told }
}
