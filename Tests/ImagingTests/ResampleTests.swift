import Testing

@testable import Imaging

@Suite struct ResampleTests {
  static let shapes: [(Int, Int, Int)] = (0..<60).map { seed in
    func pick(_ salt: UInt64, _ limit: UInt64) -> Int { Int(splitmix(UInt64(seed) * 8 + salt) % limit) + 1 }
    return (pick(0, 120), pick(1, 120), pick(2, 40))
  }

  @Test("The fast passes equal the plain reference", arguments: shapes)
  func fastEqualsReference(_ width: Int, _ height: Int, _ size: Int) throws {
    let pixels = rawPixels(.gray, width, height, seed: UInt64(width))
    for interpolation in [PreprocessOptions.Interpolation.bicubic, .bilinear] {
      var options = options(size: size, interpolation: interpolation.rawValue)
      options.mean = (0, 0, 0)
      options.std = (1, 1, 1)
      let fast = try tensor(pixels, .gray, width, height, options)
      let plain = try Reference.resize(
        .init(width: width, height: height, values: pixels), size: size, interpolation: interpolation)
      let expected = plain.values.map { Float($0) / 255 }
      #expect(fast == expected + expected + expected)
    }
  }

  /// (width, height, size) and what torchvision makes of it.
  @Test(arguments: [
    (500, 375, 224, 298, 224, 37, 0), (375, 500, 224, 224, 298, 0, 37),
    (1, 3000, 224, 224, 672_000, 0, 335_888),
    (3000, 1, 224, 672_000, 224, 335_888, 0), (224, 224, 224, 224, 224, 0, 0),
    (225, 224, 224, 225, 224, 0, 0),
    (227, 224, 224, 227, 224, 2, 0), (229, 224, 224, 229, 224, 2, 0), (1, 1, 224, 224, 224, 0, 0),
  ])
  func geometry(
    _ width: Int, _ height: Int, _ size: Int, _ newWidth: Int, _ newHeight: Int, _ left: Int, _ top: Int
  ) {
    let geometry = Geometry(width: width, height: height, size: size)
    #expect(geometry.resizedWidth == newWidth && geometry.resizedHeight == newHeight)
    #expect(geometry.left == left && geometry.top == top)
  }

  @Test(
    "Weights sum to one and stay within the axis", arguments: [(1, 224), (3000, 7), (224, 223), (5, 1000)])
  func weights(_ inputs: Int, _ outputs: Int) throws {
    for interpolation in [PreprocessOptions.Interpolation.bicubic, .bilinear] {
      let filter = try AxisFilter(
        inputs: inputs, outputs: outputs, kept: 0..<outputs, interpolation: interpolation)
      for slot in 0..<outputs {
        let (start, length) = (filter.starts.base[slot], filter.lengths.base[slot])
        #expect(start >= 0 && length > 0 && start + length <= inputs && length <= filter.reach)
        let sum = (0..<length).reduce(0.0) { $0 + filter.weights.base[slot * filter.reach + $1] }
        #expect(abs(sum - 1) < 1e-12)
      }
    }
  }

  /// Only the square that is kept may be computed: the whole would need 10^12 pixels.
  @Test(arguments: [(1, 10_000_000), (10_000_000, 1)])
  func extremeAspects(_ width: Int, _ height: Int) throws {
    let pixels = [UInt8](repeating: 200, count: width * height)
    for interpolation in 0...2 {
      let result = try tensor(
        pixels, .gray, width, height, options(size: 224, interpolation: Int32(interpolation)))
      #expect(Set(result[0..<224 * 224]).count == 1)
    }
  }

  @Test(
    "A part of a JPEG decodes to the same pixels as the whole",
    arguments: Fixture.names.filter { $0.hasPrefix("jpeg") })
  func jpegWindows(_ name: String) throws {
    let bytes = Fixture.bytes(name)
    try bytes.withUnsafeBytes { bytes in
      let whole = try Self.decode(bytes, nil)
      for seed in 0..<40 as Range<UInt64> {
        let left = Int(splitmix(seed) % UInt64(whole.width))
        let right = left + 1 + Int(splitmix(seed + 100) % UInt64(whole.width - left))
        let top = Int(splitmix(seed + 200) % UInt64(whole.height))
        let part = try Self.decode(bytes, (left..<right, top))
        for y in top..<whole.height {
          let expected = whole.pixels[(y * whole.width + left) * 4..<(y * whole.width + right) * 4]
          let start = ((y - top) * part.width + left - part.first) * 4
          #expect(part.pixels[start..<start + (right - left) * 4] == expected, "\(left)..<\(right), row \(y)")
        }
      }
    }
  }

  private static func decode(
    _ bytes: UnsafeRawBufferPointer, _ window: (Range<Int>, Int)?
  ) throws -> (first: Int, width: Int, height: Int, pixels: [UInt8]) {
    var rows = try JPEGRows(bytes)
    let (columns, top) = window ?? (0..<rows.width, 0)
    let got = try rows.begin(columns: columns, firstRow: top)
    #expect(got.lowerBound <= columns.lowerBound && got.upperBound >= columns.upperBound)
    var pixels = [UInt8](repeating: 0, count: got.count * 4 * (rows.height - top))
    let count = rows.height - top
    try pixels.withUnsafeMutableBufferPointer { pixels in
      try rows.read(count, into: pixels.baseAddress!, stride: got.count * 4)
    }
    return (got.lowerBound, got.count, rows.height, pixels)
  }
}
