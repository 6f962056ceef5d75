import CPlatform

// softmax(scale · q·kᵀ)·v for one head. Scores are kept with the keys as rows and the queries as lanes: the
// softmax then runs down the lanes, without a sum across them, and the second product reads its rows down the
// lanes too. Both products run on the same tiles as the large matrices.

extension Loops {
  /// Floats of scratch memory that an attention over `keys` keys of heads `width` wide needs.
  package static func attentionScratch(keys: Int, width: Int) -> (Int, overflow: Bool) {
    let panels = (width + tileColumns - 1) / tileColumns * tileColumns
    // Values packed, scores, queries packed, output.
    let (perKey, first) = panels.addingReportingOverflow(tileColumns)
    let (all, second) = perKey.multipliedReportingOverflow(by: keys)
    let (fixed, third) = (width + panels).multipliedReportingOverflow(by: tileColumns)
    let (total, fourth) = all.addingReportingOverflow(fixed)
    let (rounded, fifth) = total.addingReportingOverflow(3 * 16)
    return (rounded, first || second || third || fourth || fifth)
  }

  /// Computes one share of an attention.
  package static func attention(_ task: AttentionTask) {
    let valuePanels = (task.width + tileColumns - 1) / tileColumns
    let values = task.scratch
    let scores = values + task.keys * valuePanels * tileColumns
    let queries = scores + task.keys * tileColumns
    let sums = queries + task.width * tileColumns
    // Values of keys that no query of this share sees are not even packed.
    let seen = min(task.keys, task.visible + task.queries - 1)
    packValues(task, count: seen, into: values)
    var first = 0
    while first < task.queries {
      let count = min(tileColumns, task.queries - first)
      interleave(task.q + first * task.qStride, task.qStride, rows: count, depth: task.width, into: queries)
      let visible = min(task.keys, task.visible + first)
      let last = min(task.keys, task.visible + first + count - 1)
      score(task, queries, visible: last, into: scores)
      let totals = softmax(scores, scale: task.scale, visible: visible, last: last)
      weigh(scores, values, task, first: first, count: count, into: sums, seen: seen)
      finish(sums, totals, task, first: first, count: count, panels: valuePanels)
      first += count
    }
  }

  /// Values as panels: [panel][key][column of panel], zero beyond the head's width.
  @inline(__always)
  private static func packValues(_ task: AttentionTask, count: Int, into packed: UnsafeMutablePointer<Float>)
  {
    var column = 0
    var target = packed
    while column < task.width {
      let columns = min(tileColumns, task.width - column)
      forEachRun(of: count, task) { row, _, keys in
        for key in row..<row + keys {
          let source = task.v + key * task.vStride + column
          if columns == tileColumns {
            store(load(source), target)
            store(load(source + lanes), target + lanes)
          } else {
            for i in 0..<tileColumns { target[i] = i < columns ? source[i] : 0 }
          }
          target += tileColumns
        }
      }
      column += tileColumns
    }
  }

  /// The first `count` keys of the sequence, run by run: the run's first row, how many keys came before it, and how
  /// many it has.
  @inline(__always)
  private static func forEachRun(
    of count: Int, _ task: AttentionTask, _ body: (_ row: Int, _ before: Int, _ keys: Int) -> Void
  ) {
    var run = task.runs
    var before = 0
    while before < count {
      let keys = min(run[0].count, count - before)
      body(run[0].row, before, keys)
      before += keys
      run += 1
    }
  }

  /// scores[key][lane] = k·q for the visible keys.
  @inline(__always)
  private static func score(
    _ task: AttentionTask, _ queries: UnsafePointer<Float>, visible: Int,
    into scores: UnsafeMutablePointer<Float>
  ) {
    forEachRun(of: visible, task) { row, before, keys in
      forEachTile(of: keys) { first, count in
        FloatPanel(queries).add(
          TileTask(
            rows: count, depth: task.width, a: task.k + (row + first) * task.kStride, rowStep: task.kStride,
            step: 1,
            c: scores + (before + first) * tileColumns, stride: tileColumns, continues: false, ahead: queries,
            aheadStep: 0))
      }
    }
  }

  /// Turns scores into e^(scale·(score - greatest)) and returns their sums per lane. Lane j sees `visible` + j
  /// keys, at most `last`; what it does not see becomes 0.
  @inline(__always)
  static func softmax(
    _ scores: UnsafeMutablePointer<Float>, scale: Float, visible: Int, last: Int
  ) -> (Vector, Vector) {
    var (low, high) = (Vector(repeating: -.infinity), Vector(repeating: -.infinity))
    hide(scores, visible: visible, last: last)
    for key in 0..<last {
      let row = scores + key * tileColumns
      // A NaN is no greatest; it comes back through its own exponential.
      let (a, b) = (load(row) * scale, load(row + lanes) * scale)
      low = low.replacing(with: a, where: a .> low)
      high = high.replacing(with: b, where: b .> high)
      store(a, row)
      store(b, row + lanes)
    }
    var (lowSum, highSum) = (Vector(), Vector())
    for key in 0..<last {
      let row = scores + key * tileColumns
      let (a, b) = (exponential(load(row) - low), exponential(load(row + lanes) - high))
      lowSum += a
      highSum += b
      store(a, row)
      store(b, row + lanes)
    }
    return (lowSum, highSum)
  }

  /// Sets the scores of keys after a lane's last one to -∞.
  @inline(__always)
  private static func hide(_ scores: UnsafeMutablePointer<Float>, visible: Int, last: Int) {
    guard visible < last else { return }
    for key in visible..<last {
      for lane in 0...(key - visible) { scores[key * tileColumns + lane] = -.infinity }
    }
  }

  /// sums[query][column] = Σ weight · value over the keys that the query sees, in their order.
  @inline(__always)
  private static func weigh(
    _ weights: UnsafePointer<Float>, _ values: UnsafePointer<Float>, _ task: AttentionTask, first: Int,
    count: Int, into sums: UnsafeMutablePointer<Float>, seen: Int
  ) {
    let panels = (task.width + tileColumns - 1) / tileColumns
    let width = panels * tileColumns
    // Blocks of keys, so that their weights and a panel of their values stay in the first-level cache.
    let block = 2048 / tileColumns
    let last = min(task.keys, task.visible + first + count - 1)
    var key = 0
    repeat {
      for panel in 0..<panels {
        let values = values + panel * seen * tileColumns
        forEachTile(of: count) { row, rows in
          let c = sums + row * width + panel * tileColumns
          // The tile's first row sees the fewest keys.
          let common = min(task.keys, task.visible + first + row)
          let depth = max(0, min(block, common - key))
          FloatPanel(values + key * tileColumns).add(
            TileTask(
              rows: rows, depth: depth, a: weights + key * tileColumns + row, rowStep: 1, step: tileColumns,
              c: c,
              stride: width, continues: key > 0, ahead: values, aheadStep: 0))
          guard key + block >= common else { return }
          // What only later rows of the tile see, key by key: a masked value, were it NaN, must not be touched.
          let from = max(key, common)
          for extra in from..<max(from, min(last, key + block)) {
            let skipped = extra - common + 1
            guard skipped < rows else { break }
            FloatPanel(values + extra * tileColumns).add(
              TileTask(
                rows: rows - skipped, depth: 1, a: weights + extra * tileColumns + row + skipped,
                rowStep: 1, step: tileColumns, c: c + skipped * width, stride: width, continues: true,
                ahead: values,
                aheadStep: 0))
          }
        }
      }
      key += block
    } while key < last
  }

  /// out = sums / totals.
  @inline(__always)
  private static func finish(
    _ sums: UnsafePointer<Float>, _ totals: (Vector, Vector), _ task: AttentionTask, first: Int, count: Int,
    panels: Int
  ) {
    for query in 0..<count {
      let total = query < lanes ? totals.0[query] : totals.1[query - lanes]
      let factor = 1 / total
      let row = sums + query * panels * tileColumns
      let out = task.out + (first + query) * task.outStride
      var column = 0
      while column + lanes <= task.width {
        store(load(row + column) * factor, out + column)
        column += lanes
      }
      while column < task.width {
        out[column] = row[column] * factor
        column += 1
      }
    }
  }

  /// packed[k · panel width + row] = x[row · stride + k], and zero beyond the last row.
  @inline(__always)
  static func interleave(
    _ x: UnsafePointer<Float>, _ stride: Int, rows: Int, depth: Int,
    into packed: UnsafeMutablePointer<Float>
  ) {
    for row in 0..<tileColumns {
      var target = packed + row
      for k in 0..<depth {
        target[0] = row < rows ? x[row * stride + k] : 0
        target += tileColumns
      }
    }
  }
}
