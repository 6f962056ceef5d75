/// Memory that a call borrows and gives back, so that calls in a row do not allocate. Kept pieces are bounded by
/// the number of threads; they go with the `Compute`.
final class Scratch: @unchecked Sendable {
  /// A piece on loan; gives itself back.
  final class Piece {
    fileprivate let buffer: AlignedBuffer
    fileprivate var next: Piece?
    var pointer: UnsafeMutablePointer<Float> { buffer.pointer }

    fileprivate init(count: Int) throws(KernelError) { buffer = try AlignedBuffer(count: count) }
  }

  private let limit: Int
  /// The pool's lock guards the list too: it is in a known state in the child of a fork.
  private let lock: PoolState
  private var free: Piece?
  private var freeCount = 0

  init(limit: Int, lock: PoolState) {
    self.limit = limit
    self.lock = lock
  }

  /// Lends at least `count` floats. What lay in them is unknown.
  func withFloats(
    _ count: Int, _ body: (UnsafeMutablePointer<Float>) throws(KernelError) -> Void
  ) throws(KernelError) {
    let piece: Piece
    if let kept = take(), kept.buffer.count >= count {
      piece = kept
    } else {
      piece = try Piece(count: count)
    }
    defer { give(piece) }
    try body(piece.pointer)
  }

  private func take() -> Piece? {
    lock.locked {
      let piece = free
      free = piece?.next
      piece?.next = nil
      if piece != nil { freeCount -= 1 }
      return piece
    }
  }

  private func give(_ piece: Piece) {
    lock.locked {
      guard freeCount < limit else { return }
      piece.next = free
      free = piece
      freeCount += 1
    }
  }
}
