import Tokenizing

/// The tokens of a pair's caption.
struct ChosenCaption {
  let tokens: [Int32]
  let isTruncated: Bool
}

/// Why a pair has no tokens.
enum CaptionFailure: Error {
  case skipped(Problem)
  case refused(DatasetError)
}

extension DatasetOptions {
  /// Draws one of a pair's captions for an epoch, and one of its sentences if that is asked for.
  func caption(of raw: RawPair, epoch: Int) throws(CaptionFailure) -> ChosenCaption {
    var draws = Draws(seed: seed, epoch: epoch, index: raw.index, .caption)
    let (first, second) = (draws.next(), draws.next())
    let text: [UInt8]
    switch raw.captions {
    case .listed(let table, let picture):
      text = table.caption(Draws.choice(first, of: table.captionCount(picture)), of: picture)
    case .text(let given): text = given
    case .json(let json):
      guard let captions = JSONText(json)?.member(Columns.captionNames(captionColumn))?.strings else {
        throw .skipped(Problem(.badCaptions, "\(raw.name): the .json is no JSON object with a caption."))
      }
      let filled = captions.filter { !$0.allSatisfy(isSpace) }
      guard !filled.isEmpty else { throw .skipped(Self.empty(raw)) }
      text = filled[Draws.choice(first, of: filled.count)]
    }
    guard drawsSentences else { return try tokens(text[...], raw) }
    let sentences = Sentences.of(text)
    guard !sentences.isEmpty else { throw .skipped(Self.empty(raw)) }
    return try tokens(text[sentences[Draws.choice(second, of: sentences.count)]], raw)
  }

  private static func empty(_ raw: RawPair) -> Problem {
    Problem(.emptyCaptions, "\(raw.name): its caption is empty.")
  }

  private func tokens(_ text: ArraySlice<UInt8>, _ raw: RawPair) throws(CaptionFailure) -> ChosenCaption {
    var ids = [Int32](repeating: 0, count: tokenizer.contextLength)
    var isTruncated = false
    var count = 0
    do {
      count = try encode(text, truncate: false, into: &ids)
    } catch {
      guard case .tooLong = error, longCaptions == .truncate else { throw failure(error, raw) }
      isTruncated = true
      do {
        count = try encode(text, truncate: true, into: &ids)
      } catch {
        throw failure(error, raw)
      }
    }
    // Start and end alone.
    guard count > 2 else { throw .skipped(Self.empty(raw)) }
    return ChosenCaption(tokens: ids, isTruncated: isTruncated)
  }

  private func failure(_ error: TokenizerError, _ raw: RawPair) -> CaptionFailure {
    let told = "\(raw.name): \(error.message)"
    guard case .tooLong = error else { return .skipped(Problem(.badCaptions, told)) }
    return longCaptions == .refuse
      ? .refused(DatasetError(.textTooLong, told)) : .skipped(Problem(.longCaptions, told))
  }

  private func encode(
    _ text: ArraySlice<UInt8>, truncate: Bool, into ids: inout [Int32]
  ) throws(TokenizerError) -> Int {
    try unsafe text.withUnsafeBufferPointer { (text) throws(TokenizerError) in
      try unsafe ids.withUnsafeMutableBufferPointer { (ids) throws(TokenizerError) in
        unsafe try tokenizer.encode(
          UnsafeRawBufferPointer(text), truncate: truncate, replaceInvalid: false, into: ids)
      }
    }
  }
}

/// Long texts taken apart, as ConVIRT does (Zhang et al., 2020).
enum Sentences {
  /// A sentence ends at a line end, and behind '.', '!' or '?', with the quotes and brackets that follow them, where
  /// white space or the end of the text comes next. White space around it is not part of it.
  static func of(_ text: [UInt8]) -> [Range<Int>] {
    var result: [Range<Int>] = []
    var start = 0
    var i = 0
    func add(_ end: Int) {
      var (first, last) = (start, end)
      while first < last, isSpace(text[first]) { first += 1 }
      while first < last, isSpace(text[last - 1]) { last -= 1 }
      if first < last { result.append(first..<last) }
      start = end
    }
    while i < text.count {
      let byte = text[i]
      i += 1
      if byte == 0x0A {
        add(i)
      } else if ".!?".utf8.contains(byte) {
        while i < text.count, ".!?\"')]".utf8.contains(text[i]) { i += 1 }
        if i == text.count || isSpace(text[i]) { add(i) }
      }
    }
    add(text.count)
    return result
  }
}
