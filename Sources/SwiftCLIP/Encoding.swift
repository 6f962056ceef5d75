import Kernels
import Tokenizing

/// Called with how many items are done; true asks to stop.
public typealias Progress = (_ done: Int, _ total: Int) -> Bool

/// Rows of activations computed in one pass. Enough for the products to run at full speed, few enough that
/// the activations stay in the last-level cache and memory does not grow with the batch.
let rowsPerPass = 1600

extension CLIP {
  /// Pictures in one pass of the image encoder.
  public var imagesPerPass: Int { image?.imagesPerPass ?? 1 }

  /// `pixels` (count, 3, size, size) to `embeddings` (count, embedDim). Buffers were measured by the caller.
  public func encode(
    pixels: UnsafeBufferPointer<Float>, count: Int, into embeddings: UnsafeMutablePointer<Float>
  ) throws(CLIPError) {
    guard let image else { throw missingImageEncoder }
    guard count > 0, let base = pixels.baseAddress else { return }
    let imageFloats = 3 * image.imageSize * image.imageSize
    for index in pixels.indices where unsafe !pixels[index].isFinite {
      throw CLIPError(
        .invalidArgument,
        "pixels[\(index)], in picture \(index / imageFloats), is \(unsafe pixels[index]). Pixels must be finite."
      )
    }
    var done = 0
    while done < count {
      let pass = min(imagesPerPass, count - done)
      unsafe try image(
        base + done * imageFloats, count: pass, into: embeddings + done * embedDim, compute)
      done += pass
    }
  }

  /// `tokens` (count, contextLength) to `embeddings` (count, embedDim). Buffers were measured by the caller.
  /// - Parameter firstIndex: the first text's number in messages, where more came before it.
  public func encode(
    tokens: UnsafeBufferPointer<Int32>, count: Int, firstIndex: Int = 0,
    into embeddings: UnsafeMutablePointer<Float>
  ) throws(CLIPError) {
    guard let text else { throw missingTextEncoder }
    // What is known of each text beside the caller's memory is bounded so.
    for first in stride(from: 0, to: count, by: CLIP.textsPerSort) {
      let some = min(CLIP.textsPerSort, count - first)
      let ids = unsafe UnsafeBufferPointer(
        rebasing: tokens[first * text.contextLength..<(first + some) * text.contextLength])
      unsafe try encode(
        ids, count: some, firstIndex: firstIndex + first, text, into: embeddings + first * embedDim)
    }
  }

  /// Texts whose order is changed so that neighbours share their beginnings.
  private static let textsPerSort = 2048

  private func encode(
    _ tokens: UnsafeBufferPointer<Int32>, count: Int, firstIndex: Int, _ text: TextTransformer,
    into embeddings: UnsafeMutablePointer<Float>
  ) throws(CLIPError) {
    guard let base = tokens.baseAddress else { return }
    try checkStop()
    var texts: [CheckedText] = []
    texts.reserveCapacity(count)
    for index in 0..<count {
      let ids = unsafe UnsafeBufferPointer(
        start: base + index * text.contextLength, count: text.contextLength)
      do {
        let pooled = unsafe try text.pooledPosition(ids)
        texts.append(
          unsafe CheckedText(
            index: index, tokens: Array(ids[..<(text.causal ? pooled + 1 : ids.count)]), pooled: pooled))
      } catch {
        throw error.located("Text \(firstIndex + index)")
      }
    }
    // Neighbours in this order share the longest beginnings.
    if text.causal { texts.sort { $0.tokens.lexicographicallyPrecedes($1.tokens) } }
    var first = 0
    while first < count {
      var tree = TokenTree()
      while first + tree.count < count, max(tree.rows.count, tree.count) < rowsPerPass {
        let next = texts[first + tree.count]
        tree.append(next.tokens, pooled: next.pooled, shares: text.causal)
      }
      let results = try Workspace(rows: tree.count, columns: embedDim)
      try text(tree, into: results.view, compute)
      for row in 0..<tree.count {
        unsafe (embeddings + texts[first + row].index * embedDim).update(
          from: results.view.pointer + row * embedDim, count: embedDim)
      }
      first += tree.count
    }
  }

  /// Texts to tokens (texts.count, contextLength).
  public func tokenize(
    _ texts: [UnsafeRawBufferPointer], _ rules: TextRules, into tokens: UnsafeMutablePointer<Int32>
  ) throws(CLIPError) {
    guard let tokenizer else { throw missingVocabulary }
    unsafe try tokenizer.encode(texts, firstIndex: 0, rules, into: tokens)
  }

  /// Texts to embeddings (texts.count, embedDim), a pass at a time. `embeddings` may hold part of the result
  /// when this throws.
  public func encode(
    texts: [UnsafeRawBufferPointer], _ rules: TextRules, into embeddings: UnsafeMutablePointer<Float>,
    progress: Progress
  ) throws(CLIPError) {
    guard let text else { throw missingTextEncoder }
    guard let tokenizer else { throw missingVocabulary }
    let textsPerPass = 256
    var tokens = unsafe [Int32](repeating: 0, count: min(textsPerPass, texts.count) * text.contextLength)
    var done = 0
    while unsafe done < texts.count {
      let batch = unsafe Array(texts[done..<min(done + textsPerPass, texts.count)])
      let used = unsafe batch.count * text.contextLength
      try unsafe tokens.withUnsafeMutableBufferPointer { (buffer) throws(CLIPError) in
        guard let base = buffer.baseAddress else { return }
        unsafe try tokenizer.encode(batch, firstIndex: done, rules, into: base)
        unsafe try encode(
          tokens: UnsafeBufferPointer(start: base, count: used), count: batch.count, firstIndex: done,
          into: embeddings + done * embedDim)
      }
      unsafe done += batch.count
      if unsafe progress(done, texts.count) { throw unsafe cancelled(done, texts.count) }
    }
  }
}

/// A text whose ids are of the vocabulary, up to the last that is computed.
private struct CheckedText {
  /// Its place in the call.
  let index: Int
  let tokens: [Int32]
  /// Position of the token that is read.
  let pooled: Int
}

/// What a model may lack: a tower whose file was not given, or the vocabulary.
extension CLIP {
  public enum Part: Sendable { case imageEncoder, textEncoder, vocabulary }

  /// Refuses work for which this model lacks a part, before anything else is looked at.
  public func require(_ part: Part) throws(CLIPError) {
    switch part {
    case .imageEncoder: guard image != nil else { throw missingImageEncoder }
    case .textEncoder: guard text != nil else { throw missingTextEncoder }
    case .vocabulary:
      try require(.textEncoder)
      guard tokenizer != nil else { throw missingVocabulary }
    }
  }

  var missingImageEncoder: CLIPError {
    CLIPError(
      .missingPart, "This model has no image encoder: only its text file was given. Open it with both.")
  }
  var missingTextEncoder: CLIPError {
    CLIPError(
      .missingPart, "This model has no text encoder: only its image file was given. Open it with both.")
  }
  var missingVocabulary: CLIPError {
    CLIPError(
      .missingPart,
      "This model was opened without a vocabulary, so texts cannot become tokens. Put merges.txt beside it, or name one in the options."
    )
  }
}

public func cancelled(_ done: Int, _ total: Int) -> CLIPError {
  CLIPError(.cancelled, "Cancelled by the callback after \(done) of \(total).")
}

/// How texts are read.
public struct TextRules: Sendable {
  /// Cut at the context length instead of refusing.
  public var truncate: Bool
  /// Read invalid UTF-8 as U+FFFD instead of refusing.
  public var replaceInvalid: Bool

  public init(truncate: Bool = false, replaceInvalid: Bool = false) {
    self.truncate = truncate
    self.replaceInvalid = replaceInvalid
  }
}

extension Tokenizer {
  /// One text to its contextLength tokens.
  func encode(_ text: [UInt8], _ rules: TextRules) throws(CLIPError) -> [Int32] {
    var tokens = [Int32](repeating: 0, count: contextLength)
    try unsafe tokens.withUnsafeMutableBufferPointer { (row) throws(CLIPError) in
      try unsafe text.withUnsafeBufferPointer { (text) throws(CLIPError) in
        let bytes = UnsafeRawBufferPointer(text)
        _ = try converting { () throws(TokenizerError) in
          unsafe try encode(bytes, truncate: rules.truncate, replaceInvalid: rules.replaceInvalid, into: row)
        }
      }
    }
    return tokens
  }

  /// Texts to tokens (texts.count, contextLength); an error names the text, counted from `firstIndex`.
  public func encode(
    _ texts: [UnsafeRawBufferPointer], firstIndex: Int, _ rules: TextRules,
    into tokens: UnsafeMutablePointer<Int32>
  ) throws(CLIPError) {
    for unsafe(index, text) in unsafe texts.enumerated() {
      try checkStop()
      let row = unsafe UnsafeMutableBufferPointer(start: tokens + index * contextLength, count: contextLength)
      do {
        _ = unsafe try encode(
          text, truncate: rules.truncate, replaceInvalid: rules.replaceInvalid, into: row)
      } catch {
        throw error.told.located("Text \(firstIndex + index)")
      }
    }
  }
}
