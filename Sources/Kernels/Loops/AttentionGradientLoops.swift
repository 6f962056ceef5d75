import CPlatform

// The gradient of softmax(scale · q·kᵀ)·v for one head. Nothing of the forward pass is kept: the weights P are
// computed again from q and k, which takes one product of five. With dP = dO·vᵀ and D = Σ P∘dP over the keys,
//
//     dS = scale · P ∘ (dP - D),  dv = Pᵀ·dO,  dk = dSᵀ·q,  dq = dS·k.
//
// As in the forward pass, keys are rows and queries are lanes, so that sums over keys run down the lanes.

extension Loops {
  /// Floats of scratch memory that the gradient over `keys` keys of heads `width` wide needs.
  package static func attentionGradientScratch(keys: Int, width: Int) -> (Int, overflow: Bool) {
    let padded = (width + tileColumns - 1) / tileColumns * tileColumns
    // Keys packed, dk, dv; P and dS.
    let (perKey, first) = (3 * padded + 2 * tileColumns).multipliedReportingOverflow(by: keys)
    // q and dO interleaved and as panels, dq.
    let fixed = (2 * width + 3 * padded) * tileColumns
    let (total, second) = perKey.addingReportingOverflow(fixed + 16)
    return (total, first || second)
  }

  package static func attentionGradient(_ task: AttentionGradientTask) {
    let room = Room(task)
    for panel in 0..<room.panels {
      let column = panel * tileColumns
      packPanel(
        task.k + column, stride: task.kvStride, rows: task.keys,
        columns: min(tileColumns, task.width - column),
        width: tileColumns, into: room.keys + panel * task.keys * tileColumns)
    }
    let count = task.keys * room.width
    for index in 0..<count {
      room.dk[index] = 0
      room.dv[index] = 0
    }
    var first = 0
    while first < task.queries {
      let count = min(tileColumns, task.queries - first)
      weights(task, room, first: first, count: count)
      spread(task, room, first: first, count: count)
      first += count
    }
    for key in 0..<task.keys {
      for column in 0..<task.width {
        task.dk[key * task.dkvStride + column] = room.dk[key * room.width + column]
        task.dv[key * task.dkvStride + column] = room.dv[key * room.width + column]
      }
    }
  }

  /// Where the parts of the scratch memory begin.
  private struct Room {
    let panels, width: Int
    let keys, dk, dv, p, ds, q, dOut, qPanels, dOutPanels, dq: UnsafeMutablePointer<Float>

    @inline(__always)
    init(_ task: AttentionGradientTask) {
      panels = (task.width + tileColumns - 1) / tileColumns
      width = panels * tileColumns
      keys = task.scratch
      dk = keys + task.keys * width
      dv = dk + task.keys * width
      p = dv + task.keys * width
      ds = p + task.keys * tileColumns
      q = ds + task.keys * tileColumns
      dOut = q + task.width * tileColumns
      qPanels = dOut + task.width * tileColumns
      dOutPanels = qPanels + width * tileColumns
      dq = dOutPanels + width * tileColumns
    }
  }

  /// Keys that some of a block of queries see.
  @inline(__always)
  private static func last(_ task: AttentionGradientTask, _ first: Int, _ count: Int) -> Int {
    min(task.keys, task.visible + first + count - 1)
  }

  /// P and dS of a block of queries.
  @inline(__always)
  private static func weights(_ task: AttentionGradientTask, _ room: Room, first: Int, count: Int) {
    let last = last(task, first, count)
    interleave(task.q + first * task.qStride, task.qStride, rows: count, depth: task.width, into: room.q)
    interleave(
      task.dOut + first * task.dOutStride, task.dOutStride, rows: count, depth: task.width, into: room.dOut)
    product(task.k, task.kvStride, rows: last, depth: task.width, room.q, into: room.p)
    let totals = softmax(
      room.p, scale: task.scale, visible: min(task.keys, task.visible + first), last: last)
    product(task.v, task.kvStride, rows: last, depth: task.width, room.dOut, into: room.ds)
    let one = Vector(repeating: 1)
    let (low, high) = (one / totals.0, one / totals.1)
    var (lowSum, highSum) = (Vector(), Vector())
    for key in 0..<last {
      let (p, ds) = (room.p + key * tileColumns, room.ds + key * tileColumns)
      let (a, b) = (load(p) * low, load(p + lanes) * high)
      store(a, p)
      store(b, p + lanes)
      lowSum = multiplyAdd(a, load(ds), lowSum)
      highSum = multiplyAdd(b, load(ds + lanes), highSum)
    }
    for key in 0..<last {
      let (p, ds) = (room.p + key * tileColumns, room.ds + key * tileColumns)
      store(load(p) * (load(ds) - lowSum) * task.scale, ds)
      store(load(p + lanes) * (load(ds + lanes) - highSum) * task.scale, ds + lanes)
    }
  }

  /// What a block of queries adds to dk and dv, and its dq.
  @inline(__always)
  private static func spread(_ task: AttentionGradientTask, _ room: Room, first: Int, count: Int) {
    let last = last(task, first, count)
    for panel in 0..<room.panels {
      let column = panel * tileColumns
      let columns = min(tileColumns, task.width - column)
      let (q, dOut) = (room.qPanels + column * tileColumns, room.dOutPanels + column * tileColumns)
      packPanel(
        task.q + first * task.qStride + column, stride: task.qStride, rows: count, columns: columns,
        width: tileColumns, into: q)
      packPanel(
        task.dOut + first * task.dOutStride + column, stride: task.dOutStride, rows: count, columns: columns,
        width: tileColumns, into: dOut)
      forEachTile(of: last) { key, keys in
        let place = key * room.width + column
        FloatPanel(dOut).add(
          TileTask(
            rows: keys, depth: count, a: room.p + key * tileColumns, rowStep: tileColumns, step: 1,
            c: room.dv + place,
            stride: room.width, continues: true, ahead: dOut, aheadStep: 0))
        FloatPanel(q).add(
          TileTask(
            rows: keys, depth: count, a: room.ds + key * tileColumns, rowStep: tileColumns, step: 1,
            c: room.dk + place,
            stride: room.width, continues: true, ahead: q, aheadStep: 0))
      }
      forEachTile(of: count) { row, rows in
        FloatPanel(room.keys + panel * task.keys * tileColumns).add(
          TileTask(
            rows: rows, depth: last, a: room.ds + row, rowStep: 1, step: tileColumns,
            c: room.dq + row * room.width + column, stride: room.width, continues: false, ahead: room.keys,
            aheadStep: 0))
      }
    }
    for query in 0..<count {
      for column in 0..<task.width {
        task.dq[(first + query) * task.dqStride + column] = room.dq[query * room.width + column]
      }
    }
  }

  /// c[row][lane] = a[row]·b, b being [k][lane].
  @inline(__always)
  private static func product(
    _ a: UnsafePointer<Float>, _ stride: Int, rows: Int, depth: Int, _ b: UnsafePointer<Float>,
    into c: UnsafeMutablePointer<Float>
  ) {
    forEachTile(of: rows) { first, count in
      FloatPanel(b).add(
        TileTask(
          rows: count, depth: depth, a: a + first * stride, rowStep: stride, step: 1,
          c: c + first * tileColumns,
          stride: tileColumns, continues: false, ahead: b, aheadStep: 0))
    }
  }
}
