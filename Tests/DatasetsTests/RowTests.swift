import Testing

@testable import Datasets

@Suite struct RowTests {
  @Test(arguments: [
    ("a,b\r\nc,d\n", ["a|b", "c|d"]),
    ("a,b", ["a|b"]),
    ("a,\n,b\n\n  \n", ["a|", "|b"]),
    ("\"a,\"\"b\"\"\",\"c\r\nd\"\ne,f", ["a,\"b\"|c\r\nd", "e|f"]),
    ("a\"b,c\n", ["a\"b|c"]),
    ("\"a\"x,c\nd,e\n", ["BAD a quoted field goes on after its closing quote", "d|e"]),
    ("a,\"b\nc,d\ne,f", ["BAD a quote is never closed", "c|d", "e|f"]),
    ("\"a\"\r\n", ["a"]),
    ("\u{FEFF}a,b\n", ["a|b"]),
    ("", []),
  ])
  func csv(_ text: String, _ wanted: [String]) throws {
    #expect(try rows(text, .csv).map(\.description) == wanted)
  }

  @Test(arguments: [
    ("a\tb\r\nc\td\n", ["a|b", "c|d"]),
    ("a\t\"b \"\"c\"\"\"\n", ["a|b \"c\""]),
    ("a\t\"b\" and \"c\"\n", ["a|\"b\" and \"c\""]),
    ("a\t\"\n\"\tb", ["a|\"", "\"|b"]),
    ("a\t\"\"\"\n", ["a|\"\"\""]),
  ])
  func tsv(_ text: String, _ wanted: [String]) throws {
    #expect(try rows(text, .tsv).map(\.description) == wanted)
  }

  @Test func linesAreCounted() throws {
    let scratch = try Scratch()
    let text = "a,b\n\"c\nd\",e\n\nbad\"\n\"x\"y\nf,g\n"
    var reader = try RowReader(scratch.write("t", Array(text.utf8)), .csv)
    var lines: [Int] = []
    while try reader.next() != nil { lines.append(reader.line) }
    #expect(lines == [1, 2, 5, 6, 7])
  }

  /// A file of opened quotes must not be read again for each of them.
  @Test(.timeLimit(.minutes(1))) func unclosedQuotesTakeLinearTime() throws {
    let text = String(repeating: "\"\"\"\"\n\"x,\n", count: 200_000) + "\"\n"
    #expect(try rows(text, .csv).count > 1000)
  }
}

@Suite struct JSONTests {
  private func parsed(_ text: String) -> JSONText? { JSONText(Array(text.utf8)) }

  @Test(arguments: [
    "{}", "[]", " [1, -0.5e+3, 0, true, false, null, \"x\"] ", "{\"a\": {\"b\": []}}", "\"\\ud83d\\ude00\"",
    "0",
  ])
  func valid(_ text: String) { #expect(parsed(text) != nil) }

  @Test(arguments: [
    "", "{", "[1,]", "{\"a\":1,}", "{a:1}", "01", "1.", ".5", "+1", "1e", "nul", "\"\\x\"", "\"\\ud83d\"",
    "\"\\ude00\"",
    "\"a\nb\"", "\"", "[1] 2", "{\"a\" 1}", "'a'", "NaN", "\"\\u12\"",
  ])
  func invalid(_ text: String) { #expect(parsed(text) == nil) }

  @Test func depthIsBounded() {
    #expect(parsed(String(repeating: "[", count: 64) + String(repeating: "]", count: 64)) != nil)
    #expect(parsed(String(repeating: "[", count: 65) + String(repeating: "]", count: 65)) == nil)
    #expect(parsed(String(repeating: "[", count: 1_000_000)) == nil)
  }

  @Test func members() {
    let json = parsed(
      "{\"x\": \"\\u00e9\\n\\ud83d\\ude00\", \"text\": [\"a\", \"b\"], \"x2\": 1, \"text\": [\"c\"]}")
    let names = ["caption", "text"].map { Array($0.utf8) }
    #expect(json?.member(names)?.strings == [Array("c".utf8)])
    #expect(json?.member([Array("x".utf8)])?.strings == [Array("é\n😀".utf8)])
    #expect(json?.member([Array("x2".utf8)])?.strings == nil)
  }
}

@Suite struct PlaceTests {
  @Test(arguments: [
    ("a/b.jpg", true), ("a/../b", false), ("..", false), ("/a", false), ("a..b/..c", true), ("./a", true),
  ])
  func inside(_ path: String, _ wanted: Bool) { #expect(Folder.isInside(Array(path.utf8)) == wanted) }

  @Test func sentences() {
    let text = Array("One. Two v1.5 (yes!) Three?\n\nno end".utf8)
    let found = Sentences.of(text).map { String(decoding: text[$0], as: UTF8.self) }
    #expect(found == ["One.", "Two v1.5 (yes!)", "Three?", "no end"])
    #expect(Sentences.of(Array(" \n ".utf8)).isEmpty)
  }

  /// Each part of what a number is for matters.
  @Test func draws() {
    let first = Draws(seed: 1, epoch: 2, index: 3, .picture)
    func drawn(_ draws: Draws) -> UInt64 {
      var draws = draws
      return draws.next()
    }
    let others = [
      Draws(seed: 2, epoch: 2, index: 3, .picture), Draws(seed: 1, epoch: 3, index: 3, .picture),
      Draws(seed: 1, epoch: 2, index: 4, .picture), Draws(seed: 1, epoch: 2, index: 3, .caption),
    ]
    #expect(Set(others.map(drawn)).union([drawn(first)]).count == 5)
    #expect(Draws.permutation(1000, seed: 4, epoch: 0).sorted() == Array(0..<1000))
    #expect(Draws.permutation(1000, seed: 4, epoch: 0) != Draws.permutation(1000, seed: 4, epoch: 1))
    #expect(Draws.permutation(0, seed: 4, epoch: 0).isEmpty)
  }
}
