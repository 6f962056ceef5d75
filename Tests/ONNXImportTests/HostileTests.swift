import Foundation
import ONNXImport
import Testing

/// Well-formed protobuf that asks for something impossible.
@Suite struct HostileTests {
  typealias Node = WireBuilder.Node

  private static func gather(_ tensor: WireBuilder) -> [UInt8] {
    WireBuilder.model(
      nodes: [Node(operation: "Gather", inputs: ["w", "ids"], outputs: ["y"])], tensors: [tensor])
  }

  struct Case: Sendable, CustomTestStringConvertible {
    let testDescription: String
    let bytes: [UInt8]
    let says: String
  }

  static let cases: [Case] = {
    let huge = Int(Int64.max)
    func tensor(_ shape: [Int], _ raw: [UInt8]?, type: Int = 1) -> [UInt8] {
      gather(WireBuilder.tensor("w", type: type, shape: shape, raw: raw))
    }
    func chain(_ nodes: [Node], _ tensors: [WireBuilder] = []) -> [UInt8] {
      WireBuilder.model(nodes: nodes, tensors: tensors)
    }
    let one = WireBuilder.tensor("one", type: 7, shape: [1], raw: [1, 0, 0, 0, 0, 0, 0, 0])
    let many = WireBuilder.tensor("many", type: 7, shape: [1], raw: [0, 0, 0, 0, 0, 0, 0, 0x40])
    let minimum = WireBuilder.tensor("min", type: 7, shape: [1], raw: [0, 0, 0, 0, 0, 0, 0, 0x80])
    let zero = WireBuilder.tensor("zero", type: 7, shape: [1], raw: [0, 0, 0, 0, 0, 0, 0, 0])
    let doubling = (0..<64).map { i in
      Node(operation: "Concat", inputs: ["d\(i)", "d\(i)"], outputs: ["d\(i + 1)"], integers: ["axis": 0])
    }
    var recursive = WireBuilder()
    recursive.text(1, "again")
    recursive.text(4, "x")
    recursive.text(5, "z")
    let twice = [
      Node(operation: "again", inputs: ["x"], outputs: ["m"], domain: "local"),
      Node(operation: "again", inputs: ["m"], outputs: ["z"], domain: "local"),
    ]
    for node in twice { recursive.data(7, WireBuilder.node(node).bytes) }
    recursive.text(10, "local")
    let call = Node(operation: "again", inputs: ["image"], outputs: ["y"], domain: "local")
    return [
      Case(testDescription: "negative size", bytes: tensor([-1, 4], [0, 0, 0, 0]), says: "negative"),
      Case(testDescription: "huge size", bytes: tensor([huge, 4], [0, 0, 0, 0]), says: "impossible shape"),
      Case(
        testDescription: "overflowing product", bytes: tensor([1 << 32, 1 << 32], [0]),
        says: "impossible shape"),
      Case(
        testDescription: "many axes", bytes: tensor([Int](repeating: 1, count: 5000), [0, 0, 0, 0]),
        says: "axes"),
      Case(testDescription: "short data", bytes: tensor([40, 8], [0, 0, 0, 0]), says: "needs 1280"),
      Case(
        testDescription: "long data", bytes: tensor([1, 1], [UInt8](repeating: 0, count: 8)), says: "needs 4"),
      Case(testDescription: "no data", bytes: tensor([40, 8], nil), says: "needs"),
      Case(testDescription: "strings", bytes: tensor([1], nil, type: 8), says: "element type 8"),
      Case(testDescription: "float8", bytes: tensor([1], [0], type: 17), says: "element type 17"),
      Case(
        testDescription: "cycle",
        bytes: chain([
          Node(operation: "Add", inputs: ["image", "b"], outputs: ["a"]),
          Node(operation: "Neg", inputs: ["a"], outputs: ["b"]),
          Node(operation: "Neg", inputs: ["b"], outputs: ["y"]),
        ]), says: "cycle"),
      Case(
        testDescription: "self", bytes: chain([Node(operation: "Neg", inputs: ["y"], outputs: ["y"])]),
        says: "cycle"),
      Case(
        testDescription: "computed twice",
        bytes: chain([
          Node(operation: "Neg", inputs: ["image"], outputs: ["y"]),
          Node(operation: "Abs", inputs: ["image"], outputs: ["y"]),
        ]), says: "two nodes"),
      Case(
        testDescription: "unknown name",
        bytes: chain([Node(operation: "Neg", inputs: ["nobody"], outputs: ["y"])]),
        says: "defined nowhere"),
      Case(
        testDescription: "unknown operator",
        bytes: chain([Node(operation: "Foo", inputs: ["image"], outputs: ["y"])]),
        says: "node 'the-Foo' (Foo), output 'y'"),
      Case(
        testDescription: "unknown domain",
        bytes: chain([Node(operation: "Bar", inputs: ["image"], outputs: ["y"], domain: "com.example")]),
        says: "com.example"),
      Case(
        testDescription: "recursive function",
        bytes: WireBuilder.model(nodes: [call], functions: [recursive]), says: "deeply"),
      Case(
        testDescription: "doubling",
        bytes: chain(
          [Node(operation: "ConstantOfShape", inputs: ["one"], outputs: ["d0"])] + doubling
            + [Node(operation: "Reshape", inputs: ["image", "d64"], outputs: ["y"])], [one]), says: ""),
      Case(
        testDescription: "huge fill",
        bytes: chain(
          [
            Node(operation: "ConstantOfShape", inputs: ["many"], outputs: ["a"]),
            Node(operation: "Exp", inputs: ["a"], outputs: ["y"]),
          ], [many]), says: "impossible shape"),
      Case(
        testDescription: "huge range",
        bytes: chain(
          [Node(operation: "Range", inputs: ["min", "many", "one"], outputs: ["y"])], [minimum, many, one]),
        says: "impossible"),
      Case(
        testDescription: "division of the smallest",
        bytes: chain(
          [
            Node(operation: "Neg", inputs: ["one"], outputs: ["m"]),
            Node(operation: "Div", inputs: ["min", "m"], outputs: ["q"]),
            Node(operation: "Mod", inputs: ["min", "m"], outputs: ["r"]),
            Node(operation: "Add", inputs: ["q", "r"], outputs: ["s"]),
            Node(operation: "Reshape", inputs: ["image", "s"], outputs: ["y"]),
          ], [minimum, one]), says: ""),
      Case(
        testDescription: "division by zero",
        bytes: chain([Node(operation: "Div", inputs: ["one", "zero"], outputs: ["y"])], [one, zero]),
        says: "divides by zero"),
      Case(
        testDescription: "extreme slice",
        bytes: chain(
          [Node(operation: "Slice", inputs: ["image", "min", "many", "one", "min"], outputs: ["y"])],
          [minimum, many, one]), says: ""),
      Case(
        testDescription: "old operator set",
        bytes: WireBuilder.model(
          nodes: [Node(operation: "Neg", inputs: ["image"], outputs: ["y"])], opset: 8),
        says: "operator set 8"),
      Case(
        testDescription: "no encoder",
        bytes: chain([Node(operation: "Neg", inputs: ["image"], outputs: ["y"])]),
        says: "no encoder"),
    ]
  }()

  @Test(arguments: cases)
  func isRefused(hostile: Case) {
    let message = refusal { _ = try importBytes(hostile.bytes) }
    #expect(message != nil)
    #expect(message?.contains(hostile.says) == true || hostile.says.isEmpty, "\(message ?? "")")
  }

  /// External data: only what lies inside the model's folder is read.
  @Test(arguments: [
    ("/etc/passwd", "0", "4", "inside the model's folder"),
    ("../outside", "0", "4", "inside the model's folder"),
    ("a/../../outside", "0", "4", "inside the model's folder"), ("link", "0", "4", "a link out of"),
    ("linked/outside", "0", "4", "a link out of"), ("nothing", "0", "4", "cannot be found"),
    ("data", "2", "4", "has only 4"), ("data", "0", "8", "has only 4"),
    ("data", "-1", "4", "impossible offset"),
    ("data", "9223372036854775807", "4", "has only 4"),
    ("data", "0", "99999999999999999999", "impossible offset"),
    ("", "0", "4", "inside the model's folder"), (".", "0", "4", "is a directory"),
    ("data", "0", "2", "needs 4"),
    ("data\u{0}x", "0", "4", "inside the model's folder"),
  ])
  func externalDataStaysInside(location: String, offset: String, length: String, says: String) throws {
    let files = FileManager.default
    let root = files.temporaryDirectory.appendingPathComponent(UUID().uuidString)
    let folder = root.appendingPathComponent("model")
    try files.createDirectory(at: folder, withIntermediateDirectories: true)
    defer { try? files.removeItem(at: root) }
    try Data([1, 2, 3, 4]).write(to: root.appendingPathComponent("outside"))
    try Data([1, 2, 3, 4]).write(to: folder.appendingPathComponent("data"))
    try files.createSymbolicLink(
      atPath: folder.appendingPathComponent("link").path, withDestinationPath: "../outside")
    try files.createSymbolicLink(
      atPath: folder.appendingPathComponent("linked").path, withDestinationPath: "..")
    let tensor = WireBuilder.tensor(
      "w", type: 1, shape: [1, 1], raw: nil,
      external: [("location", location), ("offset", offset), ("length", length)])
    let path = folder.appendingPathComponent("m.onnx")
    try Data(HostileTests.gather(tensor)).write(to: path)
    let message = refusal { _ = try importModel(path: path.path) }
    #expect(message?.contains(says) == true, "\(message ?? "lifted")")
    #expect(refusal { _ = try importBytes(HostileTests.gather(tensor)) }?.contains("in memory") == true)
  }
}
