@testable import Imaging

/// Resampling as Pillow's documentation tells it, one output at a time and without any of the shortcuts:
/// what the fast passes are compared with.
enum Reference {
  /// A grid of 8-bit values, row by row.
  struct Grid: Equatable {
    var width: Int, height: Int
    var values: [UInt8]
  }

  /// Both passes over the whole picture, then the crop. One channel.
  static func resize(
    _ grid: Grid, size: Int, interpolation: PreprocessOptions.Interpolation
  ) throws -> Grid {
    let geometry = Geometry(width: grid.width, height: grid.height, size: size)
    if geometry.isUnchanged { return crop(grid, geometry) }
    let result =
      try geometry.isVerticalFirst
      ? alongX(
        transposed(alongX(transposed(grid), geometry.resizedHeight, interpolation)), geometry.resizedWidth,
        interpolation)
      : transposed(
        alongX(
          transposed(alongX(grid, geometry.resizedWidth, interpolation)), geometry.resizedHeight,
          interpolation))
    return crop(result, geometry)
  }

  static func alongX(
    _ grid: Grid, _ outputs: Int, _ interpolation: PreprocessOptions.Interpolation
  ) throws -> Grid {
    let filter = try AxisFilter(
      inputs: grid.width, outputs: outputs, kept: 0..<outputs, interpolation: interpolation)
    var result = Grid(width: outputs, height: grid.height, values: [])
    for y in 0..<grid.height {
      for x in 0..<outputs {
        var sum: Int32 = 1 << 21
        for i in 0..<filter.lengths.base[x] {
          let weight = AxisFilter.fixed(filter.weights.base[x * filter.reach + i])
          sum += Int32(grid.values[y * grid.width + filter.starts.base[x] + i]) * weight
        }
        result.values.append(UInt8(clamping: sum >> 22))
      }
    }
    return result
  }

  static func transposed(_ grid: Grid) -> Grid {
    var result = Grid(width: grid.height, height: grid.width, values: [])
    for x in 0..<grid.width {
      for y in 0..<grid.height { result.values.append(grid.values[y * grid.width + x]) }
    }
    return result
  }

  static func crop(_ grid: Grid, _ geometry: Geometry) -> Grid {
    var result = Grid(width: geometry.size, height: geometry.size, values: [])
    for y in geometry.top..<geometry.top + geometry.size {
      let start = y * grid.width + geometry.left
      result.values += grid.values[start..<start + geometry.size]
    }
    return result
  }
}
