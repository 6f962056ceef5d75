/// Reads the messages of an ONNX file. Field numbers are those of onnx.proto; unknown fields are skipped.
///
/// Memory is in proportion to the file: nothing is allocated for a count that the bytes do not back.
struct RecordReader: ~Copyable {
  /// Graphs inside attributes inside graphs: deeper nesting is refused before the stack feels it.
  private static let deepest = 16

  private var depth = 0
  private var unnamedDimensions = 0

  /// The whole file.
  mutating func model(_ bytes: RawSpan) throws(ImportError) -> ModelRecord {
    var model = ModelRecord()
    var cursor = Cursor(0..<bytes.byteCount)
    while let field = try cursor.next(bytes) {
      switch field.number {
      case 2: model.producer = try field.string(bytes)
      case 3: model.producerVersion = try field.string(bytes)
      case 7:
        guard model.graph == nil else { throw .malformed("has a second graph at byte \(field.offset)") }
        model.graph = try graph(bytes, field.range())
      case 8: try operatorSet(bytes, field.range(), into: &model.operatorSets)
      case 14: try entry(bytes, field.range(), into: &model.metadata)
      case 25: model.functions.append(try function(bytes, field.range()))
      default: break
      }
    }
    return model
  }

  private mutating func graph(_ bytes: RawSpan, _ range: Range<Int>) throws(ImportError) -> GraphRecord {
    guard depth < RecordReader.deepest else {
      throw .malformed("graphs are nested deeper than \(RecordReader.deepest) at byte \(range.lowerBound)")
    }
    depth += 1
    defer { depth -= 1 }
    var graph = GraphRecord()
    var cursor = Cursor(range)
    while let field = try cursor.next(bytes) {
      switch field.number {
      case 1: graph.nodes.append(try node(bytes, field.range()))
      case 5: graph.initializers.append(try tensor(bytes, field.range()))
      case 11: graph.inputs.append(try input(bytes, field.range()))
      case 12: graph.outputs.append(try input(bytes, field.range()))
      case 15: graph.sparseInitializers += 1
      default: break
      }
    }
    return graph
  }

  private mutating func node(_ bytes: RawSpan, _ range: Range<Int>) throws(ImportError) -> NodeRecord {
    var node = NodeRecord()
    var cursor = Cursor(range)
    while let field = try cursor.next(bytes) {
      switch field.number {
      case 1: node.inputs.append(try field.string(bytes))
      case 2: node.outputs.append(try field.string(bytes))
      case 3: node.name = try field.string(bytes)
      case 4: node.operation = try field.string(bytes)
      case 5:
        let attribute = try attribute(bytes, field.range())
        node.attributes[attribute.name] = attribute
      case 7: node.domain = try field.string(bytes)
      case 8: node.overload = try field.string(bytes)
      default: break
      }
    }
    if node.domain == "ai.onnx" { node.domain = "" }
    return node
  }

  private mutating func attribute(_ bytes: RawSpan, _ range: Range<Int>) throws(ImportError)
    -> AttributeRecord
  {
    var attribute = AttributeRecord()
    var cursor = Cursor(range)
    while let field = try cursor.next(bytes) {
      switch field.number {
      case 1: attribute.name = try field.string(bytes)
      case 2:
        var list: [Float] = []
        try field.appendFloats(bytes, to: &list)
        attribute.float = list.last
      case 3: attribute.integer = try field.integer()
      case 4: attribute.string = try field.string(bytes)
      case 5: attribute.tensor = try tensor(bytes, field.range())
      case 6: attribute.graph = try graph(bytes, field.range())
      case 7: try field.appendFloats(bytes, to: &attribute.floats)
      case 8: try field.appendIntegers(bytes, to: &attribute.integers)
      case 9: attribute.strings.append(try field.string(bytes))
      case 20: attribute.type = try field.integer()
      case 21: attribute.reference = try field.string(bytes)
      default: break
      }
    }
    return attribute
  }

  private func tensor(_ bytes: RawSpan, _ range: Range<Int>) throws(ImportError) -> TensorRecord {
    var tensor = TensorRecord()
    var cursor = Cursor(range)
    while let field = try cursor.next(bytes) {
      switch field.number {
      case 1: try field.appendIntegers(bytes, to: &tensor.shape)
      case 2: tensor.type = try field.integer()
      case 3: tensor.isSegment = true
      case 4:
        // One packed run is used where it lies; several are gathered.
        if case .bytes(let packed) = field.payload, packed.count > 64, packed.count % 4 == 0,
          tensor.packedFloats == nil, tensor.floats.isEmpty
        {
          tensor.packedFloats = packed
        } else {
          if let packed = tensor.packedFloats {
            let first = Cursor.Field(number: 4, payload: .bytes(packed), offset: packed.lowerBound)
            try first.appendFloats(bytes, to: &tensor.floats)
            tensor.packedFloats = nil
          }
          try field.appendFloats(bytes, to: &tensor.floats)
        }
      case 5, 7, 11: try field.appendIntegers(bytes, to: &tensor.integers)
      case 6: tensor.hasStrings = true
      case 8: tensor.name = try field.string(bytes)
      case 9: tensor.raw = try field.range()
      case 10: try field.appendDoubles(bytes, to: &tensor.floats)
      case 13: try entry(bytes, field.range(), into: &tensor.external)
      case 14: tensor.isExternal = try field.integer() == 1
      default: break
      }
    }
    return tensor
  }

  private mutating func input(_ bytes: RawSpan, _ range: Range<Int>) throws(ImportError) -> InputRecord {
    var input = InputRecord()
    var cursor = Cursor(range)
    while let field = try cursor.next(bytes) {
      switch field.number {
      case 1: input.name = try field.string(bytes)
      case 2:
        var type = Cursor(try field.range())
        while let kind = try type.next(bytes) {
          guard kind.number == 1 else { continue }
          try tensorType(bytes, kind.range(), into: &input)
        }
      default: break
      }
    }
    return input
  }

  private mutating func tensorType(
    _ bytes: RawSpan, _ range: Range<Int>, into input: inout InputRecord
  ) throws(ImportError) {
    var cursor = Cursor(range)
    while let field = try cursor.next(bytes) {
      switch field.number {
      case 1: input.elementType = try field.integer()
      case 2:
        var shape: [InputRecord.Dimension] = []
        var dimensions = Cursor(try field.range())
        while let dimension = try dimensions.next(bytes) {
          if dimension.number == 1 { shape.append(try self.dimension(bytes, dimension.range())) }
        }
        input.shape = shape
      default: break
      }
    }
  }

  private mutating func dimension(
    _ bytes: RawSpan, _ range: Range<Int>
  ) throws(ImportError) -> InputRecord.Dimension {
    var cursor = Cursor(range)
    var result: InputRecord.Dimension?
    while let field = try cursor.next(bytes) {
      switch field.number {
      // Exporters of old wrote -1 or 0 for "any".
      case 1:
        let size = try field.integer()
        result = size > 0 ? .fixed(size) : nil
      case 2:
        let symbol = try field.string(bytes)
        result = symbol.isEmpty ? nil : .symbolic(symbol)
      default: break
      }
    }
    if let result { return result }
    unnamedDimensions += 1
    return .symbolic("\u{0}\(unnamedDimensions)")
  }

  private mutating func function(_ bytes: RawSpan, _ range: Range<Int>) throws(ImportError) -> FunctionRecord
  {
    var function = FunctionRecord()
    var cursor = Cursor(range)
    while let field = try cursor.next(bytes) {
      switch field.number {
      case 1: function.name = try field.string(bytes)
      case 4: function.inputs.append(try field.string(bytes))
      case 5: function.outputs.append(try field.string(bytes))
      case 6: function.attributes.append(try field.string(bytes))
      case 7: function.nodes.append(try node(bytes, field.range()))
      case 9: try operatorSet(bytes, field.range(), into: &function.operatorSets)
      case 10: function.domain = try field.string(bytes)
      case 11:
        let attribute = try attribute(bytes, field.range())
        function.defaults[attribute.name] = attribute
      case 13: function.overload = try field.string(bytes)
      default: break
      }
    }
    return function
  }

  private func operatorSet(
    _ bytes: RawSpan, _ range: Range<Int>, into sets: inout [String: Int]
  ) throws(ImportError) {
    var cursor = Cursor(range)
    var domain = ""
    var version = 0
    while let field = try cursor.next(bytes) {
      switch field.number {
      case 1: domain = try field.string(bytes)
      case 2: version = try field.integer()
      default: break
      }
    }
    sets[domain == "ai.onnx" ? "" : domain] = version
  }

  private func entry(
    _ bytes: RawSpan, _ range: Range<Int>, into entries: inout [String: String]
  ) throws(ImportError) {
    var cursor = Cursor(range)
    var key = ""
    var value = ""
    while let field = try cursor.next(bytes) {
      switch field.number {
      case 1: key = try field.string(bytes)
      case 2: value = try field.string(bytes)
      default: break
      }
    }
    entries[key] = value
  }
}
