import Testing

@testable import Imaging

/// Bit equality with Pillow and torchvision.
@Suite struct GoldenTests {
  /// A picture with everything that is expected of it.
  struct Expected: CustomTestStringConvertible, Sendable {
    let name: String
    let lines: [[String]]
    var testDescription: String { "\(name) (\(lines.count))" }
  }

  static let pictures: [Expected] = Dictionary(grouping: Fixture.lines("golden.txt")) { $0[0] }
    .map { Expected(name: $0.key, lines: $0.value) }.sorted { $0.name < $1.name }

  @Test(arguments: pictures)
  func everyKindOfPicture(_ expected: Expected) throws {
    let bytes = Fixture.bytes(expected.name)
    for line in expected.lines {
      let numbers = line[1...5].compactMap { Int32($0) }
      let options = options(
        size: Int(numbers[0]), interpolation: numbers[1], alpha: numbers[2], orientation: numbers[3],
        convert: numbers[4])
      #expect(try digest(tensor(bytes, options)) == line[6], "\(line)")
    }
  }

  @Test func goldenFilesAreThere() {
    #expect(Self.pictures.count >= 100)
    #expect(Fixture.lines("sizes.txt").count >= 500)
  }

  @Test(arguments: Fixture.lines("sizes.txt"))
  func everySize(_ line: [String]) throws {
    let format: PixelFormat = ["L": .gray, "LA": .grayAlpha, "RGB": .rgb, "RGBA": .rgba][line[0]]!
    let numbers = line[1...6].map { Int($0)! }
    let pixels = rawPixels(format, numbers[0], numbers[1], seed: UInt64(numbers[5]))
    let options = options(size: numbers[2], interpolation: Int32(numbers[3]), convert: Int32(numbers[4]))
    #expect(try digest(tensor(pixels, format, numbers[0], numbers[1], options)) == line[7])
  }

  @Test func aFileGivesWhatItsBytesGive() throws {
    let name = "jpeg-420.jpg"
    let options = options(size: 24, interpolation: 0)
    var result = [Float](repeating: .nan, count: 3 * 24 * 24)
    try result.withUnsafeMutableBufferPointer { result in
      try preprocess(.file(path: Fixture.path(name)), options, into: result.baseAddress!)
    }
    #expect(try result == tensor(Fixture.bytes(name), options))
  }

  @Test(arguments: [PixelFormat.gray, .grayAlpha, .rgb, .rgba])
  func rowsWithGaps(_ format: PixelFormat) throws {
    let (width, height, gap) = (37, 29, 11)
    let row = width * Int(format.rawValue)
    let dense = rawPixels(format, width, height, seed: 4)
    var wide = [UInt8]()
    for y in 0..<height {
      wide += dense[y * row..<(y + 1) * row] + (y + 1 < height ? [UInt8](repeating: 77, count: gap) : [])
    }
    let options = options(size: 20, interpolation: 0)
    #expect(
      try tensor(wide, format, width, height, stride: row + gap, options)
        == tensor(dense, format, width, height, options))
  }

  @Test func meanAndStdArePerChannel() throws {
    var options = options(size: 2, interpolation: 0)
    options.mean = (0.1, 0.2, 0.3)
    options.std = (0.5, 0.25, 0.125)
    let pixels = [UInt8](repeating: 51, count: 2 * 2 * 3)
    let result = try tensor(pixels, .rgb, 2, 2, options)
    let value = Float(51) / 255
    #expect(result[0..<4].allSatisfy { $0 == (value - 0.1) / 0.5 })
    #expect(result[4..<8].allSatisfy { $0 == (value - 0.2) / 0.25 })
    #expect(result[8..<12].allSatisfy { $0 == (value - 0.3) / 0.125 })
  }
}
