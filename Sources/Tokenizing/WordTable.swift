/// The ids of frequent words, so that most words of a caption need no merging: words of a to z, 12 letters at
/// most, that byte pair encoding makes one token of. Immutable, and so free of locks.
struct WordTable: Sendable {
  /// Five bits a letter, from 1; 0 is free.
  private var keys: [UInt64]
  private var ids: [Int32]

  static let longestWord = 12
  /// Merges come in the order of frequency; the words that so many of the first ones make are enough.
  static let mergesUsed = 12_288

  init(count: Int) {
    keys = [UInt64](repeating: 0, count: MergeTable.capacity(count))
    ids = [Int32](repeating: 0, count: keys.count)
  }

  /// The key of a word, or nil if the table cannot hold it.
  @inline(__always)
  static func key(_ text: [UInt8], _ word: Range<Int>) -> UInt64? {
    guard 1...longestWord ~= word.count else { return nil }
    var key: UInt64 = 0
    for i in word {
      guard 0x61...0x7A ~= text[i] else { return nil }
      key = key << 5 | UInt64(text[i] & 31)
    }
    return key
  }

  mutating func insert(_ key: UInt64, _ id: Int32) {
    let slot = slot(key)
    keys[slot] = key
    ids[slot] = id
  }

  /// The one token of a word, if the table has it.
  @inline(__always)
  func token(_ key: UInt64) -> Int32? {
    let slot = slot(key)
    return keys[slot] == key ? ids[slot] : nil
  }

  /// The slot of a key, or the free one where it belongs. At least half of the slots are free.
  @inline(__always)
  private func slot(_ key: UInt64) -> Int {
    let mask = keys.count - 1
    var slot = Int(truncatingIfNeeded: (key &* 0x9E37_79B9_7F4A_7C15) >> 40) & mask
    while keys[slot] != 0, keys[slot] != key { slot = (slot + 1) & mask }
    return slot
  }
}
