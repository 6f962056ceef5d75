/// Where a file comes from, as far as names and structure tell. Nothing in it decides what is computed.
public struct Origin: Sendable {
  /// Whose way of writing a CLIP to ONNX the file follows; "unknown" where names tell nothing.
  public let dialect: String
  /// How many numbers of each element type its matrices hold (constants of at least two axes, masks among them), the
  /// most frequent type first.
  public let matrixTypes: [(type: String, count: Int)]
}

extension ModelRecord {
  func origin(_ graph: GraphRecord, inputs: [InputRecord], image: ImageTower?, text: TextTower?) -> Origin {
    Origin(
      dialect: dialect(graph, inputs, isNormalised: image?.isNormalised ?? text?.normalised ?? false),
      matrixTypes: graph.matrixTypes)
  }

  private func dialect(_ graph: GraphRecord, _ inputs: [InputRecord], isNormalised: Bool) -> String {
    let given = Set(inputs.map(\.name))
    let made = graph.outputs.map(\.name)
    let constants = graph.initializers.map(\.name)
    func some(_ part: String) -> Bool { constants.contains { Origin.holds($0, part) } }

    if metadata["model"] != nil, made == ["image_features"] || made == ["text_features"] {
      return "swiftclip"
    }
    if given.isSuperset(of: ["pixel_values", "input_ids"]) { return "Hugging Face Optimum (both towers)" }
    if given == ["IMAGE", "TEXT"], made.contains(where: { $0.hasPrefix("LOGITS_PER_") }) {
      return "IMAGE and TEXT to LOGITS_PER_*"
    }
    if isNormalised, given == ["image"] || given == ["text"], made.count == 1, made[0].hasSuffix("embedding"),
      inputs[0].shape?.first == .fixed(1)
    {
      return "immich"
    }
    if !given.isDisjoint(with: ["pixel_values", "input_ids"]) || some("vision_model.") || some("text_model.")
    {
      return "Hugging Face"
    }
    if some("resblocks.") || some("attnpool.") { return "openai/CLIP or open_clip" }
    return "unknown"
  }
}

extension Origin {
  /// Whether `text` holds `part`, compared as bytes.
  fileprivate static func holds(_ text: String, _ part: String) -> Bool {
    let (text, part) = (Array(text.utf8), Array(part.utf8))
    guard text.count >= part.count else { return false }
    return (0...text.count - part.count).contains { text[$0..<$0 + part.count].elementsEqual(part) }
  }
}

extension GraphRecord {
  fileprivate var matrixTypes: [(type: String, count: Int)] {
    // Indices, shapes and masks of booleans are no weights.
    let kinds: [ElementType] = [.float32, .float16, .bfloat16, .float64, .int8, .uint8, .int16, .uint16]
    var counts = [Int](repeating: 0, count: kinds.count)
    func add(_ tensor: TensorRecord) {
      guard tensor.shape.count >= 2, let kind = kinds.firstIndex(where: { $0.rawValue == tensor.type }),
        let count = try? checkedCount(tensor.shape)
      else { return }
      counts[kind] &+= count
    }
    for tensor in initializers { add(tensor) }
    for node in nodes {
      if let tensor = node.attributes["value"]?.tensor { add(tensor) }
    }
    var result: [(type: String, count: Int)] = []
    while let largest = counts.max(), largest > 0, let kind = counts.firstIndex(of: largest) {
      result.append(("\(kinds[kind])", largest))
      counts[kind] = 0
    }
    return result
  }
}

extension ImageTower {
  var isNormalised: Bool {
    switch self {
    case .visionTransformer(let tower): tower.normalised
    case .modifiedResNet(let tower): tower.normalised
    }
  }
}
