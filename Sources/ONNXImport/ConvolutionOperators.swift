/// Operators of convolutional networks, as far as the Modified ResNets and patch embeddings have them.
extension Interpreter {
  mutating func convolutionOperator(_ call: Call) throws(ImportError) -> Value? {
    switch call.node.operation {
    case "Conv": return try convolution(call)
    case "BatchNormalization": return try batchNormalisation(call)
    case "AveragePool": return try averagePool(call)
    case "Relu": return try program.unary(.relu, call.input(0))
    default: return nil
    }
  }

  /// What a convolution does to its picture.
  private struct Window {
    let kernel: [Int]
    let strides: [Int]
    /// Zeros at the top, left, bottom and right.
    let pads: [Int]
  }

  private func window(_ call: Call, over x: Value, kernel: [Int]) throws(ImportError) -> Window {
    let strides = call.integers("strides") ?? [1, 1]
    guard call.integers("dilations")?.allSatisfy({ $0 == 1 }) ?? true, strides.count == 2,
      strides.allSatisfy({ $0 > 0 }), call.integers("kernel_shape") ?? kernel == kernel
    else { throw .unsupported("has dilations, or strides and kernel of other than two axes") }
    var pads = call.integers("pads") ?? [0, 0, 0, 0]
    switch call.string("auto_pad") ?? "NOTSET" {
    case "NOTSET": break
    case "VALID": pads = [0, 0, 0, 0]
    case "SAME_UPPER", "SAME_LOWER":
      // As many windows as strides fit; what is odd would go to one side, which no CLIP does.
      let total = [0, 1].map { (i: Int) -> Int in
        let rest = x.shape[2 + i] % strides[i]
        return max(kernel[i] &- (rest == 0 ? strides[i] : rest), 0)
      }
      guard total.allSatisfy({ $0 % 2 == 0 }) else {
        throw .unsupported("pads its picture unevenly (auto_pad); export with explicit pads")
      }
      pads = [total[0] / 2, total[1] / 2, total[0] / 2, total[1] / 2]
    case let other: throw .malformed("has the unknown auto_pad \(quoted(other))")
    }
    guard pads.count == 4, pads.allSatisfy({ $0 >= 0 && $0 < Limit.side }),
      kernel.allSatisfy({ $0 > 0 && $0 < Limit.side }), x.shape[2] < Limit.side, x.shape[3] < Limit.side
    else { throw .unsupported("has a kernel \(kernel) or padding \(pads) that no CLIP has") }
    return Window(kernel: kernel, strides: strides, pads: pads)
  }

  private mutating func convolution(_ call: Call) throws(ImportError) -> Value {
    try convolution(call, bias: call.optional(2))
  }

  /// A convolution whose windows tile the picture is a linear map of patches; others stay convolutions.
  mutating func convolution(_ call: Call, bias: Value?) throws(ImportError) -> Value {
    let (x, weight) = (try call.input(0), try call.input(1))
    guard x.shape.count == 4, weight.shape.count == 4, program.isConstant(weight), weight.count > 0,
      x.count > 0
    else { throw .unsupported("is not a two-dimensional convolution with constant weights") }
    guard x.shape[1] == weight.shape[1], call.integer("group") ?? 1 == 1 else {
      throw .unsupported("convolves \(x.shape[1]) channels with a kernel for \(weight.shape[1])")
    }
    let window = try window(call, over: x, kernel: Array(weight.shape[2...]))
    let (kernel, strides) = (window.kernel, window.strides)
    let tiles = strides == kernel && window.pads == [0, 0, 0, 0] && kernel != [1, 1]
    if tiles, x.shape[2] % kernel[0] == 0, x.shape[3] % kernel[1] == 0 {
      return try patches(x, weight, bias: bias)
    }
    guard kernel[0] == kernel[1], strides[0] == strides[1],
      window.pads.allSatisfy({ $0 == window.pads[0] }), window.pads[0] < kernel[0],
      x.shape[2] &+ 2 &* window.pads[0] >= kernel[0], x.shape[3] &+ 2 &* window.pads[0] >= kernel[0]
    else {
      throw .unsupported(
        "is a convolution with kernel \(kernel), strides \(strides) and padding \(window.pads); only square ones and "
          + "the patch embedding of a Vision Transformer are understood")
    }
    let shape =
      [x.shape[0], weight.shape[0]]
      + x.shape[2...].map { ($0 &+ 2 &* window.pads[0] &- kernel[0]) / strides[0] &+ 1 }
    let dense = try program.intern(
      .convolution(
        x, weight: weight, gain: nil, bias: nil, stride: strides[0], padding: window.pads[0]), shape: shape)
    guard let bias else { return dense }
    guard bias.shape == [weight.shape[0]] else { throw .malformed("adds a bias of shape \(bias.shape)") }
    return try program.binary(.add, dense, bias.with(bias.layout.reshaped([weight.shape[0], 1, 1])))
  }

  private mutating func patches(_ x: Value, _ weight: Value, bias: Value?) throws(ImportError) -> Value {
    let kernel = Array(weight.shape[2...])
    let (rows, columns) = (x.shape[2] / kernel[0], x.shape[3] / kernel[1])
    let tiled = x.with(x.layout.reshaped([x.shape[0], x.shape[1], rows, kernel[0], columns, kernel[1]]))
    let patches = try program.transposed(tiled, [0, 2, 4, 1, 3, 5])
    let inputs = weight.shape[1] &* kernel[0] &* kernel[1]
    let matrix = try program.transposed(
      weight.with(weight.layout.reshaped([weight.shape[0], inputs])), [1, 0])
    var result = try program.linear(
      patches.with(patches.layout.reshaped([x.shape[0], rows, columns, inputs])), weight: matrix)
    if let bias { result = try program.binary(.add, result, bias) }
    return try program.transposed(result, [0, 3, 1, 2])
  }

  /// (x − mean) / √(variance + ε) · gain + bias with known statistics is one factor and one summand for each channel.
  private mutating func batchNormalisation(_ call: Call) throws(ImportError) -> Value {
    let x = try call.input(0)
    guard call.integer("training_mode") ?? 0 == 0, call.integer("is_test") ?? 1 != 0,
      !call.node.outputs.dropFirst().contains(where: { !$0.isEmpty })
    else {
      throw .unsupported(
        "is in training mode, where its result depends on the other pictures of the batch; export the model in eval mode"
      )
    }
    guard x.shape.count == 4, call.integer("spatial") ?? 1 == 1 else {
      throw .unsupported("normalises something else than the channels of a picture")
    }
    var parts: [[Float]] = []
    for i in 1...4 {
      let part = try program.floats(call.input(i))
      guard part.count == x.shape[1] else {
        throw .malformed("has \(part.count) parameters for \(x.shape[1]) channels")
      }
      parts.append(part)
    }
    let epsilon = Double(call.float("epsilon") ?? 1e-5)
    var factors: [Float] = []
    var summands: [Float] = []
    for i in parts[0].indices {
      let factor = Double(parts[0][i]) / (Double(parts[3][i]) + epsilon).squareRoot()
      factors.append(Float(factor))
      summands.append(Float(Double(parts[1][i]) - Double(parts[2][i]) * factor))
    }
    guard (factors + summands).allSatisfy(\.isFinite) else {
      throw .malformed("has a negative variance or parameters that are not finite")
    }
    let shape = [factors.count, 1, 1]
    let factor = try program.constant(ConstantTensor(factors), shape: shape)
    let summand = try program.constant(ConstantTensor(summands), shape: shape)
    let four = try (1...4).map { (i) throws(ImportError) in try call.input(i) }
    batchNorms[[factor.expression, summand.expression]] = (four, epsilon)
    return try program.binary(.add, program.binary(.multiply, x, factor), summand)
  }

  /// The means of windows that tile the picture.
  private mutating func averagePool(_ call: Call) throws(ImportError) -> Value {
    let x = try call.input(0)
    guard x.shape.count == 4, let kernel = call.integers("kernel_shape"), kernel.count == 2 else {
      throw .unsupported("is not a two-dimensional pool")
    }
    let window = try window(call, over: x, kernel: kernel)
    guard window.strides == kernel, window.pads == [0, 0, 0, 0], kernel[0] == kernel[1],
      x.shape[2] % kernel[0] == 0, x.shape[3] % kernel[1] == 0
    else {
      throw .unsupported(
        "averages windows of \(kernel) every \(window.strides) pixels with padding \(window.pads) of a picture of "
          + "\(x.shape[2]) × \(x.shape[3]); only windows that tile it are understood")
    }
    return try program.pooled(x, side: kernel[0])
  }
}

extension Program {
  /// The means of side × side pixels of [batch, channels, height, width], whose sizes `side` divides.
  mutating func pooled(_ x: Value, side: Int) throws(ImportError) -> Value {
    if side == 1 { return x }
    let tiled = x.with(x.layout.reshaped(Program.tiles(x.shape, side: side)))
    return try reduced(.mean, tiled, axes: [3, 5], keep: false)
  }

  static func tiles(_ shape: [Int], side: Int) -> [Int] {
    [shape[0], shape[1], shape[2] / side, side, shape[3] / side, side]
  }

  /// A convolution with what follows it channel by channel: factors and summands as a BatchNorm's.
  mutating func channelwise(_ function: Binary, _ x: Value, _ y: Value) throws(ImportError) -> Value? {
    guard
      case .convolution(let picture, let weight, let gain, let bias, let stride, let padding) = operation(x),
      isDense(x)
    else { return nil }
    let (batch, channels) = (picture.shape[0], weight.shape[0])
    guard
      let axes = y.layout.reshaped([batch, channels, y.count / batch / channels]).axes(),
      (axes[0] + axes[2]).allSatisfy({ $0.stride == 0 })
    else { return nil }
    let each = y.with(Layout(offset: y.layout.offset, atoms: axes[1], shape: [channels]))
    var (newGain, newBias) = (gain, bias)
    switch function {
    case .multiply, .divide:
      newGain = try gain.map { (g) throws(ImportError) in try binary(function, g, each) }
      if newGain == nil { newGain = function == .multiply ? each : try unary(.reciprocal, each) }
      newBias = try bias.map { (b) throws(ImportError) in try binary(function, b, each) }
    case .add, .subtract:
      if let bias {
        newBias = try binary(function, bias, each)
      } else {
        newBias = function == .add ? each : try binary(.multiply, each, constant(float: -1))
      }
    default: return nil
    }
    return try intern(
      .convolution(picture, weight: weight, gain: newGain, bias: newBias, stride: stride, padding: padding),
      shape: x.shape)
  }
}
