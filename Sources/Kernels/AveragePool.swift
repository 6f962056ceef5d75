extension Compute {
  /// Means of square tiles of pictures, channels last: a row of `x` is a pixel, a row of `y` a tile of
  /// `pool` × `pool` pixels. A tile's pixels are added line by line.
  /// - Parameter side: of the pictures of `x`, a multiple of `pool`.
  public func averagePool(_ x: MatrixView, side: Int, pool window: Int, into y: MatrixView) {
    guard x.rows > 0, x.columns > 0 else { return }
    let outputSide = side / window
    assert(side % window == 0 && x.rows % (side * side) == 0 && x.columns == y.columns)
    assert(y.rows == x.rows / (side * side) * outputSide * outputSide)
    let share = 1 / Float(window * window)
    pool.run(y.rows / outputSide) { line, _ in
      // A line of tiles begins at this line of all pictures' lines.
      let firstPixel = line * window * side
      for column in 0..<outputSide {
        let target = y.pointer + (line * outputSide + column) * y.stride
        for dy in 0..<window {
          for dx in 0..<window {
            let source = x.pointer + (firstPixel + dy * side + column * window + dx) * x.stride
            if dy == 0 && dx == 0 {
              target.update(from: source, count: x.columns)
            } else {
              for channel in 0..<x.columns { target[channel] += source[channel] }
            }
          }
        }
        for channel in 0..<x.columns { target[channel] *= share }
      }
    }
  }
}
