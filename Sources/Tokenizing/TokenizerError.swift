/// What can go wrong when a vocabulary is opened or a text is tokenized. The sentence says what, where and
/// what to do.
public enum TokenizerError: Error, Equatable {
  /// The vocabulary file is damaged or does not fit the model.
  case invalidData(String)
  /// The text is not UTF-8.
  case invalidUTF8(String)
  /// The text has more tokens than the context.
  case tooLong(String)
  /// Well-formed, but nothing that this tokenizer can do.
  case unsupported(String)

  /// The sentence, whatever the case.
  public var message: String {
    switch self {
    case .invalidData(let message), .invalidUTF8(let message), .tooLong(let message),
      .unsupported(let message):
      message
    }
  }
}
