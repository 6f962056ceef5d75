/// Where pairs come from.
enum PairSource: Sendable {
  case tables(PictureTable)
  case shards([String])

  /// Files of the paths given: a folder stands for the one table in it, or for its shards.
  static func files(_ paths: [String]) throws(DatasetError) -> [String] {
    var files: [String] = []
    for path in paths {
      guard Folder.isFolder(path) else {
        files.append(path)
        continue
      }
      let tables = try Folder.files(in: path, endings: [".tsv", ".csv", ".jsonl"])
      let shards = try Folder.files(in: path, endings: [".tar"])
      guard tables.count == 1 || tables.isEmpty && !shards.isEmpty else {
        throw DatasetError(
          .invalidData,
          "\(path) has \(tables.count) tables (.tsv, .csv, .jsonl) and \(shards.count) shards (.tar). Give one table, or shards, by name."
        )
      }
      files += tables.isEmpty ? shards : tables
    }
    return files
  }

  init(_ paths: [String], _ options: DatasetOptions, take: (Problem) -> Void) throws(DatasetError) {
    let files = try Self.files(paths)
    var tables: [(path: String, format: RowReader.Format)] = []
    var shards: [String] = []
    for file in files {
      if file.hasSuffix(".tsv") {
        tables.append((file, .tsv))
      } else if file.hasSuffix(".csv") {
        tables.append((file, .csv))
      } else if file.hasSuffix(".jsonl") {
        tables.append((file, .jsonl))
      } else if file.hasSuffix(".tar") {
        shards.append(file)
      } else {
        throw DatasetError(
          .unsupported,
          "\(file) is none of .tsv, .csv, .jsonl and .tar. Rename it, or decompress it first.")
      }
    }
    guard tables.isEmpty != shards.isEmpty else {
      throw DatasetError(
        .invalidArgument, "Tables and shards cannot be mixed, and there must be one of them at least.")
    }
    if tables.isEmpty {
      // Told now rather than in the middle of an epoch.
      for shard in shards { _ = try InputFile(shard) }
      self = .shards(shards)
      return
    }
    self = .tables(try PictureTable(tables, options, take: take))
  }

  func epoch(_ epoch: Int, start: Int, _ options: DatasetOptions) -> any Epoch {
    switch self {
    case .tables(let table): TableEpoch(table, options, epoch: epoch)
    case .shards(let paths): ShardEpoch(paths, options, epoch: epoch, start: start)
    }
  }

  /// Pairs in an epoch, read from the shards' headers where need be.
  func count() throws(DatasetError) -> Int {
    switch self {
    case .tables(let table): table.count
    case .shards(let paths): try ShardEpoch.count(paths)
    }
  }
}
