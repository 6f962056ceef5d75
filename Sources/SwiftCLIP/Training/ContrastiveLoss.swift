import Glibc
import Kernels

/// The symmetric loss of the paper's Figure 3, and its gradient:
///
///     I_e = l2_normalize(image embeddings)                      [n, d]
///     T_e = l2_normalize(text embeddings)                       [n, d]
///     logits = dot(I_e, T_e.T) * exp(t)                         [n, n]
///     labels = arange(n)
///     loss = (cross_entropy(logits, rows) + cross_entropy(logits, columns)) / 2
struct ContrastiveLoss {
  let loss: Double
  /// With respect to t, the logarithm of the logit scale.
  let dLogScale: Double

  /// - Parameters:
  ///   - images, texts: embeddings of the whole batch (n, d), pair by pair.
  ///   - dImages, dTexts: where their gradients go.
  init(
    images: MatrixView, texts: MatrixView, logScale: Float, dImages: MatrixView, dTexts: MatrixView,
    _ pass: TrainingPass
  ) throws(CLIPError) {
    let mark = pass.scratch.mark
    defer { pass.scratch.release(to: mark) }
    let (n, d) = (images.rows, images.columns)
    let scale = expf(logScale)
    let imageUnits = try Units(images, pass)  // I_e
    let textUnits = try Units(texts, pass)  // T_e

    let logits = try pass.scratch.matrix(n, n)
    let packed = try pack(textUnits.rows, asColumns: true, pass)
    try product(imageUnits.rows, packed, into: logits, pass)
    scaleRows(logits, by: scale, pass)

    (loss, dLogScale) = try crossEntropy(logits, pass)

    // logits now hold the gradient with respect to the logits.
    scaleRows(logits, by: scale, pass)
    let dImageUnits = try pass.scratch.matrix(n, d)
    try product(logits, try pack(textUnits.rows, asColumns: false, pass), into: dImageUnits, pass)
    let dTextUnits = try zeros(n, d, pass)
    try converting { () throws(KernelError) in
      unsafe try pass.compute.weightGradient(logits, imageUnits.rows, into: dTextUnits.pointer)
    }
    imageUnits.backward(dImageUnits, into: dImages, pass)
    textUnits.backward(dTextUnits, into: dTexts, pass)
  }
}

/// Rows divided by their lengths.
private struct Units {
  let rows: MatrixView
  private let lengths: MatrixView  // (n, 1)

  init(_ x: MatrixView, _ pass: TrainingPass) throws(CLIPError) {
    let (rows, lengths) = try (pass.scratch.matrix(x.rows, x.columns), pass.scratch.matrix(x.rows, 1))
    pass.compute.parallel(x.rows) { row in
      let (source, target) = unsafe (x.pointer + row * x.stride, rows.pointer + row * rows.stride)
      var sum = 0.0
      for column in 0..<x.columns { unsafe sum += Double(source[column]) * Double(source[column]) }
      // A row of zeros stays one, as in PyTorch's normalize.
      let length = Float(max(sum.squareRoot(), 1e-12))
      unsafe lengths.pointer[row * lengths.stride] = length
      for column in 0..<x.columns { unsafe target[column] = source[column] / length }
    }
    (self.rows, self.lengths) = (rows, lengths)
  }

  /// dx = (dy - y·(y·dy)) / |x|
  func backward(_ dy: MatrixView, into dx: MatrixView, _ pass: TrainingPass) {
    let (rows, lengths) = (rows, lengths)
    pass.compute.parallel(rows.rows) { row in
      let (y, d) = unsafe (rows.pointer + row * rows.stride, dy.pointer + row * dy.stride)
      let target = unsafe dx.pointer + row * dx.stride
      var dot = 0.0
      for column in 0..<rows.columns { unsafe dot += Double(y[column]) * Double(d[column]) }
      let (along, length) = unsafe (Float(dot), lengths.pointer[row * lengths.stride])
      for column in 0..<rows.columns { unsafe target[column] = (d[column] - y[column] * along) / length }
    }
  }
}

/// Rows as the right side of a product: as its columns (x·rowsᵀ), or as they are (x·rows).
private func pack(
  _ rows: MatrixView, asColumns: Bool, _ pass: TrainingPass
) throws(CLIPError) -> PackedWeights {
  let source = unsafe WeightSource(
    base: UnsafeRawPointer(rows.pointer), type: .float32, inputStride: asColumns ? 1 : rows.stride,
    outputStride: asColumns ? rows.stride : 1, outputs: asColumns ? rows.rows : rows.columns)
  return try converting { () throws(KernelError) in
    unsafe try pass.compute.pack(
      inputs: asColumns ? rows.columns : rows.rows, sources: [source], bias: nil)
  }
}

private func product(
  _ x: MatrixView, _ packed: PackedWeights, into y: MatrixView, _ pass: TrainingPass
) throws(CLIPError) {
  try converting { () throws(KernelError) in try pass.compute.linear(x, packed, into: y) }
}

private func scaleRows(_ x: MatrixView, by factor: Float, _ pass: TrainingPass) {
  pass.compute.parallel(x.rows) { row in
    let target = unsafe x.pointer + row * x.stride
    for column in 0..<x.columns { unsafe target[column] *= factor }
  }
}

/// The mean of both cross entropies, and the sum of gradient · logit; the logits become their gradient.
private func crossEntropy(
  _ logits: MatrixView, _ pass: TrainingPass
) throws(CLIPError) -> (loss: Double, dLogScale: Double) {
  let n = logits.rows
  // The logarithms of the sums of exponentials, over rows and over columns, and each row's share of the results.
  let sums = try pass.scratch.matrix(4, n)
  let parts = unsafe (0..<4).map { unsafe sums.pointer + $0 * sums.stride }
  nonisolated(unsafe) let (rowSums, columnSums) = unsafe (parts[0], parts[1])
  nonisolated(unsafe) let (losses, slopes) = unsafe (parts[2], parts[3])
  pass.compute.parallel(n) { i in
    unsafe rowSums[i] = logSumExp(logits.pointer + i * logits.stride, stride: 1, count: n)
    unsafe columnSums[i] = logSumExp(logits.pointer + i, stride: logits.stride, count: n)
  }
  let share = 1 / Float(2 * n)
  pass.compute.parallel(n) { i in
    let row = unsafe logits.pointer + i * logits.stride
    unsafe losses[i] = (rowSums[i] - row[i]) + (columnSums[i] - row[i])
    var slope = 0.0
    for j in 0..<n {
      let logit = unsafe row[j]
      let label: Float = i == j ? 2 : 0
      let gradient = unsafe (expf(logit - rowSums[i]) + expf(logit - columnSums[j]) - label) * share
      slope += Double(gradient) * Double(logit)
      unsafe row[j] = gradient
    }
    unsafe slopes[i] = Float(slope)
  }
  var (loss, dLogScale) = (0.0, 0.0)
  for i in 0..<n {
    unsafe loss += Double(losses[i]) / Double(2 * n)
    unsafe dLogScale += Double(slopes[i])
  }
  return (loss, dLogScale)
}

private func logSumExp(_ x: UnsafePointer<Float>, stride: Int, count: Int) -> Float {
  var greatest = -Float.infinity
  for index in 0..<count { unsafe greatest = max(greatest, x[index * stride]) }
  var sum = 0.0
  for index in 0..<count { unsafe sum += Double(expf(x[index * stride] - greatest)) }
  return greatest + Float(log(sum))
}
