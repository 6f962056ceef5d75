/// A row-major matrix of floats in somebody's memory. Row r starts at `pointer + r · stride`.
///
/// Views are shared between threads that write different parts; whoever makes one keeps the memory alive and
/// the parts apart.
public struct MatrixView: @unchecked Sendable {
  public var pointer: UnsafeMutablePointer<Float>
  public var rows: Int
  public var columns: Int
  /// Floats from one row to the next.
  public var stride: Int

  public init(pointer: UnsafeMutablePointer<Float>, rows: Int, columns: Int, stride: Int) {
    assert(rows >= 0 && columns >= 0 && (stride >= columns || rows <= 1))
    self.pointer = pointer
    self.rows = rows
    self.columns = columns
    self.stride = stride
  }

  /// A dense matrix.
  public init(pointer: UnsafeMutablePointer<Float>, rows: Int, columns: Int) {
    self.init(pointer: pointer, rows: rows, columns: columns, stride: columns)
  }

  /// Some of the rows.
  public func rows(_ range: Range<Int>) -> MatrixView {
    assert(range.lowerBound >= 0 && range.upperBound <= rows)
    return MatrixView(
      pointer: pointer + range.lowerBound * stride, rows: range.count, columns: columns, stride: stride)
  }

  /// Some of the columns.
  public func columns(_ range: Range<Int>) -> MatrixView {
    assert(range.lowerBound >= 0 && range.upperBound <= columns)
    return MatrixView(
      pointer: pointer + range.lowerBound, rows: rows, columns: range.count, stride: stride)
  }
}
