import Glibc

/// Questions to the file system about where files are.
enum Folder {
  /// The folder of a file, as the system resolves it.
  static func resolved(of path: String) throws(DatasetError) -> String {
    guard let file = resolved(path) else {
      throw DatasetError(.io, "\(path) cannot be opened: \(reason(errno)). Check the path.")
    }
    let parts = file.split(separator: "/", omittingEmptySubsequences: false)
    return parts.dropLast().joined(separator: "/")
  }

  /// The absolute path without links; nil if there is no such file, with the reason in errno.
  static func resolved(_ path: String) -> String? {
    guard let name = unsafe realpath(path, nil) else { return nil }
    defer { unsafe free(name) }
    return unsafe String(validatingCString: name)
  }

  /// Whether a relative path stays below where it starts, as far as its text tells.
  static func isInside(_ path: [UInt8]) -> Bool {
    let dots: [UInt8] = [0x2E, 0x2E]
    return path.first != 0x2F && !path.split(separator: 0x2F).contains { $0.elementsEqual(dots) }
  }

  /// The files of a folder whose names end in one of `endings`, sorted by name.
  static func files(in path: String, endings: [String]) throws(DatasetError) -> [String] {
    guard let folder = unsafe opendir(path) else {
      throw DatasetError(.io, "\(path) cannot be listed: \(reason(errno)).")
    }
    defer { unsafe closedir(folder) }
    var names: [String] = []
    while let entry = unsafe readdir(folder) {
      let name = unsafe withUnsafePointer(to: entry.pointee.d_name) { name in
        // d_name is NUL-terminated.
        unsafe name.withMemoryRebound(to: CChar.self, capacity: 256) { unsafe String(validatingCString: $0) }
      }
      if let name, endings.contains(where: { name.hasSuffix($0) }) { names.append("\(path)/\(name)") }
    }
    return names.sorted()
  }

  static func isFolder(_ path: String) -> Bool {
    var status = stat()
    return unsafe stat(path, &status) == 0 && status.st_mode & S_IFMT == S_IFDIR
  }
}
