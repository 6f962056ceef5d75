import Kernels

/// A residual attention block that learns. Weights are named and shaped as in `nn.MultiheadAttention` and the official
/// `ResidualAttentionBlock`.
final class TrainedBlock {
  private let ln1, ln2: TrainedLayerNorm
  private let query, keyValue, output, up, down: TrainedLinear
  private let weights: [Parameter]
  private let biases: [Parameter]
  private let width, heads: Int
  private let causal: Bool
  private let activation: Epilogue.Activation

  init(
    _ layout: inout ParameterLayout, _ name: String, width: Int, heads: Int, causal: Bool, quickGELU: Bool
  ) {
    (self.width, self.heads, self.causal) = (width, heads, causal)
    activation = quickGELU ? .quickGELU : .gelu
    let inWeight = layout.parameter("\(name).attn.in_proj_weight", 3 * width, width)
    let inBias = layout.parameter("\(name).attn.in_proj_bias", 3 * width)
    let outWeight = layout.parameter("\(name).attn.out_proj.weight", width, width)
    let outBias = layout.parameter("\(name).attn.out_proj.bias", width)
    ln1 = TrainedLayerNorm(&layout, "\(name).ln_1", width: width)
    let upWeight = layout.parameter("\(name).mlp.c_fc.weight", 4 * width, width)
    let upBias = layout.parameter("\(name).mlp.c_fc.bias", 4 * width)
    let downWeight = layout.parameter("\(name).mlp.c_proj.weight", width, 4 * width)
    let downBias = layout.parameter("\(name).mlp.c_proj.bias", width)
    ln2 = TrainedLayerNorm(&layout, "\(name).ln_2", width: width)
    query = TrainedLinear(inWeight, inBias, inputs: width, outputs: width)
    keyValue = TrainedLinear(inWeight, inBias, inputs: width, outputs: 2 * width, firstRow: width)
    output = TrainedLinear(outWeight, outBias, inputs: width, outputs: width)
    up = TrainedLinear(upWeight, upBias, inputs: width, outputs: 4 * width)
    down = TrainedLinear(downWeight, downBias, inputs: 4 * width, outputs: width)
    weights = [inWeight, outWeight, upWeight, downWeight]
    biases = [inBias, outBias, upBias, downBias]
  }

  /// The official values: attention by 1/√width, what is added to the residual stream smaller the deeper the stack is.
  func initialise(_ store: ParameterStore, layers: Int, _ random: inout SeededRandom) {
    let attention = 1 / Double(width).squareRoot()
    let projection = attention / Double(2 * layers).squareRoot()
    let mlp = 1 / Double(2 * width).squareRoot()
    for (weight, deviation) in zip(weights, [attention, projection, mlp, projection]) {
      store.fillNormal(weight, deviation: deviation, &random)
    }
    for bias in biases { store.fill(bias, 0) }
    for norm in [ln1, ln2] {
      store.fill(norm.gain, 1)
      store.fill(norm.bias, 0)
    }
  }

  func trains(_ store: ParameterStore) -> Bool {
    (weights + biases + [ln1.gain, ln1.bias, ln2.gain, ln2.bias]).contains(where: store.trains)
  }

  /// What the way back reads.
  private struct Saved {
    let x: MatrixView  // (tokens, width)
    let q: MatrixView  // (queries, width)
    let kv: MatrixView  // (tokens, 2 width)
    let attended: MatrixView  // (queries, width)
    let middle: MatrixView  // x after attention (queries, width)
    let hidden: MatrixView  // (queries, 4 width), before the activation
  }

  /// All tokens of `x` (tokens, width); with `pooled`, only those of its rows are read later, and the result has only
  /// them.
  func forward(
    _ x: MatrixView, _ rows: TrainedRows, onlyPooled: Bool, _ pass: TrainingPass
  ) throws(CLIPError) -> (y: MatrixView, pullback: Pullback) {
    let count = onlyPooled ? rows.pooled.count : x.rows
    let tape = pass.tape
    let saved = Saved(
      x: x, q: try tape.matrix(count, width), kv: try tape.matrix(x.rows, 2 * width),
      attended: try tape.matrix(count, width), middle: try tape.matrix(count, width),
      hidden: try tape.matrix(count, 4 * width))
    let y = try tape.matrix(count, width)
    let sequences = onlyPooled ? rows.pooledSequences : rows.sequences

    try pass.withScratch { () throws(CLIPError) in
      let normed = try pass.scratch.matrix(x.rows, width)
      ln1.forward(x, into: normed, pass)
      try keyValue.forward(normed, into: saved.kv, pass)
      try query.forward(try rows.gather(normed, onlyPooled, pass), into: saved.q, pass)
      try converting { () throws(KernelError) in
        try pass.compute.attention(
          q: saved.q, k: saved.kv.columns(0..<width), v: saved.kv.columns(width..<2 * width),
          into: saved.attended, sequences: sequences, heads: heads, headWidth: width / heads, scale: scale,
          causal: causal)
      }
      try output.forward(
        saved.attended, into: saved.middle, pass, Epilogue(residual: try rows.gather(x, onlyPooled, pass)))
      let middleNormed = normed.rows(0..<count)
      ln2.forward(saved.middle, into: middleNormed, pass)
      try up.forward(middleNormed, into: saved.hidden, pass)
      let activated = try pass.scratch.matrix(count, 4 * width)
      pass.compute.activate(saved.hidden, activation, into: activated)
      try down.forward(activated, into: y, pass, Epilogue(residual: saved.middle))
    }
    return (
      y,
      { [self] (dx) throws(CLIPError) in
        try backward(dx, saved, rows, sequences, onlyPooled: onlyPooled, pass)
      }
    )
  }

  private var scale: Float { 1 / Float(width / heads).squareRoot() }

  /// `d` holds the gradient of the result in its first rows, and after it that of `x` in all.
  private func backward(
    _ d: MatrixView, _ saved: Saved, _ rows: TrainedRows, _ sequences: [Sequence], onlyPooled: Bool,
    _ pass: TrainingPass
  ) throws(CLIPError) {
    let dy = d.rows(0..<saved.q.rows)
    try pass.withScratch { () throws(CLIPError) in try mlpBackward(dy, saved, pass) }
    try pass.withScratch { () throws(CLIPError) in
      try attentionBackward(dy, d, saved, rows, sequences, onlyPooled: onlyPooled, pass)
    }
  }

  /// y = middle + down(activation(up(ln_2(middle)))): `dy` becomes the gradient of `middle`.
  private func mlpBackward(_ dy: MatrixView, _ saved: Saved, _ pass: TrainingPass) throws(CLIPError) {
    let scratch = pass.scratch
    let normed = try scratch.matrix(dy.rows, width)
    let activated = try scratch.matrix(dy.rows, 4 * width)
    let dHidden = try scratch.matrix(dy.rows, 4 * width)
    try down.backward(dy, into: dHidden, pass)
    pass.compute.activationGradient(saved.hidden, activation, output: activated, inPlace: dHidden)
    try down.accumulate(dy, activated, pass)
    ln2.forward(saved.middle, into: normed, pass)
    try up.accumulate(dHidden, normed, pass)
    let dNormed = normed  // Not read any more.
    try up.backward(dHidden, into: dNormed, pass)
    try ln2.backward(saved.middle, dNormed, addingTo: dy, pass)
  }

  /// middle = x + out(attention(ln_1(x))): `dMiddle` becomes the gradient of x, in `dx`.
  private func attentionBackward(
    _ dMiddle: MatrixView, _ dx: MatrixView, _ saved: Saved, _ rows: TrainedRows, _ sequences: [Sequence],
    onlyPooled: Bool, _ pass: TrainingPass
  ) throws(CLIPError) {
    let scratch = pass.scratch
    let dAttended = try scratch.matrix(dMiddle.rows, width)
    try output.backward(dMiddle, into: dAttended, pass)
    try output.accumulate(dMiddle, saved.attended, pass)
    let (dq, dkv) = try (scratch.matrix(dMiddle.rows, width), scratch.matrix(saved.x.rows, 2 * width))
    try converting { () throws(KernelError) in
      try pass.compute.attentionGradient(
        q: saved.q, k: saved.kv.columns(0..<width), v: saved.kv.columns(width..<2 * width), dOut: dAttended,
        dq: dq, dk: dkv.columns(0..<width), dv: dkv.columns(width..<2 * width), sequences: sequences,
        heads: heads, headWidth: width / heads, scale: scale, causal: causal)
    }
    let normed = try scratch.matrix(saved.x.rows, width)
    ln1.forward(saved.x, into: normed, pass)
    try query.accumulate(dq, try rows.gather(normed, onlyPooled, pass), pass)
    try keyValue.accumulate(dkv, normed, pass)
    let dNormed = normed  // Not read any more.
    try keyValue.backward(dkv, into: dNormed, pass)
    if onlyPooled {
      let dPooled = dAttended  // Not read any more.
      try query.backward(dq, into: dPooled, pass)
      rows.scatter(dPooled, addingTo: dNormed)
      let copy = try scratch.matrix(dMiddle.rows, width)
      copyRows(of: dMiddle, into: copy)
      unsafe dx.pointer.update(repeating: 0, count: dx.rows * dx.stride)
      rows.scatter(copy, addingTo: dx)
    } else {
      try query.backward(dq, into: dNormed, pass, residual: dNormed)
    }
    try ln1.backward(saved.x, dNormed, addingTo: dx, pass)
  }
}

func copyRows(of x: MatrixView, into y: MatrixView) {
  for row in 0..<x.rows {
    unsafe (y.pointer + row * y.stride).update(from: x.pointer + row * x.stride, count: x.columns)
  }
}
