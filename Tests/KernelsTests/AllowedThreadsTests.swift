import Kernels
import Testing

@Suite("Allowed threads")
struct AllowedThreadsTests {
  struct Case: CustomTestStringConvertible {
    var testDescription: String
    var groups: String
    var files: [String: String]
    var quota: Int?
  }

  static let cases = [
    Case(testDescription: "no group", groups: "", files: [:], quota: nil),
    Case(
      testDescription: "version 2 without a limit", groups: "0::/user.slice\n",
      files: ["/sys/fs/cgroup/user.slice/cpu.max": "max 100000\n"], quota: nil),
    Case(
      testDescription: "version 2, rounded up", groups: "0::/a/b\n",
      files: ["/sys/fs/cgroup/a/b/cpu.max": "150000 100000\n"], quota: 2),
    Case(
      testDescription: "version 2, the parent is tighter", groups: "0::/a/b\n",
      files: [
        "/sys/fs/cgroup/a/b/cpu.max": "800000 100000\n", "/sys/fs/cgroup/a/cpu.max": "300000 100000\n",
      ], quota: 3),
    Case(
      testDescription: "a container sees its group as the root", groups: "0::/docker/abc\n",
      files: ["/sys/fs/cgroup/cpu.max": "50000 100000\n"], quota: 1),
    Case(
      testDescription: "version 1", groups: "12:memory:/x\n3:cpu,cpuacct:/x\n0::/\n",
      files: [
        "/sys/fs/cgroup/cpu/x/cpu.cfs_quota_us": "400000\n",
        "/sys/fs/cgroup/cpu/x/cpu.cfs_period_us": "100000\n",
      ], quota: 4),
    Case(
      testDescription: "version 1 without a limit", groups: "3:cpu:/\n",
      files: [
        "/sys/fs/cgroup/cpu/cpu.cfs_quota_us": "-1\n", "/sys/fs/cgroup/cpu/cpu.cfs_period_us": "100000\n",
      ], quota: nil),
    Case(
      testDescription: "nonsense", groups: "0::/a\n:::\nx\n",
      files: ["/sys/fs/cgroup/a/cpu.max": "99999999999999999999 0 7"], quota: nil),
  ]

  @Test("a quota counts as processors", arguments: cases)
  func quota(_ test: Case) {
    #expect(AllowedThreads.quota(groups: test.groups, read: { test.files[$0] }) == test.quota)
  }

  @Test("there is at least one")
  func atLeastOne() { #expect(Compute.allowedThreads >= 1) }
}
