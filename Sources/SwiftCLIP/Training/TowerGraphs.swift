import ONNXExport

extension TowerGraph {
  /// `text` (batch, context) of int64 to `text_features` (batch, embedDim).
  mutating func textTransformer(_ architecture: Architecture) throws(CLIPError) {
    let (tokens, width) = (architecture.contextLength, architecture.textWidth)
    let text = graph.input("text", .int64, [.any("batch"), .fixed(tokens)])
    let table = try parameter("token_embedding.weight", architecture.vocabularySize, width)
    var x = graph.node("Gather", [table, text])
    x = add(x, try parameter("positional_embedding", tokens, width))
    let hidden = (0..<tokens * tokens).map { $0 % tokens > $0 / tokens ? -Float.infinity : 0 }
    let mask = graph.constant("causal_mask", [tokens, tokens], hidden)
    x = try transformer(
      x, "transformer", layers: architecture.textLayers, tokens: tokens, width: width,
      heads: architecture.textHeads, mask: mask)
    x = try layerNorm(atEnd(x, of: text, tokens: tokens, width: width), "ln_final", width: width)
    x = graph.node("MatMul", [x, try parameter("text_projection", width, architecture.embedDim)])
    graph.output(x, "text_features", .float32, [.any("batch"), .fixed(architecture.embedDim)])
  }

  /// The row of each text's end, which has the largest id: (batch, tokens, width) to (batch, width).
  private mutating func atEnd(_ x: Value, of text: Value, tokens: Int, width: Int) -> Value {
    let place = graph.node("ArgMax", [text], ["axis": .integer(1), "keepdims": .integer(0)])
    let batch = graph.node("Shape", [text], ["start": .integer(0), "end": .integer(1)])
    let texts = graph.node(
      "Range",
      [
        graph.constant(integer: 0), graph.node("Squeeze", [batch, graph.constant([0])]),
        graph.constant(integer: 1),
      ])
    let first = graph.node("Mul", [texts, graph.constant([tokens])])
    return graph.node("Gather", [reshape(x, -1, width), add(place, first)])
  }

  private mutating func picture(_ architecture: Architecture) -> Value {
    let size = architecture.imageSize
    return graph.input("image", .float32, [.any("batch"), .fixed(3), .fixed(size), .fixed(size)])
  }

  private mutating func imageOutput(_ x: Value, _ architecture: Architecture) {
    graph.output(x, "image_features", .float32, [.any("batch"), .fixed(architecture.embedDim)])
  }

  // MARK: Vision Transformer

  /// `image` (batch, 3, size, size) to `image_features` (batch, embedDim).
  mutating func visionTransformer(
    _ architecture: Architecture, layers: Int, width: Int, patch: Int, heads: Int
  ) throws(CLIPError) {
    let image = picture(architecture)
    let side = architecture.imageSize / patch
    let places = side * side
    let kernel = try parameter("visual.conv1.weight", width, 3, patch, patch)
    let patches = graph.node(
      "Conv", [image, kernel],
      ["kernel_shape": .integers([patch, patch]), "strides": .integers([patch, patch])])
    let rows = transpose(reshape(patches, 0, width, places), 0, 2, 1)
    let batch = graph.node("Shape", [image], ["start": .integer(0), "end": .integer(1)])
    let single = graph.node("Concat", [batch, shape(1, width)], ["axis": .integer(0)])
    let classToken = graph.node("Expand", [try parameter("visual.class_embedding", width), single])
    var x = graph.node("Concat", [classToken, rows], ["axis": .integer(1)])
    x = add(x, try parameter("visual.positional_embedding", places + 1, width))
    x = try layerNorm(x, "visual.ln_pre", width: width)
    x = try transformer(
      x, "visual.transformer", layers: layers, tokens: places + 1, width: width, heads: heads)
    x = graph.node("Gather", [x, graph.constant(integer: 0)], ["axis": .integer(1)])
    x = try layerNorm(x, "visual.ln_post", width: width)
    x = graph.node("MatMul", [x, try parameter("visual.proj", width, architecture.embedDim)])
    imageOutput(x, architecture)
  }

  // MARK: Modified ResNet

  /// A convolution and its BatchNorm, which stays a node of its own, so that the file can be trained again.
  private mutating func convolution(
    _ x: Value, _ name: String, _ norm: String, inputs: Int, outputs: Int, kernel: Int, stride: Int = 1
  ) throws(CLIPError) -> Value {
    let pad = kernel / 2
    let result = graph.node(
      "Conv", [x, try parameter("\(name).weight", outputs, inputs, kernel, kernel)],
      [
        "kernel_shape": .integers([kernel, kernel]), "pads": .integers([pad, pad, pad, pad]),
        "strides": .integers([stride, stride]),
      ])
    let statistics = try [
      parameter("\(norm).weight", outputs), parameter("\(norm).bias", outputs),
      parameter("\(norm).running_mean", outputs), parameter("\(norm).running_var", outputs),
    ]
    return graph.node(
      "BatchNormalization", [result] + statistics, ["epsilon": .float(TowerGraph.batchNormEpsilon)])
  }

  private mutating func relu(_ x: Value) -> Value { graph.node("Relu", [x]) }

  private mutating func averagePool(_ x: Value, _ side: Int) -> Value {
    graph.node(
      "AveragePool", [x], ["kernel_shape": .integers([side, side]), "strides": .integers([side, side])])
  }

  /// relu(conv3(pool(relu(conv2(relu(conv1(x)))))) + downsample(x)).
  private mutating func bottleneck(
    _ x: Value, _ name: String, inputs: Int, planes: Int, stride: Int
  ) throws(CLIPError) -> Value {
    let outputs = 4 * planes
    var y = relu(
      try convolution(x, "\(name).conv1", "\(name).bn1", inputs: inputs, outputs: planes, kernel: 1))
    y = relu(try convolution(y, "\(name).conv2", "\(name).bn2", inputs: planes, outputs: planes, kernel: 3))
    if stride > 1 { y = averagePool(y, stride) }
    y = try convolution(y, "\(name).conv3", "\(name).bn3", inputs: planes, outputs: outputs, kernel: 1)
    var shortcut = x
    if stride > 1 || inputs != outputs {
      if stride > 1 { shortcut = averagePool(x, stride) }
      shortcut = try convolution(
        shortcut, "\(name).downsample.0", "\(name).downsample.1", inputs: inputs, outputs: outputs, kernel: 1)
    }
    return relu(add(y, shortcut))
  }

  /// `image` (batch, 3, size, size) to `image_features` (batch, embedDim).
  mutating func modifiedResNet(
    _ architecture: Architecture, blocks: [Int], width: Int, heads: Int
  ) throws(CLIPError) {
    var x = picture(architecture)
    var channels = 3
    for (index, outputs) in [width / 2, width / 2, width].enumerated() {
      let (name, norm) = ("visual.conv\(index + 1)", "visual.bn\(index + 1)")
      x = relu(
        try convolution(
          x, name, norm, inputs: channels, outputs: outputs, kernel: 3, stride: index == 0 ? 2 : 1))
      channels = outputs
    }
    x = averagePool(x, 2)
    for (stage, count) in blocks.enumerated() {
      let planes = width << stage
      for block in 0..<count {
        x = try bottleneck(
          x, "visual.layer\(stage + 1).\(block)", inputs: channels, planes: planes,
          stride: stage > 0 && block == 0 ? 2 : 1)
        channels = 4 * planes
      }
    }
    let side = architecture.imageSize / 32
    imageOutput(
      try attentionPool(x, places: side * side, width: channels, heads: heads, architecture), architecture)
  }

  /// Attention from the mean of all places to it and the places: (batch, width, side, side) to (batch, embedDim).
  private mutating func attentionPool(
    _ features: Value, places: Int, width: Int, heads: Int, _ architecture: Architecture
  ) throws(CLIPError) -> Value {
    let name = "visual.attnpool"
    let rows = transpose(reshape(features, 0, width, places), 0, 2, 1)
    let mean = graph.node("ReduceMean", [rows], ["axes": .integers([1]), "keepdims": .integer(1)])
    var x = graph.node("Concat", [mean, rows], ["axis": .integer(1)])
    x = add(x, try parameter("\(name).positional_embedding", places + 1, width))
    let first = graph.node("Gather", [x, graph.constant([0])], ["axis": .integer(1)])
    let q = try linear(first, "\(name).q_proj", inputs: width, outputs: width)
    let k = try linear(x, "\(name).k_proj", inputs: width, outputs: width)
    let v = try linear(x, "\(name).v_proj", inputs: width, outputs: width)
    let attended = attention(
      q, k, v, queries: 1, tokens: places + 1, width: width, heads: heads, mask: nil)
    return try linear(
      reshape(attended, 0, width), "\(name).c_proj", inputs: width, outputs: architecture.embedDim)
  }
}
