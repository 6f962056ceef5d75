/// Unicode's canonical composition (NFC) by tables of Unicode 14, the version of Python 3.11, whose
/// `unicodedata.normalize` ftfy calls. Later versions agree on every character that Unicode 14 has.
struct Normalization: Sendable {
  static let shared = Normalization()

  /// One step of a decomposition, into one or two scalars.
  private struct Decomposition {
    let first: UInt32
    let second: UInt32?
  }

  private let decompositions: [UInt32: Decomposition]
  private let compositions: [UInt64: UInt32]
  private let combiningClasses: [UInt32: UInt8]
  /// A bit for each code point that NFC may change or that may change its neighbours: not a starter, not
  /// stable, or the second part of a composition.
  private let unstable: [UInt64]

  private init() {
    var decompositions = [UInt32: Decomposition](minimumCapacity: 2_100)
    var compositions = [UInt64: UInt32](minimumCapacity: 1_000)
    var combiningClasses = [UInt32: UInt8](minimumCapacity: 1_000)
    var unstable = [UInt64](repeating: 0, count: 0x30000 / 64)
    func mark(_ scalar: UInt32) {
      if scalar < 0x30000 { unstable[Int(scalar >> 6)] |= 1 << UInt64(scalar & 63) }
    }
    // "composed=first+second", or "composed>target" with one or two scalars where nothing composes again.
    var composed: UInt32 = 0
    var first: UInt32?
    var recomposes = false
    TableReader.forEachNumber(Tables.decompositions) { number, delimiter in
      switch delimiter {
      case "=", ">": (composed, first, recomposes) = (number, nil, delimiter == "=")
      case "+": first = number
      default:
        decompositions[composed] = Decomposition(first: first ?? number, second: first == nil ? nil : number)
        if recomposes, let first {
          compositions[Self.key(first, number)] = composed
          mark(number)
        } else {
          mark(composed)
        }
      }
    }
    // "first-last:class" or "only:class".
    var start: UInt32?
    var end: UInt32 = 0
    TableReader.forEachNumber(Tables.combiningClasses) { number, delimiter in
      switch delimiter {
      case "-": start = number
      case ":": end = number
      default:
        for scalar in min(start ?? end, end)...end {
          combiningClasses[scalar] = UInt8(truncatingIfNeeded: number)
          mark(scalar)
        }
        start = nil
      }
    }
    for jamo in Hangul.vowels { mark(jamo) }
    for jamo in Hangul.finals { mark(jamo) }
    self.decompositions = decompositions
    self.compositions = compositions
    self.combiningClasses = combiningClasses
    self.unstable = unstable
  }

  private static func key(_ first: UInt32, _ second: UInt32) -> UInt64 {
    UInt64(first) << 32 | UInt64(second)
  }

  /// The text in NFC.
  func composed(_ text: Scalars) -> Scalars {
    guard text.contains(where: isUnstable) else { return text }
    var classes: [UInt8] = []
    var result = decomposed(text, &classes)
    reorder(&result, &classes)
    compose(&result, &classes)
    return result
  }

  private func isUnstable(_ scalar: UInt32) -> Bool {
    0x300..<0x30000 ~= scalar && unstable[Int(scalar >> 6)] >> UInt64(scalar & 63) & 1 == 1
  }

  private func combiningClass(_ scalar: UInt32) -> UInt8 {
    scalar < 0x300 ? 0 : combiningClasses[scalar] ?? 0
  }

  /// Full canonical decomposition, with the combining class of each scalar.
  private func decomposed(_ text: Scalars, _ classes: inout [UInt8]) -> Scalars {
    var result = Scalars()
    result.reserveCapacity(text.count + text.count / 2)
    for scalar in text { append(scalar, to: &result) }
    classes = result.map { combiningClass($0) }
    return result
  }

  /// The decomposition of a decomposition is at most three deep.
  private func append(_ scalar: UInt32, to result: inout Scalars) {
    if scalar < 0xC0 {
      result.append(scalar)
    } else if Hangul.syllables.contains(scalar) {
      result.append(contentsOf: Hangul.decomposed(scalar))
    } else if let target = decompositions[scalar] {
      append(target.first, to: &result)
      if let second = target.second { append(second, to: &result) }
    } else {
      result.append(scalar)
    }
  }

  /// Sorts each run of combining characters by class, keeping the order of equals.
  private func reorder(_ text: inout Scalars, _ classes: inout [UInt8]) {
    var i = 0
    while i < text.count {
      guard classes[i] != 0 else {
        i += 1
        continue
      }
      var end = i + 1
      var isSorted = true
      while end < text.count, classes[end] != 0 {
        if classes[end] < classes[end - 1] { isSorted = false }
        end += 1
      }
      if !isSorted {
        // The place is part of the key, which keeps equal classes in order.
        let order = (i..<end).map { UInt64(classes[$0]) << 56 | UInt64($0) }.sorted()
        let run = order.map { text[Int($0 & 0x00FF_FFFF_FFFF_FFFF)] }
        text.replaceSubrange(i..<end, with: run)
        for (k, key) in zip(i..<end, order) { classes[k] = UInt8(key >> 56) }
      }
      i = end
    }
  }

  /// Canonical composition, in place.
  private func compose(_ text: inout Scalars, _ classes: inout [UInt8]) {
    var starter: Int?
    var lastClass: UInt8?  // of what was kept since the starter
    var count = 0
    for i in 0..<text.count {
      let (scalar, combining) = (text[i], classes[i])
      // Blocked from the starter by one of the same or a higher class, or by another starter.
      let isFree = lastClass.map { $0 != 0 && $0 < combining } ?? true
      if let starter, isFree, let composed = composition(text[starter], scalar) {
        text[starter] = composed
        continue
      }
      if combining == 0 {
        starter = count
        lastClass = nil
      } else {
        lastClass = combining
      }
      text[count] = scalar
      count += 1
    }
    text.removeSubrange(count...)
  }

  private func composition(_ first: UInt32, _ second: UInt32) -> UInt32? {
    Hangul.composition(first, second) ?? compositions[Self.key(first, second)]
  }
}

/// Korean syllables are composed by arithmetic (the Unicode Standard, section 3.12).
private enum Hangul {
  static let syllables: ClosedRange<UInt32> = 0xAC00...0xD7A3
  static let initials: ClosedRange<UInt32> = 0x1100...0x1112
  static let vowels: ClosedRange<UInt32> = 0x1161...0x1175
  static let finals: ClosedRange<UInt32> = 0x11A8...0x11C2

  static func decomposed(_ syllable: UInt32) -> Scalars {
    let index = syllable - 0xAC00
    let pair = [0x1100 + index / 588, 0x1161 + index % 588 / 28]
    return index % 28 == 0 ? pair : pair + [0x11A7 + index % 28]
  }

  static func composition(_ first: UInt32, _ second: UInt32) -> UInt32? {
    if initials.contains(first), vowels.contains(second) {
      return 0xAC00 + ((first - 0x1100) * 21 + second - 0x1161) * 28
    }
    if syllables.contains(first), (first - 0xAC00) % 28 == 0, finals.contains(second) {
      return first + second - 0x11A7
    }
    return nil
  }
}
