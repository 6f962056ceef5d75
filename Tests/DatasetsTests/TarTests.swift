import Testing

@testable import Datasets

@Suite struct TarTests {
  /// A header block with its checksum.
  private func header(_ name: String, size: String, kind: Character = "0") -> [UInt8] {
    var block = [UInt8](repeating: 0, count: 512)
    func put(_ text: String, _ at: Int) { block.replaceSubrange(at..<at + text.utf8.count, with: text.utf8) }
    put(name, 0)
    put(size, 124)
    put("        ", 148)
    put(String(kind), 156)
    put("ustar\u{0}00", 257)
    let sum = block.reduce(0) { $0 + Int($1) }
    let digits = String(sum, radix: 8)
    put(String(repeating: "0", count: 6 - digits.count) + digits + "\u{0} ", 148)
    return block
  }

  private func padded(_ text: String) -> [UInt8] {
    Array(text.utf8) + [UInt8](repeating: 0, count: (512 - text.utf8.count % 512) % 512)
  }

  /// Names of members, and what was damaged.
  private func entries(_ bytes: [UInt8]) throws -> [String] {
    let scratch = try Scratch()
    var reader = TarReader(try scratch.write("t.tar", bytes))
    var result: [String] = []
    while let entry = try reader.next() {
      switch entry {
      case .member(let member):
        result.append("\(String(decoding: member.name, as: UTF8.self)) \(member.extent)")
      case .damage: result.append("damage")
      }
    }
    return result
  }

  @Test func membersAndEnd() throws {
    let end = [UInt8](repeating: 0, count: 1024)
    let two = header("a", size: "00000000003") + padded("abc") + header("b", size: "00000000000")
    #expect(try entries(two + end + header("c", size: "0")) == ["a 512..<515", "b 1536..<1536"])
    #expect(try entries(two) == ["a 512..<515", "b 1536..<1536"])
    #expect(try entries([]) == [])
    // A last member whose padding is missing is whole.
    #expect(try entries(header("a", size: "00000000003") + Array("abc".utf8)) == ["a 512..<515"])
  }

  @Test(arguments: ["77777777777", "00000000004", "x", "-1", "99999999999", "\u{0}"])
  func sizesThatCannotBe(_ size: String) throws {
    let bytes = header("a", size: size) + padded("abc").prefix(3) + padded("").dropLast(0)
    #expect(try entries(bytes) == ["damage"])
  }

  @Test func binarySizes() throws {
    var block = header("a", size: "")
    func signed(_ size: [UInt8]) -> [UInt8] {
      var result = block
      result.replaceSubrange(124..<136, with: size)
      result.replaceSubrange(148..<156, with: [UInt8](repeating: 0x20, count: 8))
      let digits = String(result.reduce(0) { $0 + Int($1) }, radix: 8)
      result.replaceSubrange(
        148..<155, with: Array((String(repeating: "0", count: 6 - digits.count) + digits).utf8) + [0])
      return result
    }
    block = header("a", size: "")
    #expect(
      try entries(signed([0x80] + [UInt8](repeating: 0, count: 10) + [3]) + padded("abc")) == ["a 512..<515"])
    #expect(try entries(signed([0x80] + [UInt8](repeating: 0xFF, count: 11)) + padded("abc")) == ["damage"])
    #expect(try entries(signed([UInt8](repeating: 0xFF, count: 12)) + padded("abc")) == ["damage"])
  }

  @Test(arguments: [
    "99 path=x\n", "10 path=xy", "x", "8 size=\n", "10 size=1x\n", "999999999999999999999 a=b\n",
  ])
  func damagedPaxHeaders(_ text: String) throws {
    let size = String(text.utf8.count, radix: 8)
    let bytes =
      header("p", size: size, kind: "x") + padded(text) + header("a", size: "0") + header("b", size: "0")
    let told = try entries(bytes)
    #expect(told.first == "damage" && told.last?.hasPrefix("b ") == true)
  }

  @Test func paxAndLongNames() throws {
    let pax = header("p", size: "13", kind: "x") + padded("11 path=xy\n")
    #expect(try entries(pax + header("a", size: "0")) == ["xy 1536..<1536"])
    let long = header("L", size: "5", kind: "L") + padded("long\u{0}")
    #expect(
      try entries(long + header("a", size: "0") + header("b", size: "0")).map { $0.prefix(2) } == [
        "lo", "b ",
      ])
    // A link has no contents, whatever its size says, and what was said about it is not said of the next.
    #expect(
      try entries(long + header("l", size: "777", kind: "2") + header("b", size: "0")) == ["b 2048..<2048"])
  }
}
