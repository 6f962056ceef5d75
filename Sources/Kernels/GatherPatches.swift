extension Compute {
  /// Cuts pictures, stored [picture][channel][y][x], into square patches: one row for each patch, from left to
  /// right and top to bottom, its values in the order (channel, y, x). What is left at the right and bottom is
  /// not read.
  public func gatherPatches(
    _ pixels: UnsafePointer<Float>, count: Int, channels: Int, height: Int, width: Int, patch: Int,
    into rows: MatrixView
  ) {
    guard count > 0, patch > 0 else { return }
    let (gridHeight, gridWidth) = (height / patch, width / patch)
    assert(rows.rows == count * gridHeight * gridWidth && rows.columns == channels * patch * patch)
    nonisolated(unsafe) let pixels = pixels
    pool.run(count * gridHeight) { index, _ in
      let (picture, gridY) = (index / gridHeight, index % gridHeight)
      for channel in 0..<channels {
        for y in 0..<patch {
          let line = pixels + ((picture * channels + channel) * height + gridY * patch + y) * width
          let target = rows.pointer + index * gridWidth * rows.stride + (channel * patch + y) * patch
          for gridX in 0..<gridWidth {
            (target + gridX * rows.stride).update(from: line + gridX * patch, count: patch)
          }
        }
      }
    }
  }
}
