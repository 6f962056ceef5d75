/// HTML character references, decoded twice over: as ftfy does it (cautiously, in `unescapedByFtfy`) and as
/// Python's `html.unescape` does it (as browsers do, in `unescaped`).
struct HTMLEntities: Sendable {
  static let shared = HTMLEntities()

  /// The table's text, entries sorted by name, and where each entry starts.
  private let text: [UInt8]
  private let starts: [Int]

  private init() {
    text = TableReader.bytes(Tables.entities)
    let separator = UInt8(ascii: ";")
    starts = [0] + text.indices.lazy.filter { [text] in text[$0] == separator }.map { $0 + 1 }
  }

  /// Who knows a name.
  private enum Kind: UInt8 {
    case html = 0x45, legacyHTML = 0x4C, ftfyOnly = 0x55
  }

  /// Looks up a name without `&` and `;`.
  private func entity(_ name: ArraySlice<UInt32>) -> (kind: Kind, value: Scalars)? {
    var low = 0
    var high = starts.count
    while low < high {
      let middle = (low + high) / 2
      if precedes(middle, name) { low = middle + 1 } else { high = middle }
    }
    guard low < starts.count, let end = matches(low, name), let kind = Kind(rawValue: text[end + 1])
    else { return nil }
    let value = text[(end + 3)...].prefix { $0 != UInt8(ascii: ";") }
    return (kind, TableReader.scalars(value))
  }

  /// Whether the name of an entry sorts before `name`.
  private func precedes(_ entry: Int, _ name: ArraySlice<UInt32>) -> Bool {
    var i = starts[entry]
    for scalar in name {
      // The blank after the table's name is below every letter and digit.
      if text[i] != scalar { return text[i] < scalar }
      i += 1
    }
    return false
  }

  /// The index of the blank behind an entry's name, if that name is `name`.
  private func matches(_ entry: Int, _ name: ArraySlice<UInt32>) -> Int? {
    var i = starts[entry]
    for scalar in name {
      guard scalar != 0x20, text[i] == scalar else { return nil }
      i += 1
    }
    return text[i] == 0x20 ? i : nil
  }

  // MARK: html.unescape

  /// Python's `html.unescape`.
  func unescaped(_ input: Scalars) -> Scalars {
    replacingReferences(input) { reference(input, $0) }
  }

  /// The reference whose `&` stands at `start`: what it means, and the index behind it.
  private func reference(_ input: Scalars, _ start: Int) -> (ArraySlice<UInt32>, Int)? {
    let first = start + 1
    guard first < input.count else { return nil }
    if input[first] == 0x23 { return numericReference(input, first + 1) }
    var end = first
    while end < input.count, end - first < 32, isNamePart(input[end]) { end += 1 }
    if end == first { return nil }
    let run = input[first..<end]
    if end < input.count, input[end] == 0x3B, let (kind, value) = entity(run), kind != .ftfyOnly {
      return (value[...], end + 1)
    }
    // The longest beginning that may lack its semicolon; those names have 2 to 6 letters.
    for length in stride(from: min(6, run.count), through: 2, by: -1) {
      if let (kind, value) = entity(run.prefix(length)), kind == .legacyHTML {
        return (value + run.dropFirst(length), end)
      }
    }
    // Not a reference; but its text is used up.
    return ([0x26] + run, end)
  }

  private func isNamePart(_ scalar: UInt32) -> Bool {
    switch scalar {
    case 0x09, 0x0A, 0x0C, 0x20, 0x3C, 0x26, 0x23, 0x3B: false
    default: true
    }
  }

  /// A number behind `&#`; `start` is behind the `#`.
  private func numericReference(_ input: Scalars, _ start: Int) -> (ArraySlice<UInt32>, Int)? {
    var i = start
    let hexadecimal = i < input.count && input[i] | 0x20 == 0x78
    if hexadecimal { i += 1 }
    let digits = i
    var number: UInt32 = 0
    while i < input.count, let digit = digit(input[i], hexadecimal) {
      // Python's int() refuses more than 4,300 decimal digits; here they are too large like any other.
      number = min(number * (hexadecimal ? 16 : 10) + digit, 0x110000)
      i += 1
    }
    if i == digits { return nil }
    if i < input.count, input[i] == 0x3B { i += 1 }
    return (character(number)[...], i)
  }

  private func digit(_ scalar: UInt32, _ hexadecimal: Bool) -> UInt32? {
    switch scalar {
    case 0x30...0x39: scalar - 0x30
    case 0x41...0x46 where hexadecimal: scalar - 0x37
    case 0x61...0x66 where hexadecimal: scalar - 0x57
    default: nil
    }
  }

  /// The HTML standard's reading of a number: Windows-1252 for 80...9F, nothing for other control characters
  /// and noncharacters.
  private func character(_ number: UInt32) -> Scalars {
    switch number {
    case 0, 0xD800...0xDFFF, 0x110000...: [0xFFFD]
    case 0x0D: [0x0D]
    case 0x80...0x9F: [LegacyEncodings.windows1252(UInt8(number))]
    case 0x01...0x08, 0x0B, 0x0E...0x1F, 0x7F, 0xFDD0...0xFDEF: []
    default: number & 0xFFFE == 0xFFFE ? [] : [number]
    }
  }

  // MARK: ftfy

  /// ftfy's `unescape_html`: only what ends in a semicolon, and upper-case forms of lower-case names too.
  func unescapedByFtfy(_ input: Scalars) -> Scalars {
    replacingReferences(input) { ftfyReference(input, $0) }
  }

  private func ftfyReference(_ input: Scalars, _ start: Int) -> (ArraySlice<UInt32>, Int)? {
    var first = start + 1
    let numeric = first < input.count && input[first] == 0x23
    if numeric { first += 1 }
    var end = first
    while end < input.count, end - first < 24, isAlphanumeric(input[end]) { end += 1 }
    guard end > first, end < input.count, input[end] == 0x3B else { return nil }
    if !numeric { return entity(input[first..<end]).map { ($0.value[...], end + 1) } }
    // A number that html.unescape reads whole; a semicolon in the result makes ftfy keep the reference.
    guard let (value, behind) = numericReference(input, first), behind == end + 1, value != [0x3B]
    else { return nil }
    return (value, behind)
  }

  private func isAlphanumeric(_ scalar: UInt32) -> Bool {
    switch scalar {
    case 0x30...0x39, 0x41...0x5A, 0x61...0x7A: true
    default: false
    }
  }

  /// Replaces what `reference` finds at each `&`, from left to right.
  private func replacingReferences(
    _ input: Scalars, _ reference: (Int) -> (ArraySlice<UInt32>, Int)?
  ) -> Scalars {
    guard var i = input.firstIndex(of: 0x26) else { return input }
    var result = Scalars(input[..<i])
    result.reserveCapacity(input.count)
    while i < input.count {
      if input[i] == 0x26, let (value, end) = reference(i) {
        result.append(contentsOf: value)
        i = end
      } else {
        result.append(input[i])
        i += 1
      }
    }
    return result
  }
}
