import CPlatform
import Glibc

/// How many threads this process may keep busy: what its affinity mask allows, and not more than the processor
/// quota of its control group, as containers set it.
package enum AllowedThreads {
  static var count: Int {
    var count = Int(platform_allowed_processors())
    if count <= 0 { count = sysconf(Int32(_SC_NPROCESSORS_ONLN)) }
    if let quota = quota(groups: ControlGroups.own, read: ControlGroups.text) { count = min(count, quota) }
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
    ControlGroups.forEach(groups, controller: "cpu") { folder, isVersionTwo in
      if isVersionTwo {
        consider(versionTwo(read("\(folder)/cpu.max")))
      } else {
        consider(
          versionOne(quota: read("\(folder)/cpu.cfs_quota_us"), period: read("\(folder)/cpu.cfs_period_us")))
      }
    }
    return smallest
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
}
