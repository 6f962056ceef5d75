import CPlatform
import Glibc

/// The system's OpenBLAS. Its own threads are switched off: work is shared over the pool, which respects the
/// threads asked for and survives a fork.
final class OpenBLAS: Sendable {
  private typealias Multiply =
    @convention(c) (
      _ order: Int32, _ transposeA: Int32, _ transposeB: Int32, _ m: Int32, _ n: Int32, _ k: Int32,
      _ alpha: Float, _ a: UnsafePointer<Float>, _ aStride: Int32, _ b: UnsafePointer<Float>,
      _ bStride: Int32, _ beta: Float, _ c: UnsafeMutablePointer<Float>, _ cStride: Int32
    ) -> Void

  private let multiply: Multiply

  init() throws(KernelError) {
    // Never closed: its threads and fork handlers would outlive the code.
    guard let library = dlopen("libopenblas.so.0", RTLD_NOW | RTLD_LOCAL) else {
      throw .backendUnavailable(dlerror().map { String(cString: $0) } ?? "dlopen failed")
    }
    guard let multiply = dlsym(library, "cblas_sgemm"),
      let setThreads = dlsym(library, "openblas_set_num_threads")
    else { throw .backendUnavailable("libopenblas.so.0 lacks cblas_sgemm or openblas_set_num_threads") }
    self.multiply = unsafeBitCast(multiply, to: Multiply.self)
    unsafeBitCast(setThreads, to: (@convention(c) (Int32) -> Void).self)(1)
  }

  /// c = a·b, all row-major.
  func product(
    rows: Int, columns: Int, inputs: Int, _ a: UnsafePointer<Float>, _ aStride: Int,
    _ b: UnsafePointer<Float>, _ bStride: Int, _ c: UnsafeMutablePointer<Float>, _ cStride: Int
  ) {
    let (rowMajor, plain): (Int32, Int32) = (101, 111)
    multiply(
      rowMajor, plain, plain, Int32(rows), Int32(columns), Int32(inputs), 1, a, Int32(aStride), b,
      Int32(bStride), 0, c, Int32(cStride))
  }
}

extension Compute {
  /// `linear` by OpenBLAS, in pieces of some rows and columns. Its sums depend on the shape of the piece.
  func linear(
    _ x: MatrixView, _ w: PackedWeights, into y: MatrixView, _ epilogue: Epilogue, _ blas: OpenBLAS
  ) throws(KernelError) {
    guard max(x.rows, x.stride, w.inputs, w.outputs) <= Int32.max else {
      throw .backendUnavailable("a matrix has more than 2³¹ rows or columns")
    }
    let blockRows = min(x.rows, 256)
    let blockColumns = min(w.outputs, max(64, w.outputs / (2 * threads)))
    let rowBlocks = (x.rows + blockRows - 1) / blockRows
    let columnBlocks = (w.outputs + blockColumns - 1) / blockColumns
    let piece = (blockRows * blockColumns + 15) / 16 * 16
    let loops = loops
    // Packed for OpenBLAS, hence plain floats.
    nonisolated(unsafe) let b = UnsafePointer(w.weights.address.assumingMemoryBound(to: Float.self))
    try scratch.withFloats(threads * piece) { memory in
      nonisolated(unsafe) let memory = memory
      pool.run(rowBlocks * columnBlocks) { index, slot in
        let row = index / columnBlocks * blockRows
        let column = index % columnBlocks * blockColumns
        let rows = min(blockRows, x.rows - row)
        let columns = min(blockColumns, w.outputs - column)
        let sums = memory + slot * piece
        blas.product(
          rows: rows, columns: columns, inputs: w.inputs, x.pointer + row * x.stride, x.stride,
          b + column, w.outputs, sums, columns)
        loops.epilogue(
          sums, columns, rows, columns, epilogue.task(w, into: y, row: row, column: column))
      }
    }
  }
}
