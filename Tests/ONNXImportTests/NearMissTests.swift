import ONNXImport
import Testing

/// Graphs that differ from a CLIP in one place. What the graph says is honoured, or it is refused; never ignored.
@Suite struct NearMissTests {
  @Test(arguments: Fixtures.nearMisses.keys.sorted())
  func isHonouredOrRefused(name: String) throws {
    let miss = try #require(Fixtures.nearMisses[name])
    let outcome = Result { try importModel(path: Fixtures.path("near.\(name)")) }
    if case .failure(let error) = outcome {
      let message = (error as? ImportError)?.message ?? ""
      #expect(miss.honoured != true, "refused: \(message)")
      #expect(message.contains("node "), "names no node: \(message)")
      return
    }
    let model = try outcome.get()
    #expect(miss.honoured != false, "was lifted")
    for (i, row) in miss.expected.enumerated() {
      if miss.part == "image" {
        let tower = try #require(model.image)
        let answer = try ReferenceEncoder.encode(tower, picture: Fixtures.picture(i, size: tower.size))
        #expect(relativeError(answer, row) < 1e-5)
      } else {
        let tower = try #require(model.text)
        #expect(relativeError(try ReferenceEncoder.encode(tower, tokens: Fixtures.tokens[i]), row) < 1e-5)
      }
    }
  }
}
