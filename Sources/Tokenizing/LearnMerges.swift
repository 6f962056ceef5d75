/// Learns the merges of a byte-level BPE from captions (Sennrich et al., 2016), for tokenizers of one's own in the
/// official format.
///
/// Each merge is the pair of neighbouring symbols that occurs most often in all words, as the official tokenizer
/// would take them apart with the merges so far; of pairs that occur equally often, the one whose left symbol came
/// about first, then whose right one did (bytes in the official order, bytes that end a word, merges). Symbols are
/// their strings: two merges may make the same one. A pair that occurs once only is not merged.
///
/// Counts are kept up to date: a merge looks only at the words that hold its pair.
public struct MergeLearner {
  private var words = WordCounts()

  public init() { TextRepair.prepare() }

  /// Vocabulary sizes that can be asked for: a merge at least, and the official size at most.
  public static let sizes = Vocabulary.otherSymbols + 1...Vocabulary.officialMerges + Vocabulary.otherSymbols

  /// Takes the words of one caption in.
  public mutating func add(
    _ utf8: UnsafeRawBufferPointer, replaceInvalid: Bool
  ) throws(TokenizerError) {
    guard utf8.count <= Tokenizer.maximalText else {
      throw .tooLong(
        "the text has \(utf8.count) bytes; \(Tokenizer.maximalText) are the most that a text may have. Cut it."
      )
    }
    try unsafe words.add(utf8, replaceInvalid: replaceInvalid)
  }

  /// Learns the merges of a vocabulary of `size` ids, fewer if no pair is left that occurs twice.
  ///   proceed  called with merges done now and then; false stops
  /// Returns nil if it was stopped, else the text of a merges file and its vocabulary size.
  public func merges(
    size: Int, proceed: (_ merges: Int) -> Bool
  ) -> (text: [UInt8], vocabularySize: Int)? {
    var state = LearningState(words)
    let wanted = size - Vocabulary.otherSymbols
    while state.learned < wanted {
      if state.learned % 64 == 0, !proceed(state.learned) { return nil }
      guard state.learnNext() else { break }
    }
    return (state.text, state.learned + Vocabulary.otherSymbols)
  }
}

/// Symbols of all words under the merges learned so far, and how often each pair occurs.
private struct LearningState {
  private struct Pair {
    var count = 0
    /// Words that hold the pair, or did; one may be named twice.
    var words: [Int32] = []
    /// The pair's merge, once it is learned.
    var rank = Int32.max
    /// The highest count with which the heap knows the pair.
    var listed = 0
  }

  /// Most frequent first; of equals, the pair of the smaller symbols.
  private struct Candidate: Comparable {
    let count: Int
    let key: UInt64
    static func < (a: Candidate, b: Candidate) -> Bool {
      a.count != b.count ? a.count > b.count : a.key < b.key
    }
  }

  private(set) var text = Array("#version: 0.2\n".utf8)
  private(set) var learned = 0
  private var symbols = ByteStrings()
  private var counts: [Int]
  private var words: [[Int32]] = []
  private var numbers: [UInt64: Int] = [:]
  private var pairs: [Pair] = []
  private var heap = Heap<Candidate>()
  /// Pairs whose counts the present merge has changed.
  private var touched: [UInt64] = []

  init(_ given: WordCounts) {
    counts = given.counts
    let alphabet = Vocabulary.byteAlphabet()
    let endOfWord = Array("</w>".utf8)
    var plain = [Int32](repeating: 0, count: 256)
    var last = plain
    for byte in alphabet.order { plain[byte] = symbols.number(alphabet.letters[byte]) }
    for byte in alphabet.order { last[byte] = symbols.number(alphabet.letters[byte] + endOfWord) }
    for number in 0..<given.words.count {
      var word = given.words[number].map { plain[Int($0)] }
      if let byte = given.words[number].last { word[word.count - 1] = last[Int(byte)] }
      words.append(word)
      count(number, adding: true)
    }
    listTouched()
  }

  /// Learns one merge; false if no pair occurs twice any more.
  mutating func learnNext() -> Bool {
    while let best = heap.minimum {
      heap.removeMinimum()
      guard let number = numbers[best.key] else { continue }
      if pairs[number].listed == best.count { pairs[number].listed = 0 }
      // Learned pairs are merged wherever they come up, so that none has a count.
      guard pairs[number].count >= 2 else { continue }
      if pairs[number].count != best.count {
        list(best.key, number)
        continue
      }
      learn(best.key, number)
      return true
    }
    return false
  }

  private mutating func learn(_ key: UInt64, _ number: Int) {
    text.append(contentsOf: symbols[Int(key >> 32)])
    text.append(0x20)
    text.append(contentsOf: symbols[Int(key & 0xFFFF_FFFF)])
    text.append(0x0A)
    pairs[number].rank = Int32(truncatingIfNeeded: learned)
    learned += 1
    let holders = pairs[number].words
    pairs[number].words = []
    for word in holders where holds(Int(word), key) {
      count(Int(word), adding: false)
      encode(Int(word))
      count(Int(word), adding: true)
    }
    listTouched()
  }

  private func holds(_ word: Int, _ key: UInt64) -> Bool {
    let symbols = words[word]
    for i in 1..<max(1, symbols.count) where Self.key(symbols[i - 1], symbols[i]) == key { return true }
    return false
  }

  /// The official way: the learned pair of the lowest rank, everywhere in the word, until there is none. Merging
  /// may bring a pair back that was learned before.
  private mutating func encode(_ word: Int) {
    while true {
      var lowest = Int32.max
      var chosen: UInt64 = 0
      let old = words[word]
      for i in 1..<max(1, old.count) {
        let key = Self.key(old[i - 1], old[i])
        if let number = numbers[key], pairs[number].rank < lowest {
          (lowest, chosen) = (pairs[number].rank, key)
        }
      }
      if lowest == .max { return }
      let joined = symbols.number(
        Array(symbols[Int(chosen >> 32)]) + Array(symbols[Int(chosen & 0xFFFF_FFFF)]))
      var new: [Int32] = []
      var i = 0
      while i < old.count {
        let isPair = i + 1 < old.count && Self.key(old[i], old[i + 1]) == chosen
        new.append(isPair ? joined : old[i])
        i += isPair ? 2 : 1
      }
      words[word] = new
    }
  }

  /// Adds a word's pairs to the counts, or takes them away.
  private mutating func count(_ word: Int, adding: Bool) {
    let symbols = words[word]
    for i in 1..<max(1, symbols.count) {
      let key = Self.key(symbols[i - 1], symbols[i])
      let number = numbers[key] ?? pairs.count
      if number == pairs.count {
        numbers[key] = number
        pairs.append(Pair())
      }
      pairs[number].count += adding ? counts[word] : -counts[word]
      guard adding else { continue }
      let name = Int32(truncatingIfNeeded: word)
      if pairs[number].words.last != name { pairs[number].words.append(name) }
      touched.append(key)
    }
  }

  /// Puts pairs whose count may have risen on the heap.
  private mutating func listTouched() {
    for key in touched {
      if let number = numbers[key] { list(key, number) }
    }
    touched.removeAll(keepingCapacity: true)
  }

  private mutating func list(_ key: UInt64, _ number: Int) {
    guard pairs[number].count >= 2, pairs[number].count > pairs[number].listed else { return }
    pairs[number].listed = pairs[number].count
    heap.insert(Candidate(count: pairs[number].count, key: key))
  }

  private static func key(_ left: Int32, _ right: Int32) -> UInt64 {
    UInt64(UInt32(bitPattern: left)) << 32 | UInt64(UInt32(bitPattern: right))
  }
}

extension ByteStrings {
  fileprivate mutating func number(_ text: [UInt8]) -> Int32 {
    Int32(truncatingIfNeeded: intern(text, text.indices))
  }
}
