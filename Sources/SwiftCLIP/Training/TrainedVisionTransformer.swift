import Kernels

/// The Vision Transformer that learns.
final class TrainedVisionTransformer: TrainedImageTower {
  private let imageSize, patch, width, embedDim: Int
  private let classToken, positions: Parameter
  private let patches, projection: TrainedLinear
  private let lnPre, lnPost: TrainedLayerNorm
  private let transformer: TrainedTransformer
  private var grid: Int { imageSize / patch }
  private var tokens: Int { grid * grid + 1 }

  init(
    _ layout: inout ParameterLayout, embedDim: Int, imageSize: Int, layers: Int, width: Int, patch: Int,
    heads: Int, quickGELU: Bool
  ) {
    (self.imageSize, self.patch, self.width, self.embedDim) = (imageSize, patch, width, embedDim)
    let places = imageSize / patch * (imageSize / patch) + 1
    classToken = layout.parameter("visual.class_embedding", width)
    positions = layout.parameter("visual.positional_embedding", places, width)
    let proj = layout.parameter("visual.proj", width, embedDim)
    let conv1 = layout.parameter("visual.conv1.weight", width, 3, patch, patch)
    lnPre = TrainedLayerNorm(&layout, "visual.ln_pre", width: width)
    transformer = TrainedTransformer(
      &layout, "visual.transformer", layers: layers, width: width, heads: heads, causal: false,
      quickGELU: quickGELU)
    lnPost = TrainedLayerNorm(&layout, "visual.ln_post", width: width)
    patches = TrainedLinear(conv1, nil, inputs: 3 * patch * patch, outputs: width)
    projection = TrainedLinear(proj, nil, inputs: width, outputs: embedDim, isTransposed: true)
  }

  func initialise(_ store: ParameterStore, _ random: inout SeededRandom) {
    let scale = 1 / Double(width).squareRoot()
    // As a convolution of PyTorch begins: uniform within 1/√inputs.
    store.fillUniform(patches.weight, bound: 1 / Double(patches.inputs).squareRoot(), &random)
    for parameter in [classToken, positions, projection.weight] {
      store.fillNormal(parameter, deviation: scale, &random)
    }
    for norm in [lnPre, lnPost] {
      store.fill(norm.gain, 1)
      store.fill(norm.bias, 0)
    }
    transformer.initialise(store, &random)
  }

  /// Some 2,000 tokens at a time.
  var picturesPerPass: Int? { max(1, 2048 / tokens) }

  func forward(
    _ pixels: UnsafePointer<Float>, count: Int, into embeddings: MatrixView, _ pass: TrainingPass
  ) throws(CLIPError) -> Pullback {
    let rows = TrainedRows(
      lengths: Array(repeating: tokens, count: count), pooled: Array(repeating: 0, count: count),
      causal: false)
    let embedded = try pass.tape.matrix(rows.count, width)
    let x = try pass.tape.matrix(rows.count, width)
    try unsafe embed(pixels, count: count, into: embedded, pass)
    lnPre.forward(embedded, into: x, pass)
    let trainsBelow = [classToken, positions, patches.weight, lnPre.gain, lnPre.bias].contains(
      where: pass.store.trains)
    let (pooled, pullback) = try transformer.forward(x, rows, trainsBelow: trainsBelow, pass)
    let normed = try pass.tape.matrix(count, width)
    lnPost.forward(pooled, into: normed, pass)
    try projection.forward(normed, into: embeddings, pass)

    return { [self] (dEmbeddings) throws(CLIPError) in
      try pass.withScratch { () throws(CLIPError) in
        try projection.accumulate(dEmbeddings, normed, pass)
        let dPooled = try zeros(count, width, pass)
        let dNormed = try pass.scratch.matrix(count, width)
        try projection.backward(dEmbeddings, into: dNormed, pass)
        try lnPost.backward(pooled, dNormed, addingTo: dPooled, pass)
        guard let dx = try pullback(dPooled) else { return }
        let dEmbedded = try zeros(rows.count, width, pass)
        try lnPre.backward(embedded, dx, addingTo: dEmbedded, pass)
        unsafe try embedBackward(pixels, count: count, dEmbedded, pass)
      }
    }
  }

  /// The class token and the embedded patches, with their positions: (count · tokens, width).
  private func embed(
    _ pixels: UnsafePointer<Float>, count: Int, into x: MatrixView, _ pass: TrainingPass
  ) throws(CLIPError) {
    try pass.withScratch { () throws(CLIPError) in
      let places = tokens - 1
      let embedded = try pass.scratch.matrix(count * places, width)
      unsafe try patches.forward(gather(pixels, count: count, pass), into: embedded, pass)
      let (classToken, positions) = unsafe (pass.store.value(classToken), pass.store.value(positions))
      for picture in 0..<count {
        for token in 0..<tokens {
          let source =
            unsafe token == 0
            ? classToken : embedded.pointer + (picture * places + token - 1) * embedded.stride
          unsafe add(
            source, positions + token * width, into: x.pointer + (picture * tokens + token) * x.stride, width)
        }
      }
    }
  }

  private func gather(
    _ pixels: UnsafePointer<Float>, count: Int, _ pass: TrainingPass
  ) throws(CLIPError) -> MatrixView {
    let rows = try pass.scratch.matrix(count * (tokens - 1), patches.inputs)
    unsafe pass.compute.gatherPatches(
      pixels, count: count, channels: 3, height: imageSize, width: imageSize, patch: patch, into: rows)
    return rows
  }

  private func embedBackward(
    _ pixels: UnsafePointer<Float>, count: Int, _ d: MatrixView, _ pass: TrainingPass
  ) throws(CLIPError) {
    let places = tokens - 1
    // A picture is a row of tokens · width numbers.
    let pictures = unsafe MatrixView(pointer: d.pointer, rows: count, columns: tokens * width)
    unsafe pass.compute.addColumnSums(pictures, to: pass.store.gradient(positions))
    unsafe pass.compute.addColumnSums(pictures.columns(0..<width), to: pass.store.gradient(classToken))
    guard patches.trains(pass) else { return }
    let dPatches = try pass.scratch.matrix(count * places, width)
    for picture in 0..<count {
      unsafe (dPatches.pointer + picture * places * width).update(
        from: d.pointer + (picture * tokens + 1) * width, count: places * width)
    }
    unsafe try patches.accumulate(dPatches, gather(pixels, count: count, pass), pass)
  }
}

/// A matrix of zeros in scratch memory.
func zeros(_ rows: Int, _ columns: Int, _ pass: TrainingPass) throws(CLIPError) -> MatrixView {
  let matrix = try pass.scratch.matrix(rows, columns)
  unsafe matrix.pointer.update(repeating: 0, count: rows * columns)
  return matrix
}
