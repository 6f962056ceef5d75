import Glibc

/// How much memory this process may fill before the kernel ends it: the machine's, and not more than its control group
/// allows, as containers set it. What others hold of it is not looked at.
public enum AllowedMemory {
  public static var bytes: Int {
    let (machine, overflow) = Int(sysconf(Int32(_SC_PHYS_PAGES)))
      .multipliedReportingOverflow(by: Int(sysconf(Int32(_SC_PAGESIZE))))
    let all = overflow || machine <= 0 ? Int.max : machine
    return min(all, limit(groups: ControlGroups.own, read: ControlGroups.text) ?? .max)
  }

  /// The smallest limit on the way from the process's groups to the root; nil without one.
  package static func limit(groups: String, read: (String) -> String?) -> Int? {
    var smallest: Int?
    ControlGroups.forEach(groups, controller: "memory") { folder, isVersionTwo in
      let text = read("\(folder)/\(isVersionTwo ? "memory.max" : "memory.limit_in_bytes")")
      let number = text?.split(whereSeparator: \.isWhitespace).first
      guard let limit = number.flatMap({ Int($0) }), limit > 0 else { return }
      smallest = min(smallest ?? limit, limit)
    }
    return smallest
  }
}
