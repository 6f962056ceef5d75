/// Operators that only rearrange: they change the view and compute nothing.
extension Interpreter {
  mutating func layoutOperator(_ call: Call) throws(ImportError) -> [Value]? {
    switch call.node.operation {
    case "Identity", "Dropout": return [try call.input(0)]
    case "Reshape": return [try reshape(call)]
    case "Flatten":
      let value = try call.input(0)
      let axis = call.integer("axis") ?? 1
      guard axis >= -value.shape.count, axis <= value.shape.count else {
        throw .malformed("has axis \(axis)")
      }
      let split = axis < 0 ? axis + value.shape.count : axis
      let shape = [value.shape[..<split].reduce(1, &*), value.shape[split...].reduce(1, &*)]
      return [value.with(value.layout.reshaped(shape))]
    case "Squeeze": return [try squeeze(call)]
    case "Unsqueeze": return [try unsqueeze(call)]
    case "Transpose":
      let value = try call.input(0)
      let order = call.integers("perm") ?? value.shape.indices.reversed()
      guard order.sorted() == Array(value.shape.indices) else {
        throw .malformed("has the permutation \(order) for \(value.shape.count) axes")
      }
      return [try program.transposed(value, order)]
    case "Expand": return [try expanded(call.input(0), to: program.integers(call.input(1)))]
    case "Tile": return [try tile(call)]
    case "Slice": return [try slice(call)]
    case "Split": return try split(call)
    case "Concat":
      var parts: [Value] = []
      for i in call.inputs.indices { parts.append(try call.input(i)) }
      return [try concat(parts, axis: call.integer("axis") ?? 1)]
    case "Gather": return [try gather(call)]
    case "GatherND": return [try gatherND(call)]
    case "GatherElements": return [try gatherElements(call)]
    default: return nil
    }
  }

  private mutating func reshape(_ call: Call) throws(ImportError) -> Value {
    let value = try call.input(0)
    var shape = try program.integers(call.input(1))
    let keepsZero = call.integer("allowzero") ?? 0 != 0
    for i in shape.indices where shape[i] == 0 && !keepsZero {
      guard i < value.shape.count else { throw .malformed("copies size \(i), which its input lacks") }
      shape[i] = value.shape[i]
    }
    if let free = shape.firstIndex(of: -1) {
      shape[free] = 1
      let known = try checkedCount(shape)
      guard known > 0, value.count % known == 0 else {
        throw .malformed("cannot bring shape \(value.shape) into \(shape)")
      }
      shape[free] = value.count / known
    }
    guard try checkedCount(shape) == value.count else {
      throw .malformed(
        "cannot bring shape \(value.shape) into \(shape); was the model exported with a fixed batch size?")
    }
    return value.with(value.layout.reshaped(shape))
  }

  /// The axes of an operator that has them as an attribute or, later, as an input.
  mutating func axes(_ call: Call, input: Int = 1) throws(ImportError) -> [Int]? {
    if let attribute = call.integers("axes") { return attribute }
    guard let value = call.optional(input) else { return nil }
    return try program.integers(value)
  }

  private mutating func squeeze(_ call: Call) throws(ImportError) -> Value {
    let value = try call.input(0)
    var gone = Set<Int>()
    if let axes = try axes(call) {
      for number in axes { gone.insert(try program.axis(number, rank: value.shape.count)) }
    } else {
      gone = Set(value.shape.indices.filter { value.shape[$0] == 1 })
    }
    guard gone.allSatisfy({ value.shape[$0] == 1 }) else {
      throw .malformed("squeezes axes \(gone.sorted()) of shape \(value.shape), which are not all 1")
    }
    return value.with(
      value.layout.reshaped(value.shape.indices.filter { !gone.contains($0) }.map { value.shape[$0] }))
  }

  private mutating func unsqueeze(_ call: Call) throws(ImportError) -> Value {
    let value = try call.input(0)
    guard let numbers = try axes(call) else { throw .malformed("lacks its axes") }
    let rank = value.shape.count + numbers.count
    guard rank <= Limit.rank else { throw .unsupported("makes \(rank) axes") }
    var added = Set<Int>()
    for number in numbers {
      guard added.insert(try program.axis(number, rank: rank)).inserted else {
        throw .malformed("repeats an axis")
      }
    }
    var rest = value.shape[...]
    let shape = (0..<rank).map { added.contains($0) ? 1 : rest.popFirst() ?? 1 }
    return value.with(value.layout.reshaped(shape))
  }

  private mutating func tile(_ call: Call) throws(ImportError) -> Value {
    let value = try call.input(0)
    let repeats = try program.integers(call.input(1))
    guard repeats.count == value.shape.count, repeats.allSatisfy({ $0 > 0 }), let axes = value.layout.axes()
    else {
      throw .unsupported("repeats \(repeats) times the axes \(value.shape)")
    }
    var shape: [Int] = []
    for (size, times) in zip(value.shape, repeats) {
      let (product, overflow) = size.multipliedReportingOverflow(by: times)
      guard !overflow else { throw .malformed("repeats impossibly often") }
      shape.append(product)
    }
    guard try checkedCount(shape) > 0 else { throw .unsupported("repeats an empty tensor") }
    let atoms = zip(axes, repeats).flatMap { [Layout.Atom(size: $1, stride: 0)] + $0 }
    return value.with(Layout(offset: value.layout.offset, atoms: atoms, shape: shape))
  }

  private mutating func slice(_ call: Call) throws(ImportError) -> Value {
    var value = try call.input(0)
    let starts: [Int]
    let ends: [Int]
    var axes: [Int]
    var steps: [Int]
    if call.version < 10 {
      (starts, ends) = (call.integers("starts") ?? [], call.integers("ends") ?? [])
      axes = call.integers("axes") ?? Array(starts.indices)
      steps = starts.map { _ in 1 }
    } else {
      (starts, ends) = (try program.integers(call.input(1)), try program.integers(call.input(2)))
      axes = Array(starts.indices)
      if let given = call.optional(3) { axes = try program.integers(given) }
      steps = starts.map { _ in 1 }
      if let given = call.optional(4) { steps = try program.integers(given) }
    }
    guard starts.count == ends.count, axes.count == starts.count, steps.count == starts.count else {
      throw .malformed("has lists of different lengths")
    }
    for i in starts.indices {
      let axis = try program.axis(axes[i], rank: value.shape.count)
      value = try slice(value, axis: axis, start: starts[i], end: ends[i], step: steps[i])
    }
    return value
  }

  mutating func slice(
    _ value: Value, axis: Int, start: Int, end: Int, step: Int
  ) throws(ImportError) -> Value {
    let size = value.shape[axis]
    guard step != 0 else { throw .malformed("has step 0") }
    func place(_ i: Int, _ low: Int, _ high: Int) -> Int {
      min(max(i < 0 ? (i < -size ? -1 : i + size) : i, low), high)
    }
    let count: Int
    let first: Int
    if step > 0 {
      first = start < -size ? 0 : place(start, 0, size)
      let last = end < -size ? 0 : place(end, 0, size)
      count = last > first ? (last - first - 1) / step + 1 : 0
    } else {
      guard step > Int.min else { throw .malformed("has an impossible step") }
      first = place(start, -1, size - 1)
      let last = place(end, -1, size - 1)
      count = first > last ? (first - last - 1) / -step + 1 : 0
    }
    if count == 0 {
      guard program.isConstant(value) else {
        throw .unsupported("takes nothing of a value that depends on the input")
      }
      var shape = value.shape
      shape[axis] = 0
      let type = program.constant(value)?.type ?? .int64
      return try program.constant(ConstantTensor(type: type, count: 0, elements: .integers([])), shape: shape)
    }
    // With one element the step does not matter, and could be too large to multiply with.
    return try cut(value, axis: axis, start: first, count: count, step: count == 1 ? 1 : step)
  }

  /// A slice of which every element exists. A slice that lies in one part of a Concat is a slice of that part.
  func cut(_ value: Value, axis: Int, start: Int, count: Int, step: Int = 1) throws(ImportError) -> Value {
    guard let layout = value.layout.sliced(axis: axis, start: start, count: count, step: step) else {
      throw .unsupported("cuts a view across its digits")
    }
    return program.insidePart(value.with(layout))
  }

  private mutating func split(_ call: Call) throws(ImportError) -> [Value] {
    let value = try call.input(0)
    let axis = try program.axis(call.integer("axis") ?? 0, rank: value.shape.count)
    let size = value.shape[axis]
    var sizes: [Int]
    if let given = call.integers("split") {
      sizes = given
    } else if let given = call.optional(1) {
      sizes = try program.integers(given)
    } else {
      let parts = call.integer("num_outputs") ?? call.node.outputs.count
      guard parts > 0, parts == call.node.outputs.count else {
        throw .malformed("splits into \(parts) parts")
      }
      let each = (size + parts - 1) / parts
      sizes = (0..<parts).map { max(0, min(each, size - $0 * each)) }
    }
    return try parts(of: value, axis: axis, sizes: sizes)
  }

  /// Pieces of a value one after the other along an axis, which they must make up.
  func parts(of value: Value, axis: Int, sizes: [Int]) throws(ImportError) -> [Value] {
    var total = 0
    for part in sizes {
      let (sum, overflow) = total.addingReportingOverflow(part)
      guard part > 0, !overflow else { throw .malformed("splits into the sizes \(sizes)") }
      total = sum
    }
    guard total == value.shape[axis] else {
      throw .malformed("splits \(value.shape[axis]) into \(sizes)")
    }
    var result: [Value] = []
    var start = 0
    for part in sizes {
      result.append(try cut(value, axis: axis, start: start, count: part))
      start += part
    }
    return result
  }

  private mutating func concat(_ parts: [Value], axis number: Int) throws(ImportError) -> Value {
    guard let first = parts.first else { throw .malformed("joins nothing") }
    let axis = try program.axis(number, rank: first.shape.count)
    for part in parts {
      var (a, b) = (first.shape, part.shape)
      guard a.count == b.count else { throw .malformed("joins shapes \(parts.map(\.shape))") }
      a[axis] = 0
      b[axis] = 0
      guard a == b else { throw .malformed("joins shapes \(parts.map(\.shape))") }
    }
    return try program.joined(parts, axis: axis)
  }
}

extension Program {
  /// The value itself, or the same elements of one part where it lies inside one part of a Concat.
  func insidePart(_ value: Value) -> Value {
    guard case .concat(let parts) = operation(value), value.count > 0, let first = parts.first else {
      return value
    }
    let (outer, inner) = (first.shape[0], first.shape[2])
    let total = parts.reduce(0) { $0 + $1.shape[1] }
    guard let digits = value.layout.digits(over: [outer, total, inner]) else { return value }
    var reach = digits.starts[1]
    for step in digits.steps where step.dim == 1 { reach += (step.size - 1) * step.step }
    var start = 0
    for part in parts {
      let size = part.shape[1]
      if digits.starts[1] >= start && reach < start + size {
        let runs = [size &* inner, inner, 1]
        let offset = digits.starts[0] &* runs[0] &+ (digits.starts[1] - start) &* runs[1] &+ digits.starts[2]
        let atoms = digits.steps.map {
          Layout.Atom(size: $0.size, stride: $0.dim < 0 ? 0 : $0.step &* runs[$0.dim])
        }
        guard
          let layout = Layout(offset: offset, atoms: atoms, shape: value.shape).composed(
            over: part.layout.flat)
        else { return value }
        return part.with(layout)
      }
      start += size
    }
    return value
  }
}
