import CPlatform

extension Loops {
  /// y = (x - mean) / √(variance + ε) · gain + bias for each row, mean and variance in two passes.
  package static func layerNorm(_ task: LayerNormTask) {
    let count = Float(task.columns)
    for row in 0..<task.rows {
      let x = task.x + row * task.xStride
      let mean = sum(x, task.columns) { $0 } / count
      let variance =
        sum(x, task.columns) { value in
          let difference = value - Vector(repeating: mean)
          return difference * difference
        } / count
      let scale = 1 / (variance + task.epsilon).squareRoot()
      normalise(x, task.y + row * task.yStride, task, mean, scale)
    }
  }

  /// The sum of f over a row, in four vectors of chains; the tail goes to the first lane of a fifth.
  @inline(__always)
  private static func sum(
    _ x: UnsafePointer<Float>, _ count: Int, _ f: (Vector) -> Vector
  ) -> Float {
    var (s0, s1, s2, s3, tail) = (Vector(), Vector(), Vector(), Vector(), Vector())
    var i = 0
    while i + 4 * lanes <= count {
      s0 += f(load(x + i))
      s1 += f(load(x + i + lanes))
      s2 += f(load(x + i + 2 * lanes))
      s3 += f(load(x + i + 3 * lanes))
      i += 4 * lanes
    }
    while i + lanes <= count {
      s0 += f(load(x + i))
      i += lanes
    }
    while i < count {
      tail += f(Vector(repeating: x[i]))
      i += 1
    }
    let lanesSum = (s0 + s1) + (s2 + s3)
    var total = tail[0]
    for lane in 0..<lanes { total += lanesSum[lane] }
    return total
  }

  @inline(__always)
  private static func normalise(
    _ x: UnsafePointer<Float>, _ y: UnsafeMutablePointer<Float>, _ task: LayerNormTask,
    _ mean: Float, _ scale: Float
  ) {
    let (mean, scale) = (Vector(repeating: mean), Vector(repeating: scale))
    var i = 0
    while i + lanes <= task.columns {
      store(multiplyAdd((load(x + i) - mean) * scale, load(task.gain + i), load(task.bias + i)), y + i)
      i += lanes
    }
    while i < task.columns {
      let value = (Vector(repeating: x[i]) - mean) * scale
      y[i] = multiplyAdd(value, task.gain[i], task.bias[i])[0]
      i += 1
    }
  }
}
