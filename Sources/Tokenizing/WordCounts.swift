/// The words of captions, cleaned and split as the official tokenizer does it, and how often each occurs.
struct WordCounts {
  private(set) var words = ByteStrings()
  private(set) var counts: [Int] = []

  /// Counts the words of one caption. Special tokens that are written out are no words.
  mutating func add(_ utf8: UnsafeRawBufferPointer, replaceInvalid: Bool) throws(TokenizerError) {
    if let plain = unsafe PlainText.lowercased(utf8) {
      var position = 0
      while let piece = PlainText.next(plain, &position) {
        if case .word(let range) = piece { try count(plain, range) }
      }
      return
    }
    // A copy: the rest is free of pointers.
    let bytes = unsafe [UInt8](utf8)
    let cleaned = try TextRepair.cleaned(try UTF8Text.decode(bytes, replaceInvalid: replaceInvalid))
    var position = 0
    var word: [UInt8] = []
    while let piece = WordSplitter.next(cleaned, &position) {
      guard case .word(let range) = piece else { continue }
      word.removeAll(keepingCapacity: true)
      for scalar in cleaned[range] { UTF8Text.encode(scalar, to: &word) }
      try count(word, word.indices)
    }
  }

  private mutating func count(_ text: [UInt8], _ range: Range<Int>) throws(TokenizerError) {
    guard words.count < Int32.max else {
      throw .unsupported("the captions have more than \(Int32.max) different words. Give a part of them.")
    }
    let number = words.intern(text, range)
    if number == counts.count { counts.append(0) }
    counts[number] += 1
  }
}
