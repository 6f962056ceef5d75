/// Which fields of a row are the path and the captions.
struct Columns {
  private let pathNames: [[UInt8]]
  private let captionNames: [[UInt8]]
  private let isRequired: Bool

  /// `path` and `caption` are names that a table must have; nil: the usual ones, or none.
  init(path: String?, caption: String?) {
    pathNames =
      (path.map { [$0] } ?? ["path", "filepath", "file", "filename", "file_name", "image"]).map {
        Array($0.utf8)
      }
    captionNames = Self.captionNames(caption)
    isRequired = path != nil || caption != nil
  }

  /// What a caption may be called, in rows and in members of shards.
  static func captionNames(_ caption: String?) -> [[UInt8]] {
    (caption.map { [$0] } ?? ["caption", "captions", "text", "title"]).map { Array($0.utf8) }
  }

  /// Where the fields are in a TSV or CSV.
  struct Places {
    let path: Int, caption: Int, count: Int
  }

  /// Looks at the first row. It is a header if it names both columns; else the table has the path and the caption
  /// in this order and nothing more.
  func places(firstRow fields: [[UInt8]]) -> (places: Places, isHeader: Bool)? {
    func place(_ names: [[UInt8]]) -> Int? {
      for name in names {
        if let place = fields.firstIndex(where: { Self.lowercased($0) == Self.lowercased(name) }) {
          return place
        }
      }
      return nil
    }
    if let path = place(pathNames), let caption = place(captionNames) {
      return (Places(path: path, caption: caption, count: fields.count), true)
    }
    return isRequired ? nil : (Places(path: 0, caption: 1, count: 2), false)
  }

  /// The path and captions of a JSONL row, or what is wrong with it.
  func row(_ text: [UInt8]) -> (path: [UInt8], captions: [[UInt8]])? {
    guard let json = JSONText(text), case .string(let path) = json.member(pathNames),
      let captions = json.member(captionNames)?.strings
    else { return nil }
    return (path, captions)
  }

  private static func lowercased(_ text: [UInt8]) -> [UInt8] {
    text.map { 0x41...0x5A ~= $0 ? $0 | 0x20 : $0 }
  }
}
