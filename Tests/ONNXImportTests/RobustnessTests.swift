import Foundation
import ONNXImport
import Testing

/// Files that are damaged, hostile or no models at all: an error that says so, and nothing worse.
@Suite struct RobustnessTests {
  /// SplitMix64: the same mutations on every machine.
  struct Generator: RandomNumberGenerator {
    var state: UInt64
    mutating func next() -> UInt64 {
      state &+= 0x9E37_79B9_7F4A_7C15
      var z = state
      z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
      z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
      return z ^ (z >> 31)
    }
  }

  @Test func refusesWhatIsNoFile() throws {
    let folder = FileManager.default.temporaryDirectory.appendingPathComponent(UUID().uuidString)
    try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(at: folder) }
    let empty = folder.appendingPathComponent("empty.onnx").path
    try Data().write(to: URL(fileURLWithPath: empty))
    #expect(refusal { _ = try importModel(path: folder.path) }?.contains("directory") == true)
    #expect(
      refusal { _ = try importModel(path: folder.path + "/none.onnx") }?.contains("cannot be opened") == true)
    #expect(refusal { _ = try importModel(path: empty) }?.contains("empty") == true)
    #expect(refusal { _ = try importModel(path: "") } != nil)
    #expect(refusal { _ = try importBytes([]) }?.contains("empty") == true)
  }

  @Test(arguments: [
    Array("PK\u{3}\u{4}this is a zip file".utf8), Array("\u{7F}ELF".utf8), [0], [255, 255, 255],
    Array("{}".utf8),
    [UInt8](repeating: 0x80, count: 100), [UInt8](repeating: 0x0A, count: 1000),
  ])
  func refusesWrongMagic(bytes: [UInt8]) {
    #expect(refusal { _ = try importBytes(bytes) } != nil)
  }

  /// Every hundredth of the length: no prefix of a model is a model.
  @Test(arguments: 0..<100)
  func refusesTruncation(percent: Int) throws {
    for path in [Fixtures.path("variant.function"), Fixtures.path("variant.float16"), Fixtures.pocketTextual]
    {
      let bytes = try Fixtures.bytes(path)
      #expect(refusal { _ = try importBytes(Array(bytes.prefix(bytes.count * percent / 100))) } != nil)
    }
  }

  /// Bytes changed, inserted, removed and repeated at random. Any answer but a crash or a hang will do.
  @Test(arguments: 0..<24)
  func survivesMutation(seed: Int) throws {
    var generator = Generator(state: UInt64(seed))
    let names = ["variant.function", "variant.if", "variant.typed", "variant.int8", "variant.float16"]
    var bytes = try Fixtures.bytes(Fixtures.path(names[seed % names.count]))
    let original = bytes
    for _ in 0..<100 {
      bytes = original
      for _ in 0..<Int.random(in: 1...4, using: &generator) { mutate(&bytes, &generator) }
      _ = refusal { _ = try importBytes(bytes) }
    }
  }

  private func mutate(_ bytes: inout [UInt8], _ generator: inout Generator) {
    let place = Int.random(in: 0..<bytes.count, using: &generator)
    let length = min(Int.random(in: 1...16, using: &generator), bytes.count - place)
    switch Int.random(in: 0..<6, using: &generator) {
    case 0: bytes[place] = UInt8.random(in: 0...255, using: &generator)
    case 1: bytes[place] ^= 1 << UInt8.random(in: 0...7, using: &generator)
    case 2: bytes.removeSubrange(place..<place + length)
    case 3: bytes.insert(contentsOf: bytes[place..<place + length], at: place)
    case 4: for i in place..<place + length { bytes[i] = 0xFF }
    default:
      let other = Int.random(in: 0..<bytes.count - length, using: &generator)
      bytes.replaceSubrange(place..<place + length, with: bytes[other..<other + length])
    }
  }
}
