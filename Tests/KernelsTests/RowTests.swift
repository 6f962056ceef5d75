import Kernels
import Testing

@Suite("LayerNorm and patches")
struct RowTests {
  @Test(
    "LayerNorm agrees with float64, far from zero too", arguments: InstructionSet.allCases,
    [1, 3, 8, 17, 64, 127, 768, 1025])
  func layerNorm(_ set: InstructionSet, _ columns: Int) throws {
    let compute = try compute(set)
    var random = Random(7)
    let x = Matrix(37, columns) { row, _ in random.float() + (row % 3 == 0 ? 100 : 0) }
    let gain = (0..<columns).map { _ in random.float(0.5...2) }
    let bias = (0..<columns).map { _ in random.float() }
    let y = Matrix(37, columns, gap: 11)
    compute.layerNorm(x.view, gain: gain, bias: bias, epsilon: 1e-5, into: y.view)
    var error = Error()
    for row in 0..<37 {
      let values = (0..<columns).map { Double(x[row, $0]) }
      let mean = values.reduce(0, +) / Double(columns)
      let variance = values.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / Double(columns)
      let scale = 1 / (variance + 1e-5).squareRoot()
      for column in 0..<columns {
        let value = (values[column] - mean) * scale * Double(gain[column]) + Double(bias[column])
        // The input's own rounding, scaled up, is not the kernel's.
        error.add(y[row, column], value, terms: abs(value) + abs(values[column]) * scale * 0.5 + 1)
      }
    }
    #expect(error.greatest < 1e-6)
    #expect(y.gapsAreUntouched)
    let inPlace = x.copy()
    compute.layerNorm(inPlace.view, gain: gain, bias: bias, epsilon: 1e-5, into: inPlace.view)
    #expect((0..<37).allSatisfy { inPlace.bits($0) == y.bits($0) })
  }

  @Test("LayerNorm of NaN and of a constant row", arguments: InstructionSet.allCases)
  func layerNormSpecial(_ set: InstructionSet) throws {
    let compute = try compute(set)
    let x = Matrix(3, 40) { row, column in row == 1 && column == 5 ? .nan : 2 }
    let ones = [Float](repeating: 1, count: 40)
    let y = Matrix(3, 40)
    compute.layerNorm(x.view, gain: ones, bias: ones, epsilon: 1e-5, into: y.view)
    #expect((0..<40).allSatisfy { y[0, $0] == 1 && y[1, $0].isNaN && y[2, $0] == 1 })
  }

  @Test(
    "patches are cut in the order channel, y, x",
    arguments: [(2, 3, 8, 8, 4), (1, 1, 7, 9, 2), (3, 3, 5, 5, 5)])
  func patches(_ count: Int, _ channels: Int, _ height: Int, _ width: Int, _ patch: Int) throws {
    let compute = try Compute(threads: 3)
    let pixels = (0..<count * channels * height * width).map { Float($0) }
    let (gridHeight, gridWidth) = (height / patch, width / patch)
    let rows = Matrix(count * gridHeight * gridWidth, channels * patch * patch)
    compute.gatherPatches(
      pixels, count: count, channels: channels, height: height, width: width, patch: patch, into: rows.view)
    for picture in 0..<count {
      for gridY in 0..<gridHeight {
        for gridX in 0..<gridWidth {
          for channel in 0..<channels {
            for y in 0..<patch {
              for x in 0..<patch {
                let pixel =
                  ((picture * channels + channel) * height + gridY * patch + y) * width + gridX * patch + x
                let row = (picture * gridHeight + gridY) * gridWidth + gridX
                #expect(rows[row, (channel * patch + y) * patch + x] == Float(pixel))
              }
            }
          }
        }
      }
    }
    #expect(rows.gapsAreUntouched)
  }
}
