/// The messages of an ONNX file, as far as they are of use, in the format's own terms. Big data stay where they are.

struct ModelRecord {
  var producer = ""
  var producerVersion = ""
  /// Version of each operator set by domain; "" is the standard one.
  var operatorSets: [String: Int] = [:]
  var graph: GraphRecord?
  var functions: [FunctionRecord] = []
  var metadata: [String: String] = [:]
}

struct GraphRecord {
  var nodes: [NodeRecord] = []
  var initializers: [TensorRecord] = []
  var inputs: [InputRecord] = []
  var outputs: [InputRecord] = []
  var sparseInitializers = 0
}

/// A name with its type.
struct InputRecord {
  enum Dimension: Hashable {
    case fixed(Int)
    /// A size that differs from call to call, with its symbol; unnamed ones have their own.
    case symbolic(String)
  }

  var name = ""
  /// The number of the element type, or nil where the type is not a tensor's.
  var elementType: Int?
  var shape: [Dimension]?
}

struct NodeRecord {
  var name = ""
  var operation = ""
  var domain = ""
  var overload = ""
  var inputs: [String] = []
  var outputs: [String] = []
  var attributes: [String: AttributeRecord] = [:]
}

struct AttributeRecord {
  var name = ""
  var type = 0
  var float: Float?
  var integer: Int?
  var string: String?
  var tensor: TensorRecord?
  var graph: GraphRecord?
  var floats: [Float] = []
  var integers: [Int] = []
  var strings: [String] = []
  /// In a function's body: the function's attribute whose value this takes.
  var reference = ""
}

struct TensorRecord {
  var name = ""
  var shape: [Int] = []
  /// The number of the element type.
  var type = 0
  /// Bytes of `raw_data` in the file.
  var raw: Range<Int>?
  /// Bytes of one packed `float_data` in the file, which hold little-endian floats as raw data does.
  var packedFloats: Range<Int>?
  var floats: [Float] = []
  var integers: [Int] = []
  var isExternal = false
  var external: [String: String] = [:]
  var isSegment = false
  var hasStrings = false
}

struct FunctionRecord {
  var name = ""
  var domain = ""
  var overload = ""
  var inputs: [String] = []
  var outputs: [String] = []
  var attributes: [String] = []
  var defaults: [String: AttributeRecord] = [:]
  var nodes: [NodeRecord] = []
  var operatorSets: [String: Int] = [:]
}
