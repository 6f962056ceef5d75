import Testing

@testable import ONNXImport

/// The view algebra against what it means: a list of places, rearranged the slow way.
@Suite struct LayoutTests {
  /// The places that a layout walks.
  private func places(_ layout: Layout) -> [Int] {
    var result: [Int] = []
    layout.forEachOffset { (i) in result.append(i) }
    return result
  }

  /// Row-major digits of every index of a shape.
  private func indices(_ shape: [Int]) -> [[Int]] {
    shape.reduce([[]]) { list, size in list.flatMap { digits in (0..<size).map { digits + [$0] } } }
  }

  private func flat(_ index: [Int], _ shape: [Int]) -> Int {
    zip(index, shape).reduce(0) { $0 * $1.1 + $1.0 }
  }

  @Test(arguments: [[0, 1, 2], [2, 1, 0], [1, 0, 2], [0, 2, 1], [2, 0, 1], [1, 2, 0]])
  func transposes(order: [Int]) throws {
    let shape = [2, 3, 4]
    let turned = try #require(Layout(dense: shape).transposed(order))
    let newShape = order.map { shape[$0] }
    let expected = indices(newShape).map { index in
      var old = [0, 0, 0]
      for (i, axis) in order.enumerated() { old[axis] = index[i] }
      return flat(old, shape)
    }
    #expect(turned.shape == newShape)
    #expect(places(turned) == expected)
    // A reshape keeps the order, and turning back undoes.
    #expect(places(turned.reshaped([24])) == expected)
    var back = [0, 0, 0]
    for (i, axis) in order.enumerated() { back[axis] = i }
    #expect(turned.transposed(back) == Layout(dense: shape))
  }

  @Test(arguments: [(0, 2, 1), (1, 3, 2), (5, 1, 1), (5, 3, -2), (0, 6, 1)])
  func slices(start: Int, count: Int, step: Int) throws {
    let layout = try #require(
      Layout(dense: [2, 6, 3]).sliced(axis: 1, start: start, count: count, step: step))
    let expected = indices([2, count, 3]).map { flat([$0[0], start + $0[1] * step, $0[2]], [2, 6, 3]) }
    #expect(places(layout) == expected)
  }

  @Test func broadcasts() throws {
    let layout = try #require(Layout(dense: [3, 1]).broadcast(to: [2, 3, 4]))
    #expect(places(layout) == (0..<24).map { $0 / 4 % 3 })
    #expect(Layout(dense: [3]).broadcast(to: [4]) == nil)
    #expect(Layout.broadcastShape([2, 1], [3]) == [2, 3])
    #expect(Layout.broadcastShape([2], [3]) == nil)
  }

  /// Splitting a fused projection into heads, by reshape, transpose and slice, and merging them again.
  @Test func splitsAndMergesHeads() throws {
    let (batch, tokens, heads, width) = (2, 5, 3, 4)
    let fused = Layout(dense: [batch, tokens, 3 * heads * width])
    let key = try #require(fused.sliced(axis: 2, start: heads * width, count: heads * width))
    let split = try #require(key.reshaped([batch, tokens, heads, width]).transposed([0, 2, 1, 3]))
    let expected = indices([batch, heads, tokens, width]).map { i in
      flat([i[0], i[2], heads * width + i[1] * width + i[3]], [batch, tokens, 3 * heads * width])
    }
    #expect(places(split) == expected)
    #expect(split.transposed([0, 2, 1, 3])?.reshaped(key.shape) == key)
  }

  /// A view of a view is the view of the places.
  @Test func composes() throws {
    let inner = try #require(
      Layout(dense: [4, 3, 5]).transposed([1, 0, 2])?.sliced(axis: 2, start: 1, count: 3)
    ).flat
    let outers = [
      Layout(dense: [36]), Layout(dense: [3, 4, 3]).transposed([1, 0, 2]),
      Layout(dense: [3, 4, 3]).sliced(axis: 1, start: 1, count: 2),
      Layout(dense: [36]).sliced(axis: 0, start: 12, count: 12),
      Layout(dense: [3, 1, 12]).broadcast(to: [3, 2, 12]),
    ]
    let under = places(inner)
    for outer in outers {
      let outer = try #require(outer)
      let composed = try #require(outer.composed(over: inner))
      #expect(places(composed) == places(outer).map { under[$0] })
    }
    // A walk that carries over from one axis to the next has no strides.
    let crossing = try #require(Layout(dense: [36]).sliced(axis: 0, start: 1, count: 6))
    #expect(crossing.composed(over: inner) == nil)
  }
}
