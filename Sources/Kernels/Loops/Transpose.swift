/// target[column · rows + row] = source[row · lanes + column], for rows of a vector each. Four rows and columns at
/// a time; the last four rows may write again what others wrote, the same values.
@inline(__always)
func transpose(
  _ source: UnsafePointer<Float>, rows: Int, columns: Int, into target: UnsafeMutablePointer<Float>
) {
  var column = 0
  while rows >= 4 && column + 4 <= columns {
    var row = 0
    while row < rows {
      let start = min(row, rows - 4)
      let square = source + start * lanes + column
      let (a, b) = (four(square), four(square + lanes))
      let (c, d) = (four(square + 2 * lanes), four(square + 3 * lanes))
      for k in 0..<4 {
        let value = SIMD4(a[k], b[k], c[k], d[k])
        UnsafeMutableRawPointer(target + (column + k) * rows + start).storeBytes(
          of: value, as: SIMD4<Float>.self)
      }
      row += 4
    }
    column += 4
  }
  while column < columns {
    for row in 0..<rows { target[column * rows + row] = source[row * lanes + column] }
    column += 1
  }
}

@inline(__always)
private func four(_ pointer: UnsafePointer<Float>) -> SIMD4<Float> {
  UnsafeRawPointer(pointer).loadUnaligned(as: SIMD4<Float>.self)
}
