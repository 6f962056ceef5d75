import Glibc

/// The control groups of this process, as containers set them.
package enum ControlGroups {
  /// The text of /proc/self/cgroup.
  static var own: String { text("/proc/self/cgroup") ?? "" }

  /// Calls `body` for each folder, from the process's groups to the root, in which a controller may have its files.
  /// - Parameter groups: as in /proc/self/cgroup.
  static func forEach(
    _ groups: String, controller: String,
    _ body: (_ folder: String, _ isVersionTwo: Bool) -> Void
  ) {
    for line in groups.split(separator: "\n") {
      // hierarchy:controllers:path, the controllers being empty in version 2.
      let parts = line.split(separator: ":", maxSplits: 2, omittingEmptySubsequences: false)
      guard parts.count == 3 else { continue }
      let isVersionTwo = parts[1].isEmpty
      guard isVersionTwo || parts[1].split(separator: ",").contains(Substring(controller)) else { continue }
      // Version 1 has a folder for each controller, or for the two of processors.
      let mounts = isVersionTwo ? [""] : controller == "cpu" ? ["/cpu", "/cpu,cpuacct"] : ["/\(controller)"]
      for mount in mounts {
        for folder in ancestors(of: parts[2]) { body("/sys/fs/cgroup\(mount)\(folder)", isVersionTwo) }
      }
    }
  }

  /// "/a/b" -> "/a/b", "/a", "": a container often sees its own group as the root.
  private static func ancestors(of path: Substring) -> [String] {
    let names = path.split(separator: "/")
    return (0...names.count).reversed().map { count in
      names.prefix(count).map { "/\($0)" }.joined()
    }
  }

  /// The start of a small file, or nil.
  static func text(_ path: String) -> String? {
    let file = open(path, O_RDONLY | O_CLOEXEC)
    guard file >= 0 else { return nil }
    defer { close(file) }
    return withUnsafeTemporaryAllocation(byteCount: 16_384, alignment: 1) { buffer in
      let count = read(file, buffer.baseAddress, buffer.count)
      guard count > 0 else { return nil }
      return String(decoding: UnsafeRawBufferPointer(rebasing: buffer[..<count]), as: UTF8.self)
    }
  }
}
