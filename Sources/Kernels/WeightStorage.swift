import CPlatform

/// How precisely products are computed.
public enum Precision: Int32, Sendable, CustomStringConvertible {
  /// No weight is rounded.
  case float32 = 0
  /// Weights are rounded to bfloat16; inputs and sums are floats.
  case bfloat16 = 1
  /// Weights are integers of 8 bits, with a scale for each output; inputs are rounded to integers with a scale for
  /// each row, found when they come; sums are exact. See `Compute.integerLimit`.
  case int8 = 2

  public var description: String {
    switch self {
    case .float32: "float32"
    case .bfloat16: "bfloat16"
    case .int8: "int8"
    }
  }
}

/// How packed weights are held.
public enum WeightStorage: Sendable {
  case float32
  /// Half the memory and half the traffic, for a matrix whose every weight has a half of the same value, as
  /// the official ones have, which were released in float16. They are widened before they are multiplied: the results
  /// are those of float32 to the bit.
  case float16
  /// Rounded, to even in the middle.
  case bfloat16
  /// In pairs of inputs: what is rounded is each output's weights, divided by the greatest of them, times 127.
  case int8

  /// Inputs that are multiplied at once with the numbers of one `size`.
  var inputsPerStep: Int { self == .int8 ? 2 : 1 }
  /// Bytes of one step and output.
  var size: Int { self == .float32 ? 4 : 2 }

  /// The name of it that the loops know.
  var code: Int {
    switch self {
    case .float32: WEIGHTS_FLOAT32
    case .float16: WEIGHTS_FLOAT16
    case .bfloat16: WEIGHTS_BFLOAT16
    case .int8: WEIGHTS_INT8
    }
  }
}

extension Compute {
  static let greatestWeight = 127

  /// The greatest integer that an input is rounded to: as fine as factors of 16 bits and sums of 32
  /// allow. 22,017 for 768 inputs, 5,504 for 3,072.
  package static func integerLimit(inputs: Int) -> Int {
    // Inputs are multiplied in pairs.
    min(Int(Int16.max), Int(Int32.max) / (greatestWeight * max(2, inputs)))
  }
}
