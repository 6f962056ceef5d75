import Kernels

/// What went wrong with a data set as a whole, in a sentence a user can act on, and the kind that decides the status
/// code. What is wrong with one pair is a `Problem`.
public struct DatasetError: Error, Sendable {
  public enum Kind: Sendable {
    case invalidArgument, io, invalidData, unsupported, textTooLong, limitExceeded, outOfMemory, cancelled
    case deadlineExceeded
  }

  public let kind: Kind
  public let message: String

  public init(_ kind: Kind, _ message: String) {
    self.kind = kind
    self.message = message
  }
}

/// Throws where the calling thread is to stop: see `Cancellation`.
func checkStop() throws(DatasetError) {
  switch Attachments.own?.reason {
  case nil: return
  case .cancelled:
    throw DatasetError(
      .cancelled, "The call was stopped by a cancellation attached to its thread. Detach it to call again.")
  case .deadline:
    throw DatasetError(
      .deadlineExceeded,
      "The call did not end before the deadline attached to its thread. Allow more time; the next call goes on from here."
    )
  }
}
