import Tokenizing

/// The pictures of tables with their captions, in memory. Each picture is there once, however many rows name it.
struct PictureTable: Sendable {
  /// The folders of the tables, as the system resolves them.
  private let folders: [String]
  /// The number of the folder in four bytes, then the path as the table has it.
  private var paths = ByteStrings()
  private var captionBytes: [UInt8] = []
  private var captionEnds: [Int] = [0]
  /// The picture of each caption, and, when all are read, each picture's captions one after the other.
  private var owners: [UInt32] = []
  private var order: [UInt32] = []
  private var firsts: [Int] = []

  /// Reads the tables. Rows that cannot be used are told as problems, which `take` gets as they come.
  init(
    _ tables: [(path: String, format: RowReader.Format)], _ options: DatasetOptions,
    take: (Problem) -> Void
  ) throws(DatasetError) {
    var folders: [String] = []
    for table in tables { folders.append(try Folder.resolved(of: table.path)) }
    self.folders = folders
    let columns = Columns(path: options.pathColumn, caption: options.captionColumn)
    for (number, table) in tables.enumerated() {
      let file = try InputFile(table.path)
      var reader = try RowReader(file, table.format)
      try read(&reader, table, UInt32(truncatingIfNeeded: number), columns, options, take)
    }
    arrange()
  }

  /// Pictures that have a caption.
  var count: Int { max(0, firsts.count - 1) }

  func path(_ picture: Int) -> (folder: String, path: String) {
    let key = paths[picture]
    var folder = 0
    for byte in key.prefix(4) { folder = folder << 8 | Int(byte) }
    return (folders[folder], String(decoding: key.dropFirst(4), as: UTF8.self))
  }

  func captionCount(_ picture: Int) -> Int { firsts[picture + 1] - firsts[picture] }

  func caption(_ index: Int, of picture: Int) -> [UInt8] {
    let number = Int(order[firsts[picture] + index])
    return Array(captionBytes[captionEnds[number]..<captionEnds[number + 1]])
  }

  private mutating func read(
    _ reader: inout RowReader, _ table: (path: String, format: RowReader.Format), _ folder: UInt32,
    _ columns: Columns, _ options: DatasetOptions, _ take: (Problem) -> Void
  ) throws(DatasetError) {
    var places: Columns.Places?
    while let row = try reader.next() {
      func told(_ what: String) -> String { "\(table.path), line \(reader.line): \(what)." }
      guard case .fields(let fields) = row else {
        if case .bad(let what) = row { take(Problem(.badRows, told(what))) }
        continue
      }
      if table.format == .jsonl {
        guard let (path, captions) = columns.row(fields[0]) else {
          take(Problem(.badRows, told("it is no JSON object with a path and a caption")))
          continue
        }
        try add(path, captions, folder, options, told, take)
        continue
      }
      if places == nil {
        guard let found = columns.places(firstRow: fields) else {
          throw DatasetError(
            .invalidData,
            "\(table.path) has no columns of the names asked for in its first row. Leave the names out for a table without a header."
          )
        }
        places = found.places
        if found.isHeader { continue }
      }
      guard let places, fields.count == places.count else {
        take(Problem(.badRows, told("it has \(fields.count) fields and not \(places?.count ?? 2)")))
        continue
      }
      try add(fields[places.path], [fields[places.caption]], folder, options, told, take)
    }
  }

  private mutating func add(
    _ path: [UInt8], _ captions: [[UInt8]], _ folder: UInt32, _ options: DatasetOptions,
    _ told: (String) -> String, _ take: (Problem) -> Void
  ) throws(DatasetError) {
    guard !path.isEmpty, !path.contains(0), String(validating: path, as: UTF8.self) != nil else {
      take(Problem(.badRows, told("its path is empty, or no UTF-8")))
      return
    }
    guard options.allowsOutside || Folder.isInside(path) else {
      take(Problem(.refusedPaths, told("its path leads out of the table's folder")))
      return
    }
    if captions.isEmpty { take(Problem(.emptyCaptions, told("it has no caption"))) }
    for caption in captions {
      guard !caption.allSatisfy(isSpace) else {
        take(Problem(.emptyCaptions, told("its caption is empty")))
        continue
      }
      guard paths.count < Int32.max, owners.count < Int32.max else {
        throw DatasetError(.limitExceeded, told("there are more than \(Int32.max) captions. Split the table"))
      }
      let key = [24, 16, 8, 0].map { UInt8(truncatingIfNeeded: folder >> $0) } + path
      owners.append(UInt32(truncatingIfNeeded: paths.intern(key, key.indices)))
      captionBytes.append(contentsOf: caption)
      captionEnds.append(captionBytes.count)
    }
  }

  /// Brings each picture's captions together, in the order of the rows.
  private mutating func arrange() {
    firsts = [Int](repeating: 0, count: paths.count + 1)
    for owner in owners { firsts[Int(owner) + 1] += 1 }
    for picture in 0..<paths.count { firsts[picture + 1] += firsts[picture] }
    var next = firsts
    order = [UInt32](repeating: 0, count: owners.count)
    for (caption, owner) in owners.enumerated() {
      order[next[Int(owner)]] = UInt32(truncatingIfNeeded: caption)
      next[Int(owner)] += 1
    }
    owners = []
  }
}
