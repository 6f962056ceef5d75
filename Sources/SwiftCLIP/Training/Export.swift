import Glibc
import Imaging
import ONNXExport

/// Writes a model as files that any ONNX runtime computes with, and that `CLIP(path:)` opens.
enum Export {
  /// Writes `visual.onnx`, `textual.onnx` and, if there is a vocabulary, `merges.txt`. All are on the disk before the
  /// first takes its place, so an error on the way leaves the directory as it was.
  /// - Parameters:
  ///   - store: parameters and running statistics under their official names; unchanged until this returns.
  ///   - logitScale: what cosines are multiplied by.
  ///   - vocabulary: the text of the merges.
  ///   - directory: made if it is not there.
  static func write(
    _ architecture: Architecture, _ store: ParameterStore, logitScale: Float, vocabulary: [UInt8]?,
    _ weights: StoredWeights, into directory: String
  ) throws(CLIPError) {
    try architecture.check()
    let metadata = logitScale.description
    let visual = try model(
      visualGraph(architecture, store, weights), logitScale: metadata, weights, "image encoder")
    let textual = try model(
      textualGraph(architecture, store, weights), logitScale: metadata, weights, "text encoder")
    let wasMade = try make(directory)
    do {
      let image = try written("\(directory)/visual.onnx") { (file) throws(CLIPError) in
        try unsafe visual.write { (bytes) throws(CLIPError) in unsafe try file.write(bytes) }
      }
      let text = try written("\(directory)/textual.onnx") { (file) throws(CLIPError) in
        try unsafe textual.write { (bytes) throws(CLIPError) in unsafe try file.write(bytes) }
      }
      if let vocabulary {
        let merges = try written("\(directory)/merges.txt") { (file) throws(CLIPError) in
          try file.write(vocabulary)
        }
        try merges.publish()
      }
      try image.publish()
      try text.publish()
    } catch {
      if wasMade { _ = unsafe rmdir(directory) }
      throw error
    }
  }

  private static func visualGraph(
    _ architecture: Architecture, _ store: ParameterStore, _ weights: StoredWeights
  ) throws(CLIPError) -> Graph {
    var tower = TowerGraph("visual", store, weights, quickGELU: architecture.quickGELU)
    switch architecture.vision {
    case .transformer(let layers, let width, let patch, let heads):
      try tower.visionTransformer(architecture, layers: layers, width: width, patch: patch, heads: heads)
    case .resNet(let blocks, let width, let heads):
      try tower.modifiedResNet(architecture, blocks: blocks, width: width, heads: heads)
    }
    return tower.graph
  }

  private static func textualGraph(
    _ architecture: Architecture, _ store: ParameterStore, _ weights: StoredWeights
  ) throws(CLIPError) -> Graph {
    var tower = TowerGraph("textual", store, weights, quickGELU: architecture.quickGELU)
    try tower.textTransformer(architecture)
    return tower.graph
  }

  private static func model(
    _ graph: Graph, logitScale: String, _ weights: StoredWeights, _ name: String
  ) throws(CLIPError) -> Model {
    let pixels = PreprocessOptions()
    let model = Model(
      graph, producer: "swiftclip",
      metadata: [
        "logit_scale": logitScale, "model": "trained by swiftclip",
        "mean": "\(pixels.mean.0) \(pixels.mean.1) \(pixels.mean.2)",
        "std": "\(pixels.std.0) \(pixels.std.1) \(pixels.std.2)", "interpolation": "bicubic",
      ])
    guard model.byteCount <= Model.mostBytes else {
      let advice = weights == .float32 ? " Export with float16 weights." : ""
      throw CLIPError(
        .limitExceeded,
        "The \(name) takes \(model.byteCount) bytes, and an ONNX file can have \(Model.mostBytes).\(advice)")
    }
    return model
  }

  /// A file that is on the disk but has not taken its place yet.
  private static func written(
    _ path: String, _ body: (inout FileReplacement) throws(CLIPError) -> Void
  ) throws(CLIPError) -> FileReplacement {
    var file = try FileReplacement(path)
    try body(&file)
    try file.finish()
    return file
  }

  /// Whether the directory had to be made.
  private static func make(_ directory: String) throws(CLIPError) -> Bool {
    if unsafe mkdir(directory, 0o777) == 0 { return true }
    let reason = errno == EEXIST ? nil : describedErrno()
    if case .directory = FileKind(directory) { return false }
    throw CLIPError(
      .io, "The directory \(directory) cannot be made: \(reason ?? "a file of that name is there").")
  }
}
