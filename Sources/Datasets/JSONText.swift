/// A JSON text (RFC 8259), read strictly, as far as captions need it.
enum JSONText {
  case string([UInt8])
  case array([JSONText])
  /// In the order of the text; a name may occur twice.
  case object([(name: [UInt8], value: JSONText)])
  /// A number, true, false or null.
  case other

  /// nil where the text is not JSON, or deeper than 64 levels.
  init?(_ text: [UInt8]) {
    var parser = Parser(text: text)
    guard let value = parser.value(depth: 0), parser.isAtEnd else { return nil }
    self = value
  }

  /// The last member of an object with one of the names, the first name first.
  func member(_ names: [[UInt8]]) -> JSONText? {
    guard case .object(let members) = self else { return nil }
    for name in names {
      if let member = members.last(where: { $0.name == name }) { return member.value }
    }
    return nil
  }

  /// A string as one, an array of strings as all of them; nil for anything else.
  var strings: [[UInt8]]? {
    switch self {
    case .string(let text): return [text]
    case .array(let items):
      var result: [[UInt8]] = []
      for item in items {
        guard case .string(let text) = item else { return nil }
        result.append(text)
      }
      return result
    default: return nil
    }
  }
}

private struct Parser {
  let text: [UInt8]
  private var next = 0

  init(text: [UInt8]) { self.text = text }

  private static let deepest = 64

  var isAtEnd: Bool {
    mutating get {
      skipSpace()
      return next == text.count
    }
  }

  private var byte: UInt8? { next < text.count ? text[next] : nil }

  private mutating func skipSpace() {
    while let byte, byte == 0x20 || byte == 0x09 || byte == 0x0A || byte == 0x0D { next += 1 }
  }

  /// Passes over a byte if it comes next, after white space.
  private mutating func take(_ wanted: UInt8) -> Bool {
    skipSpace()
    guard byte == wanted else { return false }
    next += 1
    return true
  }

  mutating func value(depth: Int) -> JSONText? {
    skipSpace()
    guard depth < Self.deepest, let byte else { return nil }
    switch byte {
    case 0x22: return string().map { .string($0) }
    case 0x7B: return object(depth)
    case 0x5B: return array(depth)
    case 0x74: return literal("true")
    case 0x66: return literal("false")
    case 0x6E: return literal("null")
    default: return number()
    }
  }

  private mutating func object(_ depth: Int) -> JSONText? {
    next += 1
    var members: [(name: [UInt8], value: JSONText)] = []
    if take(0x7D) { return .object(members) }
    repeat {
      skipSpace()
      guard byte == 0x22, let name = string(), take(0x3A), let value = value(depth: depth + 1) else {
        return nil
      }
      members.append((name, value))
    } while take(0x2C)
    return take(0x7D) ? .object(members) : nil
  }

  private mutating func array(_ depth: Int) -> JSONText? {
    next += 1
    var items: [JSONText] = []
    if take(0x5D) { return .array(items) }
    repeat {
      guard let value = value(depth: depth + 1) else { return nil }
      items.append(value)
    } while take(0x2C)
    return take(0x5D) ? .array(items) : nil
  }

  private mutating func literal(_ word: String) -> JSONText? {
    guard text[next...].starts(with: word.utf8) else { return nil }
    next += word.utf8.count
    return .other
  }

  private mutating func digits() -> Bool {
    let start = next
    while let byte, 0x30...0x39 ~= byte { next += 1 }
    return next > start
  }

  private mutating func number() -> JSONText? {
    if byte == 0x2D { next += 1 }
    let isZero = byte == 0x30
    let start = next
    guard digits(), !isZero || next == start + 1 else { return nil }
    if byte == 0x2E {
      next += 1
      guard digits() else { return nil }
    }
    if byte == 0x65 || byte == 0x45 {
      next += 1
      if byte == 0x2B || byte == 0x2D { next += 1 }
      guard digits() else { return nil }
    }
    return .other
  }

  private mutating func string() -> [UInt8]? {
    next += 1
    var result: [UInt8] = []
    while let byte {
      next += 1
      switch byte {
      case 0x22: return result
      case 0x5C: guard escape(&result) else { return nil }
      case 0..<0x20: return nil
      default: result.append(byte)
      }
    }
    return nil
  }

  private mutating func escape(_ result: inout [UInt8]) -> Bool {
    guard let byte else { return false }
    next += 1
    switch byte {
    case 0x22, 0x5C, 0x2F: result.append(byte)
    case 0x62: result.append(0x08)
    case 0x66: result.append(0x0C)
    case 0x6E: result.append(0x0A)
    case 0x72: result.append(0x0D)
    case 0x74: result.append(0x09)
    case 0x75: return escapedScalar(&result)
    default: return false
    }
    return true
  }

  /// \uXXXX, or two of them that are a surrogate pair.
  private mutating func escapedScalar(_ result: inout [UInt8]) -> Bool {
    guard var value = hexadecimal() else { return false }
    if 0xD800...0xDBFF ~= value {
      guard text[next...].starts(with: [0x5C, 0x75]) else { return false }
      next += 2
      guard let low = hexadecimal(), 0xDC00...0xDFFF ~= low else { return false }
      value = 0x10000 + (value - 0xD800) << 10 + (low - 0xDC00)
    }
    // A surrogate by itself is no scalar.
    guard let scalar = Unicode.Scalar(value) else { return false }
    result.append(contentsOf: UTF8.encode(scalar) ?? UTF8.encodedReplacementCharacter)
    return true
  }

  private mutating func hexadecimal() -> UInt32? {
    guard next + 4 <= text.count else { return nil }
    var value: UInt32 = 0
    for _ in 0..<4 {
      switch text[next] {
      case 0x30...0x39: value = value << 4 | UInt32(text[next] - 0x30)
      case 0x41...0x46, 0x61...0x66: value = value << 4 | UInt32((text[next] | 0x20) - 0x57)
      default: return nil
      }
      next += 1
    }
    return value
  }
}
