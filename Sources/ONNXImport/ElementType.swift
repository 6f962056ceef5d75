/// The element types of ONNX tensors that can be read, with their numbers in the format.
enum ElementType: Int {
  case float32 = 1
  case uint8 = 2
  case int8 = 3
  case uint16 = 4
  case int16 = 5
  case int32 = 6
  case int64 = 7
  case bool = 9
  case float16 = 10
  case float64 = 11
  case uint32 = 12
  case uint64 = 13
  case bfloat16 = 16

  /// Bytes of one element.
  var size: Int {
    switch self {
    case .uint8, .int8, .bool: 1
    case .uint16, .int16, .float16, .bfloat16: 2
    case .float32, .int32, .uint32: 4
    case .int64, .uint64, .float64: 8
    }
  }

  var kind: ValueKind {
    switch self {
    case .float32, .float16, .float64, .bfloat16: .float
    case .bool: .bool
    default: .int
    }
  }

  /// Smallest and largest value of an integer type.
  var integerRange: ClosedRange<Int>? {
    switch self {
    case .uint8: 0...255
    case .int8: -128...127
    case .uint16: 0...65535
    case .int16: -32768...32767
    case .int32: Int(Int32.min)...Int(Int32.max)
    case .uint32: 0...Int(UInt32.max)
    case .int64, .uint64: Int.min...Int.max
    case .bool: 0...1
    default: nil
    }
  }
}

/// What kind of number a value holds.
enum ValueKind { case float, int, bool }

/// Rounds to bfloat16, to nearest even, and back.
func roundedToBFloat16(_ value: Float) -> Float {
  guard value.isFinite else { return value }
  let bits = value.bitPattern
  return Float(bitPattern: (bits &+ 0x7FFF &+ (bits >> 16 & 1)) & 0xFFFF_0000)
}

/// `value` as an integer as C casts it, for every input: NaN gives 0, and what does not fit the nearest end.
func clampedInt(_ value: Float) -> Int {
  if value.isNaN { return 0 }
  if value >= 0x1p63 { return Int.max }
  if value <= -0x1p63 { return Int.min }
  return Int(value)
}
