/// Strings of bytes, each kept once and numbered from 0 in the order of arrival: a hash table with open
/// addressing.
package struct ByteStrings: Sendable {
  private var bytes: [UInt8] = []
  private var ends: [Int] = [0]
  /// Numbers + 1; 0 is free.
  private var slots = [UInt32](repeating: 0, count: 1024)

  package init() {}

  package var count: Int { ends.count - 1 }
  /// Most strings that can be told apart.
  package static let capacity = Int(UInt32.max) - 1

  /// The bytes of a string.
  package subscript(number: Int) -> ArraySlice<UInt8> { bytes[ends[number]..<ends[number + 1]] }

  /// The number of the string `text[range]`, which is added if it is new. `count` is below `capacity`.
  package mutating func intern(_ text: [UInt8], _ range: Range<Int>) -> Int {
    if 2 * count >= slots.count { grow() }
    let slot = slot(text, range)
    if slots[slot] != 0 { return Int(slots[slot]) - 1 }
    bytes.append(contentsOf: text[range])
    ends.append(bytes.count)
    slots[slot] = UInt32(truncatingIfNeeded: count)
    return count - 1
  }

  /// The slot that holds a string, or the free one where it belongs.
  private func slot(_ text: [UInt8], _ range: Range<Int>) -> Int {
    let mask = slots.count - 1
    var slot = Int(truncatingIfNeeded: Self.hash(text, range)) & mask
    while slots[slot] != 0, !holds(Int(slots[slot]) - 1, text, range) { slot = (slot + 1) & mask }
    return slot
  }

  private func holds(_ number: Int, _ text: [UInt8], _ range: Range<Int>) -> Bool {
    let start = ends[number]
    guard ends[number + 1] - start == range.count else { return false }
    for i in 0..<range.count where bytes[start + i] != text[range.lowerBound + i] { return false }
    return true
  }

  private static func hash(_ text: [UInt8], _ range: Range<Int>) -> UInt64 {
    var hash: UInt64 = 0xCBF2_9CE4_8422_2325
    for i in range { hash = (hash ^ UInt64(text[i])) &* 0x100_0000_01B3 }
    return (hash ^ hash >> 29) &* 0x9E37_79B9_7F4A_7C15 >> 20
  }

  private mutating func grow() {
    slots = [UInt32](repeating: 0, count: slots.count * 2)
    let mask = slots.count - 1
    for number in 0..<count {
      var slot = Int(truncatingIfNeeded: Self.hash(bytes, ends[number]..<ends[number + 1])) & mask
      while slots[slot] != 0 { slot = (slot + 1) & mask }
      slots[slot] = UInt32(truncatingIfNeeded: number + 1)
    }
  }
}
