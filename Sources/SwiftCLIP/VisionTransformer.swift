import Counters
import Kernels
import ONNXImport

/// The paper's image encoder in its Vision Transformer form (section 2.4): a ViT with one more layer
/// normalisation before the blocks, read at the class token.
struct VisionTransformer: Sendable {
  let imageSize: Int
  let patchSize: Int
  let channels: Int
  let width: Int
  let tokens: Int
  let embedDim: Int

  let patchEmbedding: Linear  // (channels · patch², width)
  let classToken: Parameters  // (width)
  let positions: Parameters  // (tokens, width)
  let lnPre: LayerNorm?
  let transformer: Transformer
  let lnPost: LayerNorm?
  let projection: Linear?  // (width, embedDim)
  let normalised: Bool

  init(_ tower: VisionTransformerTower, _ compute: Compute) throws(CLIPError) {
    try VisionTransformer.check(tower)
    imageSize = tower.imageSize
    patchSize = tower.patchSize
    channels = tower.channels
    width = tower.width
    tokens = tower.tokens
    embedDim = tower.embedDim
    patchEmbedding = try Linear(tower.patchEmbedding, named: "visual.patch_embedding", compute)
    classToken = try Parameters(tower.classToken, named: "visual.class_token", compute)
    positions = try Parameters(tower.positions, named: "visual.positions", compute)
    lnPre = try tower.preNorm.map { (norm) throws(CLIPError) in
      try LayerNorm(norm, named: "visual.ln_pre", compute)
    }
    transformer = try Transformer(tower.blocks, width: tower.width, named: "visual.blocks", compute)
    lnPost = try tower.postNorm.map { (norm) throws(CLIPError) in
      try LayerNorm(norm, named: "visual.ln_post", compute)
    }
    projection = try tower.projection.map { (map) throws(CLIPError) in
      try Linear(map, named: "visual.projection", compute)
    }
    normalised = tower.normalised
  }

  /// Callers' buffers are measured as colour pictures.
  static func check(_ tower: VisionTransformerTower) throws(CLIPError) {
    guard tower.channels == 3 else {
      throw CLIPError(
        .unsupported,
        "The image encoder reads pictures of \(tower.channels) channels. Give a model for colour pictures, which have 3."
      )
    }
  }

  /// `pixels` (count, channels, size, size) to `embeddings` (count, embedDim).
  func callAsFunction(
    _ pixels: UnsafePointer<Float>, count: Int, into embeddings: UnsafeMutablePointer<Float>,
    _ compute: Compute
  ) throws(CLIPError) {
    defer { Counters.enter(.outside) }
    Counters.enter(.embedding)
    let x = try Workspace(rows: count * tokens, columns: width)
    let pooled = try Workspace(rows: count, columns: width)
    let workspace = try BlockWorkspace(tokens: count * tokens, sequences: count, transformer)

    // x is (count · tokens, width) from here on.
    unsafe try embedPatches(pixels, count: count, into: x.view, scratch: workspace, compute)
    lnPre?(x.view, into: x.view, compute)
    let sequences = TokenSequences(count: count, tokens: tokens)
    try transformer(x.view, sequences, into: pooled.view, workspace, compute)  // (count, width)
    lnPost?(pooled.view, into: pooled.view, compute)

    Counters.enter(.projection)
    let result = unsafe MatrixView(pointer: embeddings, rows: count, columns: embedDim, stride: embedDim)
    if let projection {
      try projection(pooled.view, into: result, compute)  // (count, embedDim)
    } else {
      unsafe embeddings.update(from: pooled.view.pointer, count: count * embedDim)
    }
    if normalised { normaliseRows(result) }
  }

  /// A convolution whose stride is its kernel's size is a product with the flattened patches. The class token
  /// comes first, and each position's embedding is added.
  private func embedPatches(
    _ pixels: UnsafePointer<Float>, count: Int, into x: MatrixView, scratch: borrowing BlockWorkspace,
    _ compute: Compute
  ) throws(CLIPError) {
    let patches = tokens - 1
    let flattened = try Workspace(rows: count * patches, columns: channels * patchSize * patchSize)
    let embedded = scratch.normed(count * patches)
    unsafe compute.gatherPatches(
      pixels, count: count, channels: channels, height: imageSize, width: imageSize, patch: patchSize,
      into: flattened.view)
    try patchEmbedding(flattened.view, into: embedded, compute)  // (count · patches, width)
    for image in 0..<count {
      let first = unsafe x.pointer + image * tokens * x.stride
      unsafe add(classToken.pointer, positions.pointer, into: first, width)
      for patch in 0..<patches {
        unsafe add(
          embedded.pointer + (image * patches + patch) * embedded.stride,
          positions.row(patch + 1, width: width), into: first + (patch + 1) * x.stride, width)
      }
    }
  }
}
