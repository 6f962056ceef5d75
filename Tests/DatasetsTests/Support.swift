import Foundation
import Imaging
import Tokenizing

@testable import Datasets

/// A folder of a test's own, removed with it.
final class Scratch {
  let path = NSTemporaryDirectory() + "swiftclip-\(UUID().uuidString)"

  init() throws { try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true) }
  deinit { try? FileManager.default.removeItem(atPath: path) }

  func write(_ name: String, _ bytes: [UInt8]) throws -> InputFile {
    let file = "\(path)/\(name)"
    try Data(bytes).write(to: URL(fileURLWithPath: file))
    return try InputFile(file)
  }
}

/// All rows of a text.
func rows(_ text: String, _ format: RowReader.Format) throws -> [Row] {
  let scratch = try Scratch()
  var reader = try RowReader(scratch.write("rows", Array(text.utf8)), format)
  var result: [Row] = []
  while let row = try reader.next() { result.append(row) }
  return result
}

extension Row: CustomStringConvertible {
  /// Fields between bars, or what is wrong.
  public var description: String {
    switch self {
    case .fields(let fields): fields.map { String(decoding: $0, as: UTF8.self) }.joined(separator: "|")
    case .bad(let why): "BAD \(why)"
    }
  }
}
