import CPlatform
import Glibc

/// How many threads this process may keep busy: what its affinity mask allows, and not more than the processor
/// quota of its control group, as containers set it.
package enum AllowedThreads {
  static var count: Int {
    var count = Int(platform_allowed_processors())
    if count <= 0 { count = sysconf(Int32(_SC_NPROCESSORS_ONLN)) }
    if let quota = quota(groups: text("/proc/self/cgroup") ?? "", read: text) { count = min(count, quota) }
    return max(1, count)
  }

  /// The smallest quota on the way from the process's groups to the root, in processors rounded up; nil
  /// without one. `groups` is /proc/self/cgroup; `read` returns the text of a file.
  package static func quota(groups: String, read: (String) -> String?) -> Int? {
    var smallest: Int?
    func consider(_ quota: Int?) {
      guard let quota else { return }
      smallest = min(smallest ?? quota, quota)
    }
    for line in groups.split(separator: "\n") {
      // hierarchy:controllers:path, the controllers being empty in version 2.
      let parts = line.split(separator: ":", maxSplits: 2, omittingEmptySubsequences: false)
      guard parts.count == 3 else { continue }
      if parts[1].isEmpty {
        for folder in ancestors(of: parts[2]) {
          consider(versionTwo(read("/sys/fs/cgroup\(folder)/cpu.max")))
        }
      } else if parts[1].split(separator: ",").contains("cpu") {
        for mount in ["/sys/fs/cgroup/cpu", "/sys/fs/cgroup/cpu,cpuacct"] {
          for folder in ancestors(of: parts[2]) {
            consider(
              versionOne(
                quota: read("\(mount)\(folder)/cpu.cfs_quota_us"),
                period: read("\(mount)\(folder)/cpu.cfs_period_us")))
          }
        }
      }
    }
    return smallest
  }

  /// "/a/b" -> "/a/b", "/a", "": a container often sees its own group as the root.
  private static func ancestors(of path: Substring) -> [String] {
    let names = path.split(separator: "/")
    return (0...names.count).reversed().map { count in
      names.prefix(count).map { "/\($0)" }.joined()
    }
  }

  /// "150000 100000" -> 2; "max 100000" -> nil.
  private static func versionTwo(_ text: String?) -> Int? {
    let numbers = text?.split(whereSeparator: \.isWhitespace) ?? []
    guard numbers.count == 2 else { return nil }
    return processors(Int(numbers[0]), Int(numbers[1]))
  }

  private static func versionOne(quota: String?, period: String?) -> Int? {
    func number(_ text: String?) -> Int? {
      text?.split(whereSeparator: \.isWhitespace).first.flatMap { Int($0) }
    }
    return processors(number(quota), number(period))
  }

  private static func processors(_ quota: Int?, _ period: Int?) -> Int? {
    guard let quota, let period, quota > 0, period > 0 else { return nil }
    return (quota - 1) / period + 1
  }

  /// The start of a small file, or nil.
  private static func text(_ path: String) -> String? {
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
