/// The symbols' strings and their ids, while a vocabulary is read: a hash table with open addressing.
struct SymbolTable {
  private var bytes: [UInt8] = []
  private var ends: [Int] = [0]
  /// Ids + 1; 0 is free.
  private var slots: [Int32]
  /// The slot of each id's string.
  private var slotOf: [Int32] = []

  init(count: Int, bytes capacity: Int) {
    slots = [Int32](repeating: 0, count: MergeTable.capacity(count))
    ends.reserveCapacity(count + 1)
    slotOf.reserveCapacity(count)
    bytes.reserveCapacity(capacity)
  }

  /// Gives `symbol` the next id.
  mutating func append(_ symbol: [UInt8]) { append(symbol, symbol.indices, symbol.count..<symbol.count) }

  /// Gives the next id to the string that two pieces of `text` make together.
  mutating func append(_ text: [UInt8], _ left: Range<Int>, _ right: Range<Int>) {
    let start = bytes.count
    bytes.append(contentsOf: text[left])
    bytes.append(contentsOf: text[right])
    let slot = slot(bytes, start..<bytes.count)
    slots[slot] = Int32(ends.count)
    slotOf.append(Int32(slot))
    ends.append(bytes.count)
  }

  /// The last id of a string.
  func id(_ text: [UInt8], _ range: Range<Int>) -> Int32? {
    let id = slots[slot(text, range)]
    return id == 0 ? nil : id - 1
  }

  /// The last id with the same string as this one's.
  func canonical(_ id: Int) -> Int32 { slots[Int(slotOf[id])] - 1 }

  /// The slot that holds a string, or the free one where it belongs.
  private func slot(_ text: [UInt8], _ range: Range<Int>) -> Int {
    var hash: UInt64 = 0xCBF2_9CE4_8422_2325
    for i in range { hash = (hash ^ UInt64(text[i])) &* 0x100_0000_01B3 }
    hash ^= hash >> 29
    var slot = Int(hash & UInt64(slots.count - 1))
    while slots[slot] != 0, !holds(Int(slots[slot]) - 1, text, range) { slot = (slot + 1) & (slots.count - 1) }
    return slot
  }

  private func holds(_ id: Int, _ text: [UInt8], _ range: Range<Int>) -> Bool {
    ends[id + 1] - ends[id] == range.count && bytes[ends[id]..<ends[id + 1]].elementsEqual(text[range])
  }
}
