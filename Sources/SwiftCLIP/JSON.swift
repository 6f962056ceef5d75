/// As much of JSON as descriptions need.
public enum JSON {
  case null
  case boolean(Bool)
  case number(Int)
  case string(String)
  case raw(String)
  case array([JSON])
  case object([(String, JSON)])

  public var text: String {
    switch self {
    case .null: "null"
    case .boolean(let value): "\(value)"
    case .number(let value): "\(value)"
    case .string(let value): JSON.quoted(value)
    case .raw(let value): value
    case .array(let items): "[" + items.map(\.text).joined(separator: ", ") + "]"
    case .object(let members):
      "{" + members.map { JSON.quoted($0) + ": " + $1.text }.joined(separator: ", ") + "}"
    }
  }

  /// Strings may come from a file: everything below a space, quotes and backslashes are escaped.
  private static func quoted(_ text: String) -> String {
    var result = "\""
    for scalar in text.unicodeScalars {
      switch scalar {
      case "\"": result += "\\\""
      case "\\": result += "\\\\"
      case _ where scalar.value < 0x20 || scalar.value == 0x7F:
        let hex = String(scalar.value, radix: 16)
        result += "\\u" + String(repeating: "0", count: 4 - hex.utf8.count) + hex
      default: result.unicodeScalars.append(scalar)
      }
    }
    return result + "\""
  }
}
