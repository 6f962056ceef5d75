/// CLIP's tokenizer: byte-level BPE with 49,152 merges at most, lower case, context length 77 (Radford et al.,
/// 2021, section 2.4). Gives the ids of the official code with ftfy installed.
public struct Tokenizer: Sendable {
  /// Tokens in a text, start and end included.
  public let contextLength: Int
  private let vocabulary: Vocabulary

  /// Number of ids, the special ones included.
  public var vocabularySize: Int { vocabulary.size }
  public var startToken: Int32 { vocabulary.startToken }
  public var endToken: Int32 { vocabulary.endToken }

  /// Reads a vocabulary.
  ///   vocabulary      the contents of merges.txt or bpe_simple_vocab_16e6.txt, plain or gzip
  ///   name            what messages call it
  ///   contextLength   2 or more; officially 77
  ///   vocabularySize  the model's number of ids, which decides how many merges are used; nil: the file's,
  ///                   at most the official 49,408
  public init(
    vocabulary: UnsafeRawBufferPointer, name: String, contextLength: Int, vocabularySize: Int?
  ) throws(TokenizerError) {
    guard contextLength >= 2 else {
      throw .unsupported("a context of \(contextLength) tokens has no place for start and end. Give 2 or more.")
    }
    // The buffer is the caller's for the length of the call; both branches copy it.
    let text =
      unsafe Gzip.isGzip(vocabulary)
      ? try unsafe Gzip.inflate(vocabulary, name: name) : unsafe [UInt8](vocabulary)
    self.vocabulary = try Vocabulary(text: text, name: name, size: vocabularySize)
    self.contextLength = contextLength
  }

  /// Writes a text's tokens: start, byte pairs, end, zeros; `contextLength` ids in all. Nothing is written on
  /// failure.
  ///   truncate        cut a text that is too long, with end as the last token, as the official code can
  ///   replaceInvalid  read invalid UTF-8 as U+FFFD, as Python's errors="replace"
  /// Returns the number of tokens including start and end.
  public func encode(
    _ utf8: UnsafeRawBufferPointer, truncate: Bool, replaceInvalid: Bool,
    into ids: UnsafeMutableBufferPointer<Int32>
  ) throws(TokenizerError) -> Int {
    guard ids.count >= contextLength else {
      throw .unsupported("there is room for \(ids.count) tokens, but the context has \(contextLength).")
    }
    let tokens = try unsafe encode(utf8, replaceInvalid: replaceInvalid)
    let count = tokens.count + 2
    guard truncate || count <= contextLength else {
      throw .tooLong(
        "the text has \(count) tokens with start and end, the context \(contextLength). Shorten it, or ask for"
          + " truncation.")
    }
    let kept = min(tokens.count, contextLength - 2)
    unsafe ids[0] = startToken
    for i in 0..<kept { unsafe ids[i + 1] = tokens[i] }
    unsafe ids[kept + 1] = endToken
    for i in kept + 2..<max(contextLength, kept + 2) { unsafe ids[i] = 0 }
    return kept + 2
  }

  /// All tokens of a text, without start and end.
  private func encode(
    _ utf8: UnsafeRawBufferPointer, replaceInvalid: Bool
  ) throws(TokenizerError) -> [Int32] {
    // A copy: the rest is free of pointers.
    let bytes = unsafe [UInt8](utf8)
    let cleaned = try TextRepair.cleaned(try UTF8Text.decode(bytes, replaceInvalid: replaceInvalid))
    return encodeCleaned(cleaned)
  }

  /// Splits a cleaned text into words and encodes each.
  func encodeCleaned(_ text: Scalars) -> [Int32] {
    var tokens: [Int32] = []
    var encoder = BytePairEncoder()
    var word: [UInt8] = []
    var position = 0
    while let piece = WordSplitter.next(text, &position) {
      switch piece {
      case .start: tokens.append(startToken)
      case .end: tokens.append(endToken)
      case .word(let range):
        word.removeAll(keepingCapacity: true)
        for scalar in text[range] { UTF8Text.encode(scalar, to: &word) }
        encoder.encode(word, vocabulary)
        tokens.append(contentsOf: encoder.symbols)
      }
    }
    return tokens
  }
}
