/// A binary heap: the smallest item is found at once.
struct Heap<Item: Comparable> {
  private var items: [Item] = []

  var minimum: Item? { items.first }

  mutating func insert(_ item: Item) {
    var i = items.count
    items.append(item)
    while i > 0, items[i] < items[(i - 1) / 2] {
      items.swapAt(i, (i - 1) / 2)
      i = (i - 1) / 2
    }
  }

  mutating func removeMinimum() {
    guard let last = items.popLast(), !items.isEmpty else { return }
    items[0] = last
    var i = 0
    while true {
      var child = 2 * i + 1
      guard child < items.count else { return }
      if child + 1 < items.count, items[child + 1] < items[child] { child += 1 }
      if !(items[child] < items[i]) { return }
      items.swapAt(i, child)
      i = child
    }
  }
}
