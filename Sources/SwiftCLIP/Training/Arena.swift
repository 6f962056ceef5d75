import Kernels

/// Memory for activations that are needed until the backward pass has read them, or only within a layer. Matrices are
/// cut from large blocks, one after the other, and given back all at once down to a mark; blocks are kept, so that
/// steps after the first allocate nothing.
@safe final class Arena {
  struct Mark {
    fileprivate let block, used: Int
    static let start = Mark(block: 0, used: 0)
  }

  private var blocks: [AlignedStorage] = []
  private var sizes: [Int] = []
  private var block = 0
  private var used = 0
  /// Floats in all blocks.
  private(set) var capacity = 0
  private static let blockFloats = 1 << 22
  private let budget: MemoryBudget

  init(_ budget: MemoryBudget) { self.budget = budget }

  var mark: Mark { Mark(block: block, used: used) }

  /// Gives back everything that was cut after the mark.
  func release(to mark: Mark) { (block, used) = (mark.block, mark.used) }

  /// A matrix of unknown content, valid until a release to a mark before it.
  func matrix(_ rows: Int, _ columns: Int) throws(CLIPError) -> MatrixView {
    let (count, overflow) = rows.multipliedReportingOverflow(by: columns)
    guard rows >= 0, columns >= 0, !overflow, count < Int.max - 16 else {
      throw KernelError.outOfMemory(bytes: Int.max).told
    }
    // Each begins at a cache line.
    let pointer = unsafe try floats((count + 15) / 16 * 16)
    return unsafe MatrixView(pointer: pointer, rows: rows, columns: columns, stride: columns)
  }

  private func floats(_ count: Int) throws(CLIPError) -> UnsafeMutablePointer<Float> {
    while block < blocks.count {
      if used + count <= sizes[block] {
        let pointer = unsafe blocks[block].pointer + used
        used += count
        return unsafe pointer
      }
      (block, used) = (block + 1, 0)
    }
    let size = max(count, Self.blockFloats)
    let room = try budget.taking(floats: size) { () throws(CLIPError) in try AlignedStorage(count: size) }
    blocks.append(room)
    sizes.append(size)
    capacity += size
    (block, used) = (blocks.count - 1, count)
    return unsafe blocks[block].pointer
  }
}
