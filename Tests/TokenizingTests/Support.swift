import Foundation

@testable import Tokenizing

/// Files of the repository that the tests read.
enum Repository {
  private static let root = URL(fileURLWithPath: #filePath)
    .deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()

  static func bytes(_ path: String) throws -> [UInt8] {
    [UInt8](try Data(contentsOf: root.appendingPathComponent(path)))
  }
}

extension Tokenizer {
  /// A tokenizer from bytes in memory.
  init(
    _ vocabulary: [UInt8], name: String = "test.txt", contextLength: Int = 77, vocabularySize: Int? = nil
  ) throws {
    self = try unsafe vocabulary.withUnsafeBytes {
      try unsafe Tokenizer(
        vocabulary: $0, name: name, contextLength: contextLength, vocabularySize: vocabularySize)
    }
  }

  /// The pocket model's tokenizer.
  static func pocket(contextLength: Int = 77) throws -> Tokenizer {
    try Tokenizer(
      Repository.bytes("models/pocket/merges.txt"), contextLength: contextLength, vocabularySize: 4096)
  }

  /// The same for a context of 77 tokens, opened once.
  static let pocket77 = Result { try pocket() }

  /// The ids of a text, start, end and zeros included.
  func ids(_ text: [UInt8], truncate: Bool = false, replaceInvalid: Bool = false) throws -> [Int32] {
    var ids = [Int32](repeating: -1, count: contextLength)
    _ = try unsafe text.withUnsafeBytes { utf8 in
      try unsafe ids.withUnsafeMutableBufferPointer {
        try unsafe encode(utf8, truncate: truncate, replaceInvalid: replaceInvalid, into: $0)
      }
    }
    return ids
  }

  func ids(_ text: String, truncate: Bool = false) throws -> [Int32] {
    try ids(Array(text.utf8), truncate: truncate)
  }
}

/// A small generator with a seed, so that a failure can be repeated.
struct SeededGenerator: RandomNumberGenerator {
  private var state: UInt64

  init(seed: UInt64) { state = seed }

  mutating func next() -> UInt64 {
    state &+= 0x9E37_79B9_7F4A_7C15
    var z = state
    z = (z ^ z >> 30) &* 0xBF58_476D_1CE4_E5B9
    z = (z ^ z >> 27) &* 0x94D0_49BB_1331_11EB
    return z ^ z >> 31
  }
}

/// A vocabulary file of these merges.
func vocabulary(_ merges: [String]) -> [UInt8] {
  Array((["#version: 0.2"] + merges).joined(separator: "\n").utf8)
}

func scalars(_ text: String) -> Scalars { text.unicodeScalars.map(\.value) }

func string(_ scalars: Scalars) -> String {
  var text = ""
  text.unicodeScalars.append(contentsOf: scalars.compactMap { Unicode.Scalar($0) })
  return text
}
