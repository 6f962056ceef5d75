import ONNXImport

/// A slow, plain forward pass over what was imported, in double precision: the paper's equations, loop by loop.
struct ReferenceEncoder {
  typealias Matrix = [[Double]]

  static func matrix(_ weight: Weight) throws -> Matrix {
    let flat = try weight.floats()
    let columns = weight.shape[1]
    return (0..<weight.shape[0]).map { row in (0..<columns).map { Double(flat[row * columns + $0]) } }
  }

  static func vector(_ weight: Weight) throws -> [Double] { try weight.floats().map(Double.init) }

  static func apply(_ layer: Linear, _ x: Matrix) throws -> Matrix {
    let weight = try matrix(layer.weight)
    let bias = try layer.bias.map(vector) ?? [Double](repeating: 0, count: layer.weight.shape[1])
    return x.map { row in
      var sum = bias
      for (value, outputs) in zip(row, weight) { for j in sum.indices { sum[j] += value * outputs[j] } }
      return sum
    }
  }

  static func apply(_ norm: Norm, _ x: Matrix) throws -> Matrix {
    let (gain, bias) = (try vector(norm.gain), try vector(norm.bias))
    return x.map { row in
      let mean = row.reduce(0, +) / Double(row.count)
      let variance = row.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / Double(row.count)
      let scale = 1 / (variance + Double(norm.epsilon)).squareRoot()
      return row.indices.map { (row[$0] - mean) * scale * gain[$0] + bias[$0] }
    }
  }

  static func apply(_ block: ResidualAttentionBlock, _ x: Matrix) throws -> Matrix {
    let normed = try apply(block.attentionNorm, x)
    let (q, k, v) = (
      try apply(block.query, normed), try apply(block.key, normed), try apply(block.value, normed)
    )
    var attended = x.map { $0.map { _ in 0.0 } }
    for head in 0..<block.heads {
      let columns = head * block.headWidth..<(head + 1) * block.headWidth
      for i in x.indices {
        let visible = block.causal ? 0...i : 0...x.count - 1
        let scores = visible.map { j in columns.reduce(0) { $0 + q[i][$1] * k[j][$1] } * Double(block.scale) }
        let largest = scores.max() ?? 0
        let weights = scores.map { exponential($0 - largest) }
        let total = weights.reduce(0, +)
        for (j, weight) in zip(visible, weights) {
          for column in columns { attended[i][column] += weight / total * v[j][column] }
        }
      }
    }
    let middle = add(x, try apply(block.output, attended))
    let raised = try apply(block.up, apply(block.mlpNorm, middle)).map { row in
      row.map { value in
        switch block.activation {
        case .quickGELU: value / (1 + exponential(-1.702 * value))
        case .gelu: 0.5 * value * (1 + errorFunction(value * 0.5.squareRoot()))
        }
      }
    }
    return add(middle, try apply(block.down, raised))
  }

  static func add(_ a: Matrix, _ b: Matrix) -> Matrix { zip(a, b).map { zip($0, $1).map(+) } }

  static func embed(_ pooled: [Double], _ projection: Linear?, _ normalised: Bool) throws -> [Double] {
    let row = try projection.map { try apply($0, [pooled])[0] } ?? pooled
    guard normalised else { return row }
    let length = row.reduce(0) { $0 + $1 * $1 }.squareRoot()
    return row.map { $0 / length }
  }

  /// The embedding of one picture, (channels, imageSize, imageSize).
  static func encode(_ tower: VisionTransformerTower, picture: [Float]) throws -> [Double] {
    let (size, patch) = (tower.imageSize, tower.patchSize)
    var patches: Matrix = []
    for top in stride(from: 0, to: size, by: patch) {
      for left in stride(from: 0, to: size, by: patch) {
        var row: [Double] = []
        for channel in 0..<tower.channels {
          for y in top..<top + patch {
            for x in left..<left + patch { row.append(Double(picture[(channel * size + y) * size + x])) }
          }
        }
        patches.append(row)
      }
    }
    var x = [try vector(tower.classToken)] + (try apply(tower.patchEmbedding, patches))
    x = add(x, try matrix(tower.positions))
    if let norm = tower.preNorm { x = try apply(norm, x) }
    for block in tower.blocks { x = try apply(block, x) }
    var pooled = [x[0]]
    if let norm = tower.postNorm { pooled = try apply(norm, pooled) }
    return try embed(pooled[0], tower.projection, tower.normalised)
  }

  /// The embedding of one text of contextLength tokens.
  static func encode(_ tower: TextTower, tokens: [Int]) throws -> [Double] {
    let table = try matrix(tower.tokenEmbedding)
    var x = add(tokens.map { table[$0] }, try matrix(tower.positions))
    for block in tower.blocks { x = try apply(block, x) }
    let place: Int
    switch tower.pooling {
    case .largest: place = tokens.firstIndex(of: tokens.max() ?? 0) ?? 0
    case .first(let id): place = tokens.firstIndex(of: id) ?? 0
    case .last: place = tokens.count - 1
    }
    return try embed(apply(tower.finalNorm, [x[place]])[0], tower.projection, tower.normalised)
  }

  /// Channels of square pictures.
  typealias Planes = [[[Double]]]

  static func apply(_ layer: Convolution, _ x: Planes) throws -> Planes {
    let flat = try layer.weight.floats()
    let (outputs, inputs, kernel) = (layer.outputs, layer.inputs, layer.kernel)
    let gain = try layer.gain.map(vector) ?? [Double](repeating: 1, count: outputs)
    let bias = try layer.bias.map(vector) ?? [Double](repeating: 0, count: outputs)
    let (height, width) = (x[0].count, x[0][0].count)
    let rows = (height + 2 * layer.padding - kernel) / layer.stride + 1
    let columns = (width + 2 * layer.padding - kernel) / layer.stride + 1
    return (0..<outputs).map { o in
      (0..<rows).map { row in
        (0..<columns).map { column in
          var sum = 0.0
          for i in 0..<inputs {
            for dy in 0..<kernel {
              let y = row * layer.stride + dy - layer.padding
              guard y >= 0, y < height else { continue }
              for dx in 0..<kernel {
                let left = column * layer.stride + dx - layer.padding
                guard left >= 0, left < width else { continue }
                sum += x[i][y][left] * Double(flat[((o * inputs + i) * kernel + dy) * kernel + dx])
              }
            }
          }
          return sum * gain[o] + bias[o]
        }
      }
    }
  }

  static func relu(_ x: Planes) -> Planes { x.map { $0.map { $0.map { max($0, 0) } } } }

  static func add(_ a: Planes, _ b: Planes) -> Planes { zip(a, b).map { add($0, $1) } }

  static func pooled(_ x: Planes, _ side: Int) -> Planes {
    x.map { plane in
      (0..<plane.count / side).map { row in
        (0..<plane[0].count / side).map { column in
          var sum = 0.0
          for dy in 0..<side { for dx in 0..<side { sum += plane[row * side + dy][column * side + dx] } }
          return sum / Double(side * side)
        }
      }
    }
  }

  static func apply(_ block: Bottleneck, _ x: Planes) throws -> Planes {
    let narrow = relu(try apply(block.conv1, x))
    let middle = pooled(relu(try apply(block.conv2, narrow)), block.pool)
    var shortcut = x
    if let (pool, layer) = block.downsample { shortcut = try apply(layer, pooled(x, pool)) }
    return relu(add(try apply(block.conv3, middle), shortcut))
  }

  static func apply(_ pool: AttentionPoolTower, _ x: Planes) throws -> [Double] {
    let places = x[0].indices.flatMap { y in x[0][y].indices.map { column in x.map { $0[y][column] } } }
    let mean = x.map { $0.joined().reduce(0, +) / Double(places.count) }
    let tokens = add([mean] + places, try matrix(pool.positions))
    let q = try apply(pool.query, [tokens[0]])[0]
    let (k, v) = (try apply(pool.key, tokens), try apply(pool.value, tokens))
    var attended = [Double](repeating: 0, count: pool.heads * pool.headWidth)
    for head in 0..<pool.heads {
      let columns = head * pool.headWidth..<(head + 1) * pool.headWidth
      let scores = k.map { row in columns.reduce(0) { $0 + q[$1] * row[$1] } * Double(pool.scale) }
      let largest = scores.max() ?? 0
      let weights = scores.map { exponential($0 - largest) }
      let total = weights.reduce(0, +)
      for (row, weight) in zip(v, weights) {
        for column in columns { attended[column] += weight / total * row[column] }
      }
    }
    return try apply(pool.output, [attended])[0]
  }

  /// The embedding of one picture, (channels, imageSize, imageSize).
  static func encode(_ tower: ModifiedResNetTower, picture: [Float]) throws -> [Double] {
    let size = tower.imageSize
    var x: Planes = (0..<tower.stem[0].inputs).map { channel in
      (0..<size).map { y in (0..<size).map { Double(picture[(channel * size + y) * size + $0]) } }
    }
    for layer in tower.stem { x = relu(try apply(layer, x)) }
    x = pooled(x, 2)
    for block in tower.stages.joined() { x = try apply(block, x) }
    return try embed(apply(tower.attentionPool, x), nil, tower.normalised)
  }

  /// The embedding of one picture by whichever tower the file has.
  static func encode(_ tower: ImageTower, picture: [Float]) throws -> [Double] {
    switch tower {
    case .visionTransformer(let tower): try encode(tower, picture: picture)
    case .modifiedResNet(let tower): try encode(tower, picture: picture)
    }
  }
}

extension ImageTower {
  var size: Int {
    switch self {
    case .visionTransformer(let tower): tower.imageSize
    case .modifiedResNet(let tower): tower.imageSize
    }
  }

  var isNormalised: Bool {
    switch self {
    case .visionTransformer(let tower): tower.normalised
    case .modifiedResNet(let tower): tower.normalised
    }
  }
}
