import Foundation
import Kernels

@testable import SwiftCLIP

/// The default model, where the tests find it, and ways to encode with it.
enum PocketModel {
  static let directory = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
    .deletingLastPathComponent().appending(path: "models/pocket").path()

  static func open(threads: Int = 1, _ instructions: InstructionSet? = nil) throws -> CLIP {
    var options = CLIP.Options()
    options.threads = threads
    options.instructions = instructions
    return try CLIP(path: directory, options)
  }
}

extension CLIP {
  /// Embeddings of pixels (count, 3, size, size), one array each.
  func embeddings(pixels: [Float], count: Int) throws -> [[Float]] {
    var out = [Float](repeating: .nan, count: count * embedDim)
    try pixels.withUnsafeBufferPointer { pixels in
      try out.withUnsafeMutableBufferPointer { out in
        try encode(pixels: pixels, count: count, into: out.baseAddress!)
      }
    }
    return (0..<count).map { Array(out[$0 * embedDim..<($0 + 1) * embedDim]) }
  }

  /// Embeddings of texts given as tokens, one array each.
  func embeddings(tokens: [[Int32]]) throws -> [[Float]] {
    var out = [Float](repeating: .nan, count: tokens.count * embedDim)
    try tokens.flatMap { $0 }.withUnsafeBufferPointer { ids in
      try out.withUnsafeMutableBufferPointer { out in
        try encode(tokens: ids, count: tokens.count, into: out.baseAddress!)
      }
    }
    return tokens.indices.map { Array(out[$0 * embedDim..<($0 + 1) * embedDim]) }
  }

  func tokens(_ text: String) throws -> [Int32] {
    try tokenizer!.encode(Array(text.utf8), TextRules())
  }
}

/// Pixels as normalised pictures have them, the same in every run.
func noise(_ count: Int, seed: UInt64) -> [Float] {
  var state = seed &* 2 &+ 1
  return (0..<count).map { _ in
    state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
    return Float(Int64(bitPattern: state) >> 40) / Float(1 << 22)
  }
}

func relativeError(_ a: [Float], _ b: [Float]) -> Double {
  let difference = zip(a, b).reduce(0.0) { $0 + Double($1.0 - $1.1) * Double($1.0 - $1.1) }
  return (difference / b.reduce(0.0) { $0 + Double($1) * Double($1) }).squareRoot()
}
