import Kernels

/// The attention pooling at the end of a Modified ResNet, that learns: the mean of all places asks, the mean and the
/// places answer.
final class TrainedAttentionPool {
  let positions: Parameter  // (tokens, width)
  let query, key, value, output: TrainedLinear
  private let biases: [Parameter]
  let tokens, width, heads: Int
  private var scale: Float { 1 / Float(width / heads).squareRoot() }

  init(
    _ layout: inout ParameterLayout, named name: String, side: Int, width: Int, heads: Int, embedDim: Int
  ) {
    (tokens, self.width, self.heads) = (side * side + 1, width, heads)
    positions = layout.parameter("\(name).positional_embedding", tokens, width)
    var biases: [Parameter] = []
    func linear(_ layout: inout ParameterLayout, _ part: String, _ outputs: Int) -> TrainedLinear {
      let weight = layout.parameter("\(name).\(part)_proj.weight", outputs, width)
      let bias = layout.parameter("\(name).\(part)_proj.bias", outputs)
      biases.append(bias)
      return TrainedLinear(weight, bias, inputs: width, outputs: outputs)
    }
    key = linear(&layout, "k", width)
    query = linear(&layout, "q", width)
    value = linear(&layout, "v", width)
    output = linear(&layout, "c", embedDim)
    self.biases = biases
  }

  func initialise(_ store: ParameterStore, _ random: inout SeededRandom) {
    let deviation = 1 / Double(width).squareRoot()
    store.fillNormal(positions, deviation: deviation, &random)
    for linear in [query, key, value, output] {
      store.fillNormal(linear.weight, deviation: deviation, &random)
    }
    // PyTorch's for linear maps: uniform within 1/√inputs, which is the same number here.
    for bias in biases { store.fillUniform(bias, bound: deviation, &random) }
  }

  /// What the way back reads, on the tape.
  struct Record {
    let x, q, keyValue, attended: MatrixView
  }

  /// `features` (count · places, width) to `embeddings` (count, embedDim).
  func forward(
    _ features: FeatureMaps, count: Int, into embeddings: MatrixView, _ pass: TrainingPass
  ) throws(CLIPError) -> Record {
    let record = Record(
      x: try pass.tape.matrix(count * tokens, width), q: try pass.tape.matrix(count, width),
      keyValue: try pass.tape.matrix(count * tokens, 2 * width),
      attended: try pass.tape.matrix(count, width))
    let (means, kv) = (means(record.x, count), record.keyValue)
    pass.compute.averagePool(features.view, side: features.side, pool: features.side, into: means)
    addPositions(features.view, into: record.x, count, pass)
    try query.forward(means, into: record.q, pass)
    try key.forward(record.x, into: kv.columns(0..<width), pass)
    try value.forward(record.x, into: kv.columns(width..<2 * width), pass)
    try converting { () throws(KernelError) in
      try pass.compute.attention(
        q: record.q, k: kv.columns(0..<width), v: kv.columns(width..<2 * width), into: record.attended,
        sequences: sequences(count), heads: heads, headWidth: width / heads, scale: scale, causal: false)
    }
    try output.forward(record.attended, into: embeddings, pass)
    return record
  }

  /// Every picture's first token.
  private func means(_ x: MatrixView, _ count: Int) -> MatrixView {
    unsafe MatrixView(pointer: x.pointer, rows: count, columns: width, stride: tokens * x.stride)
  }

  private func sequences(_ count: Int) -> [Kernels.Sequence] {
    (0..<count).map { .init(queryRow: $0, queryCount: 1, keyRow: $0 * tokens, keyCount: tokens) }
  }

  private func addPositions(
    _ features: MatrixView, into x: MatrixView, _ count: Int, _ pass: TrainingPass
  ) {
    let positions = unsafe SendablePointer(pass.store.value(positions))
    let (tokens, width) = (tokens, width)
    pass.compute.parallel(count) { picture in
      for token in 0..<tokens {
        let target = unsafe x.pointer + (picture * tokens + token) * x.stride
        let source =
          unsafe token == 0
          ? target : features.pointer + (picture * (tokens - 1) + token - 1) * features.stride
        unsafe add(source, positions.pointer + token * width, into: target, width)
      }
    }
  }

  /// From the gradient of the embeddings to that of the features, if it is wanted.
  func backward(
    _ dEmbeddings: MatrixView, _ record: Record, count: Int, into dFeatures: MatrixView?, _ pass: TrainingPass
  ) throws(CLIPError) {
    try pass.withScratch { () throws(CLIPError) in
      let (x, kv) = (record.x, record.keyValue)
      let dAttended = try pass.scratch.matrix(count, width)
      let dq = try pass.scratch.matrix(count, width)
      let dkv = try pass.scratch.matrix(count * tokens, 2 * width)
      let dx = try pass.scratch.matrix(count * tokens, width)
      try output.accumulate(dEmbeddings, record.attended, pass)
      try output.backward(dEmbeddings, into: dAttended, pass)
      let (k, v) = (dkv.columns(0..<width), dkv.columns(width..<2 * width))
      try converting { () throws(KernelError) in
        try pass.compute.attentionGradient(
          q: record.q, k: kv.columns(0..<width), v: kv.columns(width..<2 * width), dOut: dAttended, dq: dq,
          dk: k, dv: v, sequences: sequences(count), heads: heads, headWidth: width / heads, scale: scale,
          causal: false)
      }
      try query.accumulate(dq, means(x, count), pass)
      try key.accumulate(k, x, pass)
      try value.accumulate(v, x, pass)
      try key.backward(k, into: dx, pass)
      try value.backward(v, into: dx, pass, residual: dx)
      let dMeans = means(dx, count)
      try query.backward(dq, into: dMeans, pass, residual: dMeans)
      if pass.store.trains(positions) {
        // A picture is a row of as many numbers as there are positions.
        let pictures = unsafe MatrixView(pointer: dx.pointer, rows: count, columns: tokens * width)
        unsafe pass.compute.addColumnSums(pictures, to: pass.store.gradient(positions))
      }
      if let dFeatures { spread(dx, into: dFeatures, count, pass) }
    }
  }

  /// A place's gradient is its token's and its share of the mean's.
  private func spread(_ dx: MatrixView, into dFeatures: MatrixView, _ count: Int, _ pass: TrainingPass) {
    let (tokens, width) = (tokens, width)
    let share = 1 / Float(tokens - 1)
    pass.compute.parallel(count) { picture in
      let mean = unsafe dx.pointer + picture * tokens * dx.stride
      for place in 0..<tokens - 1 {
        let source = unsafe mean + (place + 1) * dx.stride
        let target = unsafe dFeatures.pointer + (picture * (tokens - 1) + place) * dFeatures.stride
        for channel in 0..<width { unsafe target[channel] = source[channel] + mean[channel] * share }
      }
    }
  }
}

/// Values that no thread writes while others read them.
@unsafe private struct SendablePointer: @unchecked Sendable {
  let pointer: UnsafePointer<Float>
  init(_ pointer: UnsafePointer<Float>) { unsafe self.pointer = pointer }
}
