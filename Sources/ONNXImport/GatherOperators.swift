/// Operators that take places of an axis: known ones, or one for each input of the batch.
extension Interpreter {
  mutating func gather(_ call: Call) throws(ImportError) -> Value {
    let (data, indices) = (try call.input(0), try call.input(1))
    let axis = try program.axis(call.integer("axis") ?? 0, rank: data.shape.count)
    guard program.isConstant(indices) else {
      if program.isConstant(data) {
        guard axis == 0, data.shape.count == 2 else {
          throw .unsupported("looks up something else than rows of a matrix")
        }
        return try program.embedded(indices, table: data)
      }
      guard axis == 0 else { throw .unsupported("takes places that depend on the input along axis \(axis)") }
      return try program.selected(data, at: indices)
    }
    let size = data.shape[axis]
    var places: [Int] = []
    for i in try program.integers(indices) {
      guard i >= -size, i < size else { throw .malformed("takes place \(i) of \(size)") }
      places.append(i < 0 ? i + size : i)
    }
    let shape = data.shape[..<axis] + indices.shape + data.shape[(axis + 1)...]
    _ = try checkedCount(Array(shape))
    let taken = try take(places, of: data, axis: axis)
    return taken.with(taken.layout.reshaped(Array(shape)))
  }

  /// The places of an axis in order: a view where they are evenly spaced, joined pieces otherwise.
  private mutating func take(_ places: [Int], of data: Value, axis: Int) throws(ImportError) -> Value {
    guard let first = places.first else {
      guard program.isConstant(data) else {
        throw .unsupported("takes nothing of a value that depends on the input")
      }
      return try slice(data, axis: axis, start: 0, end: 0, step: 1)
    }
    let step = places.count > 1 ? places[1] - first : 1
    if step > 0, places.indices.allSatisfy({ places[$0] == first + $0 * step }) {
      return try cut(data, axis: axis, start: first, count: places.count, step: step)
    }
    let one = try cut(data, axis: axis, start: first, count: 1)
    if step == 0, places.allSatisfy({ $0 == first }) {
      var shape = one.shape
      shape[axis] = places.count
      return try expanded(one, to: shape)
    }
    guard places.count <= 4096 || program.isConstant(data) else {
      throw .unsupported("takes scattered places")
    }
    try program.spend(places.count)
    var parts: [Value] = []
    for place in places { parts.append(try cut(data, axis: axis, start: place, count: 1)) }
    return try program.joined(parts, axis: axis)
  }

  mutating func gatherND(_ call: Call) throws(ImportError) -> Value {
    let (data, indices) = (try call.input(0), try call.input(1))
    guard call.integer("batch_dims") ?? 0 == 0, let depth = indices.shape.last, depth >= 1,
      depth <= data.shape.count
    else { throw .unsupported("has batch axes or indices that do not fit") }
    let lead = Array(indices.shape.dropLast())
    let rest = Array(data.shape.dropFirst(depth))
    _ = try checkedCount(lead + rest)
    var columns: [Value] = []
    for i in 0..<depth {
      let column = try cut(indices, axis: lead.count, start: i, count: 1)
      columns.append(column.with(column.layout.reshaped(lead)))
    }
    // Places in the flattened leading axes: Σ index · run.
    var place = try program.constant(integer: 0)
    var run = 1
    for (i, column) in columns.enumerated().reversed() {
      let size = data.shape[i]
      if program.isConstant(column) {
        let list = try program.integers(column)
        guard list.allSatisfy({ $0 >= 0 && $0 < size }) else {
          throw .unsupported("has indices outside of 0..<\(size)")
        }
      } else {
        guard let range = program[column.expression].range, range.lowerBound >= 0, range.upperBound < size
        else {
          throw .unsupported("has indices that are not known to be in 0..<\(size)")
        }
      }
      let step = try program.constant(integer: run)
      place = try program.binary(.add, place, try program.binary(.multiply, column, step))
      run = run &* size
    }
    let flat = data.with(data.layout.reshaped([run] + rest))
    guard program.isConstant(place) else { return try program.selected(flat, at: place) }
    let taken = try take(try program.integers(place), of: flat, axis: 0)
    return taken.with(taken.layout.reshaped(lead + rest))
  }

  /// torch.gather along the token axis with an index repeated over the width.
  mutating func gatherElements(_ call: Call) throws(ImportError) -> Value {
    let (data, indices) = (try call.input(0), try call.input(1))
    let axis = try program.axis(call.integer("axis") ?? 0, rank: data.shape.count)
    guard data.shape.count == 3, axis == 1, indices.shape == [data.shape[0], 1, data.shape[2]],
      let index = program.rowValues(indices.flat, rows: data.shape[0], columns: data.shape[2])
    else { throw .unsupported("gathers single elements") }
    let result = try program.selected(data, batch: index)
    return result.with(result.layout.reshaped([data.shape[0], 1, data.shape[2]]))
  }
}

extension Program {
  /// Rows of [rows, …] data at places that depend on the input, one in each batch: place = row·tokens + index.
  mutating func selected(_ data: Value, at place: Value) throws(ImportError) -> Value {
    let batch = place.count
    guard batch > 0, data.shape[0] % batch == 0 else {
      throw .unsupported("takes rows at places that depend on the input")
    }
    let tokens = data.shape[0] / batch
    var index = place.flat
    if case .binary(.add, let inner, let starts) = operation(index), isConstant(starts),
      let under = through(index, inner), let offsets = through(index, starts)
    {
      guard try integers(offsets) == (0..<batch).map({ $0 &* tokens }) else {
        throw .unsupported("takes rows at places that depend on the input")
      }
      index = under
    } else if batch > 1 {
      throw .unsupported("takes the same rows for every input of the batch")
    }
    let grouped = data.with(data.layout.reshaped([batch, tokens] + data.shape.dropFirst()))
    let result = try selected(grouped, batch: index)
    return result.with(result.layout.reshaped(place.shape + data.shape.dropFirst()))
  }

  /// data[b, index[b]] of [batch, tokens, …] data.
  mutating func selected(_ data: Value, batch index: Value) throws(ImportError) -> Value {
    let (batch, tokens) = (data.shape[0], data.shape[1])
    let width = data.shape.dropFirst(2).reduce(1, &*)
    guard let range = self[index.expression].range, range.lowerBound >= 0, range.upperBound < tokens else {
      throw .unsupported("takes tokens at places that are not known to be in 0..<\(tokens)")
    }
    let result = try intern(
      .select(data: data.with(data.layout.reshaped([batch, tokens, width])), index: index.flat),
      shape: [batch, width],
      kind: kind(data))
    return result.with(result.layout.reshaped([batch] + data.shape.dropFirst(2)))
  }
}
