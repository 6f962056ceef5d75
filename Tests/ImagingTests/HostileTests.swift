import Foundation
import Testing

@testable import Imaging

/// Input that is damaged, cut, too large or not there: an error with a sentence, never a crash, and the
/// output untouched.
@Suite struct HostileTests {
  /// Runs the library and says whether it succeeded; after a failure the output must be as it was.
  static func succeeds(_ bytes: [UInt8], _ options: PreprocessOptions) throws -> Bool {
    let count = 3 * options.imageSize * options.imageSize
    var result = [Float](repeating: 12345, count: count)
    let succeeded = bytes.withUnsafeBytes { bytes in
      result.withUnsafeMutableBufferPointer { result in
        do {
          try preprocess(.encoded(bytes), options, into: result.baseAddress!)
          return true
        } catch {
          return false
        }
      }
    }
    if succeeded {
      #expect(result.allSatisfy { $0.isFinite && $0 != 12345 })
    } else {
      #expect(result.allSatisfy { $0 == 12345 })
    }
    return succeeded
  }

  @Test("What Pillow calls truncated is refused", arguments: Fixture.lines("truncated.txt"))
  func truncated(_ line: [String]) throws {
    let bytes = Fixture.bytes(line[0])
    for (percent, pillowReads) in line[1].enumerated() {
      let cut = [UInt8](bytes.prefix(bytes.count * percent / 100))
      let reads = try Self.succeeds(cut, options(size: 8, interpolation: 0))
      #expect(!reads || pillowReads == "1", "\(line[0]) at \(percent) %")
    }
  }

  @Test("Mutated bytes never crash", arguments: Fixture.names)
  func mutated(_ name: String) throws {
    let original = Fixture.bytes(name)
    for seed in 0..<24 as Range<UInt64> {
      var bytes = original
      for change in 0..<1 + splitmix(seed) % 8 {
        let draw = splitmix(seed * 64 + change + 1)
        let place = Int(draw % UInt64(bytes.count))
        // Headers matter most: half of the changes hit the first 64 bytes.
        bytes[draw >> 63 == 0 ? place : place % min(64, bytes.count)] = UInt8(truncatingIfNeeded: draw >> 40)
      }
      _ = try Self.succeeds(
        bytes,
        options(
          size: 8, interpolation: Int32(seed % 3), alpha: Int32(seed % 2), orientation: Int32(seed / 2 % 2)))
    }
  }

  @Test("Mutated EXIF blocks never crash")
  func mutatedOrientation() throws {
    for name in Fixture.names where name.hasPrefix("oriented") {
      let original = Fixture.bytes(name)
      for seed in 0..<60 as Range<UInt64> {
        var bytes = original
        // The block lies near the start of a JPEG and a PNG, at the end of a WebP.
        let near = min(200, bytes.count)
        let draw = splitmix(seed)
        let place = Int(draw % UInt64(near))
        bytes[name.hasSuffix("webp") ? bytes.count - 1 - place : place] = UInt8(
          truncatingIfNeeded: draw >> 40)
        _ = try Self.succeeds(bytes, options(size: 8, interpolation: 0, orientation: 1))
      }
    }
  }

  static func message(_ body: () throws(ImagingError) -> Void) -> ImagingError? {
    do throws(ImagingError) {
      try body()
      return nil
    } catch {
      return error
    }
  }

  @Test func notAPicture() throws {
    for bytes in [[], [0xff], [UInt8]("GIF89a".utf8), [UInt8](repeating: 0, count: 100)] as [[UInt8]] {
      #expect(throws: ImagingError.self) { try tensor(bytes, PreprocessOptions()) }
    }
  }

  @Test(arguments: ["jpeg-420.jpg", "png-rgb8.png", "webp-rgb-lossy.webp", "png-gray16-interlaced.png"])
  func limits(_ name: String) throws {
    let bytes = Fixture.bytes(name)
    var options = options(size: 8, interpolation: 0)
    options.maxPixels = 100
    guard case .limit = Self.message({ () throws(ImagingError) in _ = try tensor(bytes, options) }) else {
      Issue.record("max_pixels did not stop \(name)")
      return
    }
    options.maxPixels = 1_000_000
    options.maxBytes = UInt64(bytes.count - 1)
    guard case .limit = Self.message({ () throws(ImagingError) in _ = try tensor(bytes, options) }) else {
      Issue.record("max_bytes did not stop \(name)")
      return
    }
    options.maxBytes += 1
    _ = try tensor(bytes, options)
  }

  /// A header that promises 2^31 - 1 pixels a side, and nothing behind it.
  @Test func hugeHeaders() throws {
    var png = Fixture.bytes("png-rgb8.png")
    for i in 16..<24 { png[i] = i % 4 == 0 ? 0x7f : 0xff }
    var jpeg = Fixture.bytes("jpeg-420.jpg")
    let frame = try #require((0..<jpeg.count - 1).first { jpeg[$0] == 0xff && jpeg[$0 + 1] == 0xc0 })
    for i in frame + 5..<frame + 9 { jpeg[i] = 0xff }
    for bytes in [png, jpeg] {
      #expect(throws: ImagingError.self) { try tensor(bytes, options(size: 8, interpolation: 0)) }
    }
  }

  @Test func optionsOutOfRange() throws {
    let bytes = Fixture.bytes("png-rgb8.png")
    let changes: [(inout PreprocessOptions) -> Void] = [
      { $0.imageSize = 0 }, { $0.imageSize = -1 }, { $0.imageSize = 4097 }, { $0.imageSize = .max },
      { $0.mean.1 = .nan }, { $0.std.2 = 0 }, { $0.std.0 = -1 }, { $0.std.0 = .infinity },
      { $0.maxPixels = 0 }, { $0.maxBytes = 0 }, { $0.maxPixels = .max },
    ]
    for change in changes {
      var options = PreprocessOptions()
      change(&options)
      var untouched: Float = 5
      let error = bytes.withUnsafeBytes { bytes in
        Self.message { () throws(ImagingError) in try preprocess(.encoded(bytes), options, into: &untouched) }
      }
      guard case .invalidArgument = error else {
        Issue.record("accepted: \(options)")
        return
      }
      #expect(untouched == 5)
    }
  }

  @Test(
    arguments: [
      (0, 1, 0), (1, 0, 0), (-1, 5, 0), (5, -1, 0), (10, 10, 29), (10, 10, -30), (10, 11, 0), (10, 10, 31),
      (.max, .max, 0), (.max, 1, 0), (1, .max, 0), (10, 10, .max), (1 << 20, 1 << 20, .max / 2),
    ] as [(Int, Int, Int)])
  func rawPixelsThatDoNotFit(_ width: Int, _ height: Int, _ stride: Int) throws {
    let pixels = [UInt8](repeating: 1, count: 300)
    var options = options(size: 4, interpolation: 0)
    options.maxPixels = 1 << 40
    #expect(throws: ImagingError.self) { try tensor(pixels, .rgb, width, height, stride: stride, options) }
  }

  @Test func filesThatCannotBeRead() throws {
    let folder = FileManager.default.temporaryDirectory.appending(path: "swiftclip-\(UUID().uuidString)")
    try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(at: folder) }
    let pipe = folder.appending(path: "pipe").path
    #expect(mkfifo(pipe, 0o600) == 0)
    let empty = folder.appending(path: "empty.jpg").path
    #expect(FileManager.default.createFile(atPath: empty, contents: nil))
    for path in ["", "/no/such/file.jpg", folder.path, pipe, empty, "/dev/zero"] {
      var result = [Float](repeating: 5, count: 3 * 224 * 224)
      let error = result.withUnsafeMutableBufferPointer { result in
        Self.message { () throws(ImagingError) in
          try preprocess(.file(path: path), PreprocessOptions(), into: result.baseAddress!)
        }
      }
      #expect(error != nil && result.allSatisfy { $0 == 5 }, "\(path)")
      if case .io(let message) = error { #expect(message.contains(path)) }
    }
  }
}
