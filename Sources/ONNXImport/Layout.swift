/// Where the elements of a view lie in the dense array behind it.
///
/// A view is a list of `atoms` that, flattened in row-major order, walk the array: the element with the mixed-radix
/// digits (d0, d1, …) lies at `offset + Σ d·stride`. `shape` only groups that order into axes, so a reshape keeps
/// the atoms; a transpose, slice, split or broadcast rearranges them. Two views mean the same elements in the same
/// order exactly when their layouts are equal, whatever chain of operators made them.
struct Layout: Hashable {
  /// One digit of the walk. A stride of 0 repeats (a broadcast).
  struct Atom: Hashable {
    var size: Int
    var stride: Int
  }

  var offset: Int
  private(set) var atoms: [Atom]
  private(set) var shape: [Int]

  /// The row-major layout of a dense array.
  init(dense shape: [Int]) {
    self.init(offset: 0, atoms: [Atom(size: Layout.count(shape), stride: 1)], shape: shape)
  }

  /// A layout in canonical form: no atoms of size 1, neighbours merged where they walk like one.
  init(offset: Int, atoms: [Atom], shape: [Int]) {
    self.offset = offset
    self.shape = shape
    self.atoms = []
    guard Layout.count(shape) > 0 else { return }
    for atom in atoms where atom.size != 1 {
      if let last = self.atoms.last, last.stride == atom.size &* atom.stride {
        self.atoms[self.atoms.count - 1] = Atom(size: last.size &* atom.size, stride: atom.stride)
      } else {
        self.atoms.append(atom)
      }
    }
  }

  /// Elements of a shape. Shapes are checked by `checkedCount` where they enter, so this cannot overflow.
  static func count(_ shape: [Int]) -> Int { shape.reduce(1, &*) }

  var count: Int { Layout.count(shape) }

  /// Whether the view is its whole array in order.
  func isDense(of total: Int) -> Bool {
    guard offset == 0, count == total else { return false }
    return total <= 1 || atoms == [Atom(size: total, stride: 1)]
  }

  /// The same elements as one axis.
  var flat: Layout { Layout(offset: offset, atoms: atoms, shape: [count]) }

  /// The atoms of each axis, or nil where an axis does not fall on digits.
  func axes() -> [[Atom]]? {
    var result: [[Atom]] = []
    var rest = atoms[...]
    for size in shape {
      var need = size
      var axis: [Atom] = []
      while need > 1 {
        guard let atom = rest.popFirst() else { return nil }
        if need % atom.size == 0 {
          axis.append(atom)
          need /= atom.size
        } else if atom.size % need == 0 {
          let inner = atom.size / need
          axis.append(Atom(size: need, stride: atom.stride &* inner))
          rest = [Atom(size: inner, stride: atom.stride)] + rest
          need = 1
        } else {
          return nil
        }
      }
      result.append(axis)
    }
    return result
  }

  /// The same elements in the same order under another shape, whose count must be the same.
  func reshaped(_ shape: [Int]) -> Layout { Layout(offset: offset, atoms: atoms, shape: shape) }

  /// The axes in another order; `order` is a permutation.
  func transposed(_ order: [Int]) -> Layout? {
    let newShape = order.map { shape[$0] }
    guard count > 0 else { return Layout(offset: 0, atoms: [], shape: newShape) }
    guard let axes = axes() else { return nil }
    return Layout(offset: offset, atoms: order.flatMap { axes[$0] }, shape: newShape)
  }

  /// `count` elements of an axis from `start`, `step` apart; all of them must exist.
  func sliced(axis: Int, start: Int, count taken: Int, step: Int = 1) -> Layout? {
    if start == 0, step == 1, taken == shape[axis] { return self }
    var newShape = shape
    newShape[axis] = taken
    guard Layout.count(newShape) > 0 else { return Layout(offset: 0, atoms: [], shape: newShape) }
    guard var axes = axes(), let cut = Layout.cut(axes[axis][...], start: start, count: taken, step: step)
    else { return nil }
    axes[axis] = cut.atoms
    return Layout(offset: offset &+ cut.offset, atoms: axes.flatMap { $0 }, shape: newShape)
  }

  private static func cut(
    _ atoms: ArraySlice<Atom>, start: Int, count: Int, step: Int
  ) -> (offset: Int, atoms: [Atom])? {
    guard let outer = atoms.first else { return (0, []) }
    let inner = atoms.dropFirst()
    if inner.isEmpty {
      return (start &* outer.stride, [Atom(size: count, stride: count == 1 ? 0 : outer.stride &* step)])
    }
    let run = inner.reduce(1) { $0 &* $1.size }
    if step == 1, start % run == 0, count % run == 0 {
      return (start / run &* outer.stride, [Atom(size: count / run, stride: outer.stride)] + inner)
    }
    let last = start &+ (count - 1) &* step
    guard last >= 0, start / run == last / run else { return nil }
    guard let rest = cut(inner, start: start % run, count: count, step: step) else { return nil }
    return (start / run &* outer.stride &+ rest.offset, rest.atoms)
  }

  /// The view repeated to `target` by ONNX's (numpy's) broadcasting, or nil where the shapes do not fit.
  func broadcast(to target: [Int]) -> Layout? {
    if target == shape { return self }
    guard target.count >= shape.count else { return nil }
    let lead = target.count - shape.count
    guard zip(shape, target.dropFirst(lead)).allSatisfy({ $0 == $1 || $0 == 1 }) else { return nil }
    guard Layout.count(target) > 0 else { return Layout(offset: 0, atoms: [], shape: target) }
    guard let axes = axes() else { return nil }
    var result = target.prefix(lead).map { Atom(size: $0, stride: 0) }
    for (i, axis) in axes.enumerated() {
      result += shape[i] == target[lead + i] ? axis : [Atom(size: target[lead + i], stride: 0)]
    }
    return Layout(offset: offset, atoms: result, shape: target)
  }

  /// What two shapes broadcast to, or nil.
  static func broadcastShape(_ a: [Int], _ b: [Int]) -> [Int]? {
    var result = [Int](repeating: 1, count: max(a.count, b.count))
    for i in result.indices {
      let x = i < result.count - a.count ? 1 : a[i - (result.count - a.count)]
      let y = i < result.count - b.count ? 1 : b[i - (result.count - b.count)]
      guard x == y || x == 1 || y == 1 else { return nil }
      result[i] = x == 1 ? y : x
    }
    return result
  }

  /// Splits views of one shape into common digits: their sizes, and for each view its strides.
  static func refined(_ layouts: [Layout]) -> (sizes: [Int], strides: [[Int]])? {
    var rests = layouts.map { $0.atoms[...] }
    var sizes: [Int] = []
    var strides = [[Int]](repeating: [], count: layouts.count)
    while let smallest = rests.compactMap({ $0.first?.size }).min() {
      for i in rests.indices {
        guard let atom = rests[i].popFirst(), atom.size % smallest == 0 else { return nil }
        let inner = atom.size / smallest
        strides[i].append(atom.stride &* inner)
        if inner > 1 { rests[i] = [Atom(size: inner, stride: atom.stride)] + rests[i] }
      }
      sizes.append(smallest)
    }
    return (sizes, strides)
  }

  /// The digits of the view over a dense array of `dims`: where it starts on each axis, and for each digit its size,
  /// the axis it walks and by how much. Nil where a digit would carry over from one axis to the next.
  func digits(over dims: [Int]) -> (starts: [Int], steps: [(size: Int, dim: Int, step: Int)])? {
    var runs = [Int](repeating: 1, count: dims.count)
    for i in dims.indices.reversed().dropFirst() { runs[i] = runs[i + 1] &* dims[i + 1] }
    var starts: [Int] = []
    var rest = offset
    for run in runs {
      starts.append(rest / run)
      rest %= run
    }
    var reach = starts
    var steps: [(size: Int, dim: Int, step: Int)] = []
    for atom in atoms {
      var pieces: [(size: Int, dim: Int, step: Int)] = []
      var size = atom.size
      var stride = atom.stride
      if stride == 0 {
        pieces = [(size, -1, 0)]
        size = 1
      }
      // The innermost part of the digit that fits the axis it walks, then what is left over the next axis.
      while size > 1 {
        guard stride > 0,
          let dim = dims.indices.first(where: { stride % runs[$0] == 0 && stride / runs[$0] < dims[$0] })
        else { return nil }
        let step = stride / runs[dim]
        if (size - 1) &* step < dims[dim] {
          pieces.append((size, dim, step))
          size = 1
        } else {
          guard dims[dim] % step == 0, size % (dims[dim] / step) == 0 else { return nil }
          let part = dims[dim] / step
          pieces.append((part, dim, step))
          size /= part
          stride = stride &* part
        }
      }
      for piece in pieces where piece.dim >= 0 { reach[piece.dim] += (piece.size - 1) &* piece.step }
      steps += pieces.reversed()
    }
    guard zip(reach, dims).allSatisfy({ $0 < $1 }) else { return nil }
    return (starts, steps)
  }

  /// This view of the elements of `inner`, in the order in which `inner` lists them, as a view of what `inner` views.
  func composed(over inner: Layout) -> Layout? {
    if inner.isDense(of: inner.count) && inner.offset == 0 { return self }
    guard count > 0 else { return self }
    guard let digits = digits(over: inner.atoms.map(\.size)) else { return nil }
    var start = inner.offset
    for (digit, atom) in zip(digits.starts, inner.atoms) { start = start &+ digit &* atom.stride }
    let result = digits.steps.map {
      Atom(size: $0.size, stride: $0.dim < 0 ? 0 : $0.step &* inner.atoms[$0.dim].stride)
    }
    return Layout(offset: start, atoms: result, shape: shape)
  }

  /// Calls `body` with the place of every element, in order.
  func forEachOffset<E: Error>(_ body: (Int) throws(E) -> Void) throws(E) {
    guard count > 0 else { return }
    var digits = [Int](repeating: 0, count: atoms.count)
    var place = offset
    while true {
      try body(place)
      var i = atoms.count - 1
      while i >= 0 {
        digits[i] += 1
        place = place &+ atoms[i].stride
        if digits[i] < atoms[i].size { break }
        place = place &- atoms[i].size &* atoms[i].stride
        digits[i] = 0
        i -= 1
      }
      if i < 0 { return }
    }
  }
}

/// Sizes that no model has; larger ones are refused before anything multiplies them.
enum Limit {
  /// Elements of one value.
  static let elements = 1 << 40
  /// Pixels along a side, also of kernels.
  static let side = 1 << 20
  /// Axes of one value.
  static let rank = 16
}

/// The number of elements of `shape`, whose sizes must not be negative, or an error where it is beyond all reason.
func checkedCount(_ shape: [Int]) throws(ImportError) -> Int {
  guard shape.count <= Limit.rank else {
    throw .unsupported("has \(shape.count) axes; at most \(Limit.rank) are supported")
  }
  var count = 1
  for size in shape where size != 0 {
    guard size > 0 else { throw .malformed("has a negative size in its shape \(shape)") }
    let (product, overflow) = count.multipliedReportingOverflow(by: size)
    guard !overflow, product <= Limit.elements else { throw .malformed("has the impossible shape \(shape)") }
    count = product
  }
  return shape.contains(0) ? 0 : count
}
