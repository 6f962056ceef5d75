/// Reads an ONNX file: opens it, recognises its towers, and hands out their weights as views of its bytes.
public func importModel(path: String, _ files: ModelFiles = ModelFiles()) throws(ImportError) -> ImportedModel
{
  let region = try files.open(path)
  let folder = path.lastIndex(of: "/").map { $0 == path.startIndex ? "/" : String(path[..<$0]) } ?? "."
  do {
    let model = try Importer(region: region, external: (folder, files)).importModel()
    // Reading the names of tensors maps what the page cache keeps around them: megabytes each where it has huge pages.
    region.discard(offset: 0, count: region.count)
    return model
  } catch {
    throw error.inFile(path)
  }
}

/// Reads an ONNX model from memory, which the caller keeps alive and unchanged as long as weights are used. It cannot
/// have external data. `name` stands for it in messages.
public func importModel(bytes: UnsafeRawBufferPointer, name: String) throws(ImportError) -> ImportedModel {
  guard unsafe !bytes.isEmpty else { throw .malformed("\(name): is empty; an ONNX file is needed") }
  do {
    return try Importer(region: unsafe Region.borrowing(bytes), external: nil).importModel()
  } catch {
    throw error.inFile(name)
  }
}

/// Reads a model with one binding of its symbolic sizes after the other until all is settled.
struct Importer {
  private let region: Region
  private let external: (folder: String, files: ModelFiles)?
  private let model: ModelRecord
  private let graph: GraphRecord
  private let opset: Int

  /// Operator sets that are understood.
  private static let opsets = 9...23
  /// Context length to begin with where it is symbolic. The table of positions then tells the real one.
  private static let probeLength = 7

  init(region: Region, external: (folder: String, files: ModelFiles)?) throws(ImportError) {
    self.region = region
    self.external = external
    model = try region.withSpan { (bytes) throws(ImportError) in
      var reader = RecordReader()
      return try reader.model(bytes)
    }
    guard let graph = model.graph, let opset = model.operatorSets[""] else {
      throw .malformed("is not an ONNX model: it has no graph or no version of the operator set")
    }
    guard Importer.opsets.contains(opset) else {
      throw .unsupported(
        "uses operator set \(opset); \(Importer.opsets.lowerBound) to \(Importer.opsets.upperBound) are supported. "
          + "Export with opset_version=17, or convert it with onnx.version_converter")
    }
    guard graph.sparseInitializers == 0 else {
      throw .unsupported("has sparse initialisers, which are not supported")
    }
    self.graph = graph
    self.opset = opset
  }

  /// One reading with all that it showed.
  private struct Reading {
    let model: ImportedModel
    let positionCapacity: Int
    let hasSymbolicBatch: Bool
    let hasSymbolicLength: Bool
  }

  func importModel() throws(ImportError) -> ImportedModel {
    do {
      return try importModel(sharesBatch: false)
    } catch {
      guard inputs.count > 1, let model = try? importModel(sharesBatch: true) else { throw error }
      return model
    }
  }

  private func importModel(sharesBatch: Bool) throws(ImportError) -> ImportedModel {
    var binding = Binding(
      batches: Binding.first, sharesBatch: sharesBatch, contextLength: Importer.probeLength, imageSize: 0)
    var reading = try settledImageSize(&binding)
    if reading.hasSymbolicLength, reading.positionCapacity > 1,
      reading.positionCapacity != binding.contextLength
    {
      binding.contextLength = reading.positionCapacity
      reading = try read(binding)
    }
    if reading.hasSymbolicBatch {
      let other = Binding(
        batches: Binding.second, sharesBatch: sharesBatch, contextLength: binding.contextLength,
        imageSize: binding.imageSize)
      guard try read(other).model.fingerprint() == reading.model.fingerprint() else {
        throw .unsupported("computes something that depends on the batch size, which is not understood")
      }
    }
    return reading.model
  }

  /// The first reading that succeeds among the picture sizes that position tables and patch kernels allow.
  private func settledImageSize(_ binding: inout Binding) throws(ImportError) -> Reading {
    var binder = InputBinder(binding)
    for input in inputs { _ = try? binder.bind(input) }
    guard binder.hasSymbolicSize else { return try read(binding) }
    var refusal: ImportError?
    for size in imageSizes() {
      binding.imageSize = size
      do {
        return try read(binding)
      } catch {
        refusal = refusal ?? error
      }
    }
    throw refusal ?? .unsupported("leaves the size of its pictures open and has no weights that tell it")
  }

  private func imageSizes() -> [Int] {
    // A Modified ResNet halves the picture five times.
    var patches: Set<Int> = [32]
    var sides = Set<Int>()
    for tensor in graph.initializers {
      let shape = tensor.shape
      if shape.count == 4, shape[2] == shape[3], shape[2] > 1, shape[2] <= 64 { patches.insert(shape[2]) }
      let rows = shape.count == 3 && shape[0] == 1 ? shape[1] : shape.count == 2 ? shape[0] : 0
      guard rows > 1, rows < 1 << 14 else { continue }
      let side = Int(Double(rows - 1).squareRoot())
      if side * side == rows - 1 { sides.insert(side) }
    }
    let sizes = Set(patches.flatMap { patch in sides.map { $0 * patch } })
    return Array(sizes.sorted(by: >).prefix(24))
  }

  /// Inputs that are not initialisers, which old files list too.
  private var inputs: [InputRecord] {
    let constants = Set(graph.initializers.map(\.name))
    return graph.inputs.filter { !constants.contains($0.name) }
  }

  /// Constant folding may make as many elements as the file has bytes several times over, and what shapes need.
  private var budget: Int {
    let (large, overflow) = region.count.multipliedReportingOverflow(by: 4)
    return overflow ? region.count : max(large, 0) + (1 << 24)
  }

  private func read(_ binding: Binding) throws(ImportError) -> Reading {
    var binder = InputBinder(binding)
    var bound: [BoundInput] = []
    for input in inputs { bound.append(try binder.bind(input)) }
    let integers = bound.indices.filter { bound[$0].role == .tokens }
    var tokens = integers.first
    if integers.count > 1 { tokens = try tokenInput(bound) }
    let roles = bound.indices.map { i in integers.contains(i) && i != tokens ? .ones : bound[i].role }
    let pictures = bound.indices.filter { roles[$0] == .picture }
    guard pictures.count <= 1 else { throw .unsupported("has \(pictures.count) picture inputs") }

    var interpreter = interpreter()
    let outcomes = try run(&interpreter, bound, roles)
    var outputs: [Value] = []
    for outcome in outcomes {
      switch outcome {
      case .value(let value): outputs.append(value)
      // No embedding; what is missing will be named.
      case .sequence: break
      case .refused(let error): throw error
      }
    }
    let picture = pictures.first
    let embeddings = try interpreter.embeddings(outputs, image: picture, text: tokens)
    var image: ImageTower?
    if let picture, let value = embeddings.image {
      image = try interpreter.imageTower(value, input: picture, inputShape: bound[picture].shape)
    }
    var text: TextTower?
    var capacity = 0
    if let tokens, let value = embeddings.text {
      let lifted = try interpreter.textTransformer(
        value, input: tokens, inputShape: bound[tokens].shape, tokenBits: bound[tokens].bits)
      (text, capacity) = (lifted.tower, lifted.positionCapacity)
      if roles.contains(.ones) { try checkMaskIsIdle(lifted.tower) }
    }
    guard image != nil || text != nil else {
      throw .unsupported(
        "has no output [batch, embedding] that depends on a picture or on tokens: it is no encoder of a CLIP")
    }
    let producer = [model.producer, model.producerVersion].filter { !$0.isEmpty }.joined(separator: " ")
    let scale = embeddings.logitScale ?? model.metadata["logit_scale"].flatMap(Float.init)
    let imported = ImportedModel(
      image: image, text: text, logitScale: scale.flatMap { $0.isFinite && $0 > 0 ? $0 : nil },
      metadata: model.metadata, producer: producer, opset: opset,
      origin: model.origin(graph, inputs: inputs, image: image, text: text))
    return Reading(
      model: imported, positionCapacity: capacity, hasSymbolicBatch: binder.hasSymbolicBatch,
      hasSymbolicLength: binder.hasSymbolicLength)
  }

  private func interpreter() -> Interpreter {
    Interpreter(model: model, tensors: TensorReader(region: region, external: external), budget: budget)
  }

  private func run(
    _ interpreter: inout Interpreter, _ bound: [BoundInput], _ roles: [BoundInput.Role]
  ) throws(ImportError) -> [Interpreter.Outcome] {
    var values: [String: Value] = [:]
    for (i, input) in inputs.enumerated() {
      switch roles[i] {
      case .picture: values[input.name] = try interpreter.program.intern(.input(i), shape: bound[i].shape)
      case .tokens:
        values[input.name] = try interpreter.program.intern(.input(i), shape: bound[i].shape, kind: .int)
      case .ones:
        // An attention mask; see checkMaskIsIdle.
        let type = input.elementType.flatMap(ElementType.init(rawValue:)) ?? .int64
        let one = try interpreter.program.constant(ConstantTensor([1], type: type), shape: [])
        values[input.name] = try interpreter.expanded(one, to: bound[i].shape)
      }
    }
    return try interpreter.run(graph, operatorSets: model.operatorSets, inputs: values)
  }

  /// An attention mask was taken for all ones. Texts are padded behind their end-of-text token only, and an encoder
  /// that is causal and read at that token does not see what the mask of a padded text would hide.
  private func checkMaskIsIdle(_ tower: TextTower) throws(ImportError) {
    guard tower.pooling != .last, tower.blocks.allSatisfy(\.causal) else {
      throw .unsupported(
        "has an attention mask input in a text encoder that is not causal or not read at its end-of-text token, where "
          + "the mask matters; export without it")
    }
  }

  /// Among several integer inputs, the one that looks up the token embedding.
  private func tokenInput(_ bound: [BoundInput]) throws(ImportError) -> Int? {
    var interpreter = interpreter()
    _ = try run(&interpreter, bound, bound.map(\.role))
    let found = interpreter.program.lookedUpInputs()
    guard found.count <= 1 else {
      let names = found.sorted().map { quoted(inputs[$0].name) }.joined(separator: " and ")
      throw .unsupported(
        "inputs \(names) both look up embeddings; export with fixed position ids, tokens as the only ids")
    }
    return found.first
  }
}
