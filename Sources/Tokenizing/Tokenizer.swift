/// CLIP's tokenizer: byte-level BPE with 49,152 merges at most, lower case, context length 77 (Radford et al.,
/// 2021, section 2.4). Gives the ids of the official code (openai/CLIP) with ftfy installed; "<|startoftext|>" and
/// "<|endoftext|>" in a text are the special tokens, as there. (open_clip spells them <start_of_text> and
/// <end_of_text>; that is the only difference between the two.)
public struct Tokenizer: Sendable {
  /// Tokens in a text, start and end included.
  public let contextLength: Int
  private let vocabulary: Vocabulary

  /// Longest text in bytes. Cleaning takes some 20 bytes of memory for each.
  static let maximalText = 1 << 24

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
      throw .unsupported(
        "a context of \(contextLength) tokens has no place for start and end. Give 2 or more.")
    }
    let text = unsafe try Tokenizer.text(vocabulary: vocabulary, name: name)
    self.vocabulary = try Vocabulary(text: text, name: name, size: vocabularySize)
    self.contextLength = contextLength
    TextRepair.prepare()
  }

  /// The text of a vocabulary that is plain or gzip.
  public static func text(
    vocabulary: UnsafeRawBufferPointer, name: String
  ) throws(TokenizerError) -> [UInt8] {
    guard vocabulary.count <= Gzip.maximalSize else {
      throw .invalidData(
        "\(name) has \(vocabulary.count) bytes: more than \(Gzip.maximalSize >> 20) MB is no vocabulary.")
    }
    // The buffer is the caller's for the length of the call; both branches copy it.
    return unsafe Gzip.isGzip(vocabulary)
      ? try unsafe Gzip.inflate(vocabulary, name: name) : unsafe [UInt8](vocabulary)
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
    guard utf8.count <= Self.maximalText else {
      throw .tooLong(
        "the text has \(utf8.count) bytes; \(Self.maximalText) are the most that a text may have, truncated or"
          + " not. Cut it before tokenizing.")
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
    if let plain = unsafe PlainText.lowercased(utf8) { return encodePlain(plain) }
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
        append(word, word.indices, &encoder, to: &tokens)
      }
    }
    return tokens
  }

  /// The same for plain text, lower case but not cleaned otherwise.
  func encodePlain(_ text: [UInt8]) -> [Int32] {
    var tokens: [Int32] = []
    tokens.reserveCapacity(text.count / 3 + 8)
    var encoder = BytePairEncoder()
    var position = 0
    while let piece = PlainText.next(text, &position) {
      switch piece {
      case .start: tokens.append(startToken)
      case .end: tokens.append(endToken)
      case .word(let range): append(text, range, &encoder, to: &tokens)
      }
    }
    return tokens
  }

  /// Appends the tokens of one word.
  @inline(__always)
  private func append(
    _ text: [UInt8], _ word: Range<Int>, _ encoder: inout BytePairEncoder, to tokens: inout [Int32]
  ) {
    if let key = WordTable.key(text, word), let token = vocabulary.words.token(key) {
      tokens.append(token)
    } else {
      encoder.encode(text, word, vocabulary)
      tokens.append(contentsOf: encoder.symbols)
    }
  }
}
