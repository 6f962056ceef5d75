/// What went wrong with a data set as a whole, in a sentence a user can act on, and the kind that decides the status
/// code. What is wrong with one pair is a `Problem`.
public struct DatasetError: Error, Sendable {
  public enum Kind: Sendable {
    case invalidArgument, io, invalidData, unsupported, textTooLong, limitExceeded, outOfMemory
  }

  public let kind: Kind
  public let message: String

  public init(_ kind: Kind, _ message: String) {
    self.kind = kind
    self.message = message
  }
}
