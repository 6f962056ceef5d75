import Foundation

@testable import Imaging

/// The files that Tests/fixtures/pictures.py made.
enum Fixture {
  static let folder = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
    .appending(path: "fixtures/pictures")

  static let names: [String] = lines("truncated.txt").map { $0[0] }

  static func path(_ name: String) -> String { folder.appending(path: name).path }

  static func bytes(_ name: String) -> [UInt8] {
    [UInt8]((try? Data(contentsOf: folder.appending(path: name))) ?? Data())
  }

  /// The words of each line of a text file.
  static func lines(_ name: String) -> [[String]] {
    String(decoding: bytes(name), as: UTF8.self).split(separator: "\n").map {
      $0.split(separator: " ").map(String.init)
    }
  }
}

/// The n-th number of the SplitMix64 generator.
func splitmix(_ index: UInt64) -> UInt64 {
  var z = (index &+ 1) &* 0x9E37_79B9_7F4A_7C15
  z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
  z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
  return z ^ (z >> 31)
}

/// Sum of the values' bits times random odd numbers, modulo 2^64, as the generator of the fixtures takes it.
func digest(_ tensor: [Float]) -> String {
  var total: UInt64 = 0
  for (i, value) in tensor.enumerated() {
    total &+= UInt64(value.bitPattern) &* (splitmix(UInt64(i)) | 1)
  }
  let text = String(total, radix: 16)
  return String(repeating: "0", count: 16 - text.count) + text
}

/// What the library answers for encoded bytes.
func tensor(_ bytes: [UInt8], _ options: PreprocessOptions) throws(ImagingError) -> [Float] {
  var result = [Float](repeating: .nan, count: 3 * options.imageSize * options.imageSize)
  do {
    try bytes.withUnsafeBytes { bytes in
      try result.withUnsafeMutableBufferPointer { result in
        try preprocess(.encoded(bytes), options, into: result.baseAddress!)
      }
    }
  } catch let error as ImagingError {
    throw error
  } catch {
    throw .invalidArgument("not an error of this library: \(error)")
  }
  return result
}

/// What the library answers for raw pixels.
func tensor(
  _ pixels: [UInt8], _ format: PixelFormat, _ width: Int, _ height: Int, stride: Int = 0,
  _ options: PreprocessOptions
) throws -> [Float] {
  var result = [Float](repeating: .nan, count: 3 * options.imageSize * options.imageSize)
  try pixels.withUnsafeBytes { pixels in
    try result.withUnsafeMutableBufferPointer { result in
      try preprocess(
        .pixels(pixels, format: format, width: width, height: height, stride: stride), options,
        into: result.baseAddress!)
    }
  }
  return result
}

/// Options from the numbers in a golden file.
func options(
  size: Int, interpolation: Int32, alpha: Int32 = 0, orientation: Int32 = 0, convert: Int32 = 0
) -> PreprocessOptions {
  var options = PreprocessOptions()
  options.imageSize = size
  options.interpolation = .init(rawValue: interpolation)!
  options.alpha = .init(rawValue: alpha)!
  options.orientation = .init(rawValue: orientation)!
  options.convert = .init(rawValue: convert)!
  options.background = (10, 200, 90)
  return options
}

/// The pixels that the generator of the fixtures makes of a seed.
func rawPixels(_ format: PixelFormat, _ width: Int, _ height: Int, seed: UInt64) -> [UInt8] {
  (0..<UInt64(width * height * Int(format.rawValue))).map { index in
    let value = UInt8(truncatingIfNeeded: splitmix(index &+ seed << 32) >> 56)
    return seed % 2 == 0 || 96...160 ~= value ? value : value < 96 ? 0 : 255
  }
}
