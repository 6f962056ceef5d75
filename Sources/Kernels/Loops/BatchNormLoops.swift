import CPlatform

// BatchNorm in training, with what stands around it in a Modified ResNet: ReLU, the sum with the shortcut, the average
// pool. All of it waits for memory, so each loop does as much as it can with what it has read.

extension Loops {
  /// Rows that are read side by side, so that a channel's numbers are loaded once for all of them.
  @inline(__always) private static var groupRows: Int { 8 }

  /// Calls the body for every vector of every group of rows, which are near each other in memory.
  @inline(__always)
  private static func forEachGroup(
    _ rows: Int, _ columns: Int, _ body: (_ first: Int, _ rows: Int, _ column: Int, _ lanes: Int) -> Void
  ) {
    var first = 0
    while first < rows {
      let count = min(groupRows, rows - first)
      forEachVector(columns) { column, n in body(first, count, column, n) }
      first += count
    }
  }

  private static func clear(_ target: UnsafeMutablePointer<Float>, _ count: Int) {
    for index in 0..<count { target[index] = 0 }
  }

  package static func moments(_ task: MomentsTask) {
    let columns = task.columns
    let (means, differences, squares) = (task.sums, task.sums + columns, task.sums + 2 * columns)
    clear(task.sums, 3 * columns)
    forEachGroup(task.rows, columns) { first, rows, column, n in
      var sum = load(means + column, n)
      for row in first..<first + rows { sum += load(task.x + row * columns + column, n) }
      store(sum, means + column, n)
    }
    let share = 1 / Float(task.rows)
    for column in 0..<columns { means[column] *= share }
    forEachGroup(task.rows, columns) { first, rows, column, n in
      let mean = load(means + column, n)
      var (sum, square) = (load(differences + column, n), load(squares + column, n))
      for row in first..<first + rows {
        let difference = load(task.x + row * columns + column, n) - mean
        sum += difference
        square = multiplyAdd(difference, difference, square)
      }
      store(sum, differences + column, n)
      store(square, squares + column, n)
    }
  }

  /// The numbers of a norm for a vector of channels.
  private struct Channels {
    let mean, scale, bias: Vector

    @inline(__always)
    init(_ norm: UnsafePointer<Float>, _ columns: Int, _ column: Int, _ n: Int) {
      mean = load(norm + column, n)
      scale = load(norm + columns + column, n)
      bias = load(norm + 2 * columns + column, n)
    }

    @inline(__always)
    func callAsFunction(_ x: Vector) -> Vector { multiplyAdd(x - mean, scale, bias) }
  }

  @inline(__always)
  private static func relu(_ x: Vector) -> Vector { x.replacing(with: 0, where: x .< 0) }

  package static func rectify(_ task: RectifyTask) {
    let columns = task.columns
    forEachGroup(task.rows, columns) { first, rows, column, n in
      let norm = Channels(task.norm, columns, column, n)
      let other = task.shortcutNorm.map { Channels($0, columns, column, n) }
      for row in first..<first + rows {
        let place = row * columns + column
        var value = norm(load(task.x + place, n))
        if let shortcut = task.shortcut {
          let added = load(shortcut + place, n)
          value += other.map { $0(added) } ?? added
        }
        store(relu(value), task.y + place, n)
      }
    }
  }

  package static func pool(_ task: PoolTask) {
    let columns = task.columns
    let half = task.side / 2
    for line in task.firstLine..<task.firstLine + task.lines {
      let (upper, y) = (task.x + 2 * line * task.side * columns, task.y + line * half * columns)
      let lower = upper + task.side * columns
      forEachGroup(half, columns) { first, rows, column, n in
        let norm = task.norm.map { Channels($0, columns, column, n) }
        @inline(__always) func value(_ pixel: UnsafePointer<Float>) -> Vector {
          let x = load(pixel, n)
          return norm.map { relu($0(x)) } ?? x
        }
        for row in first..<first + rows {
          let place = 2 * row * columns + column
          let sum =
            value(upper + place) + value(upper + place + columns)
            + (value(lower + place) + value(lower + place + columns))
          store(sum * 0.25, y + row * columns + column, n)
        }
      }
    }
  }

  package static func unpool(_ task: UnpoolTask) {
    let columns = task.columns
    for line in task.firstLine..<task.firstLine + task.lines {
      let dy = task.dy + line / 2 * (task.side / 2) * columns
      let dx = task.dx + line * task.side * columns
      for row in 0..<task.side {
        let (source, target) = (dy + row / 2 * columns, dx + row * columns)
        forEachVector(columns) { i, n in
          store(multiplyAdd(load(source + i, n), Vector(repeating: 0.25), load(target + i, n)), target + i, n)
        }
      }
    }
  }

  /// Calls the body with every vector of the gradient of what was rectified, its channels, and where x lies.
  @inline(__always)
  private static func forEachRectified(
    _ task: RectifiedTask,
    _ body: (_ column: Int, _ n: Int, _ each: (_ visit: (Vector, Vector, Int) -> Void) -> Void) -> Void
  ) {
    let columns = task.columns
    // Neighbours in a line share their tile's gradient.
    let shift = task.isPooled
    let share = Vector(repeating: shift == 0 ? 1 : 0.25)
    for line in task.firstLine..<task.firstLine + task.lines {
      let x = task.x + line * task.lineRows * columns
      let dy = task.dy + (line >> shift) * (task.lineRows >> shift) * columns
      forEachGroup(task.lineRows, columns) { first, rows, column, n in
        let norm = Channels(task.norm, columns, column, n)
        body(column, n) { visit in
          for row in first..<first + rows {
            let difference = load(x + row * columns + column, n) - norm.mean
            let y = multiplyAdd(difference, norm.scale, norm.bias)
            let gradient = load(dy + (row >> shift) * columns + column, n) * share
            let place = line * task.lineRows * columns + row * columns + column
            visit(gradient.replacing(with: 0, where: y .<= 0), difference, place)
          }
        }
      }
    }
  }

  package static func rectifiedSums(_ task: RectifiedTask) {
    let columns = task.columns
    clear(task.sums, 2 * columns)
    forEachRectified(task) { column, n, each in
      var (sum, product) = (load(task.sums + column, n), load(task.sums + columns + column, n))
      each { gradient, difference, _ in
        sum += gradient
        product = multiplyAdd(gradient, difference, product)
      }
      store(sum, task.sums + column, n)
      store(product, task.sums + columns + column, n)
    }
  }

  /// Here `sums` are the offsets and slopes of NormGradientTask.
  package static func rectifiedGradient(_ task: RectifiedTask) {
    let columns = task.columns
    forEachRectified(task) { column, n, each in
      let (offset, slope) = (load(task.sums + column, n), load(task.sums + columns + column, n))
      let scale = load(task.norm + columns + column, n)
      each { gradient, difference, place in
        store((gradient - offset - difference * slope) * scale, task.x + place, n)
      }
    }
  }

  package static func joinedSums(_ task: JoinedTask) {
    let columns = task.columns
    clear(task.sums, 4 * columns)
    forEachGroup(task.rows, columns) { first, rows, column, n in
      let sums = task.sums + column
      let mean = load(task.norm + column, n)
      let otherMean = task.shortcutNorm.map { load($0 + column, n) }
      var (sum, product) = (load(sums, n), load(sums + columns, n))
      var other = load(sums + 3 * columns, n)
      for row in first..<first + rows {
        let place = row * columns + column
        let y = load(task.y + place, n)
        let gradient = load(task.dy + place, n).replacing(with: 0, where: y .<= 0)
        store(gradient, task.dy + place, n)
        sum += gradient
        product = multiplyAdd(gradient, load(task.x + place, n) - mean, product)
        if let otherMean, let shortcut = task.shortcut {
          other = multiplyAdd(gradient, load(shortcut + place, n) - otherMean, other)
        }
      }
      store(sum, sums, n)
      store(product, sums + columns, n)
      store(sum, sums + 2 * columns, n)
      store(other, sums + 3 * columns, n)
    }
  }

  package static func normGradient(_ task: NormGradientTask) {
    let columns = task.columns
    forEachGroup(task.rows, columns) { first, rows, column, n in
      let (mean, scale) = (load(task.norm + column, n), load(task.norm + columns + column, n))
      let (offset, slope) = (load(task.offsets + column, n), load(task.offsets + columns + column, n))
      for row in first..<first + rows {
        let place = row * columns + column
        let difference = load(task.x + place, n) - mean
        store((load(task.dy + place, n) - offset - difference * slope) * scale, task.x + place, n)
      }
    }
  }
}
