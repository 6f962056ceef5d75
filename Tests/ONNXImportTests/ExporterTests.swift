import Foundation
import ONNXImport
import Testing

/// Files that the real exporters wrote, computed by the plain reference and compared with PyTorch's answers.
@Suite struct ExporterTests {
  @Test(arguments: Fixtures.golden.keys.sorted())
  func agreesWithPyTorch(name: String) throws {
    let golden = try #require(Fixtures.golden[name])
    let tolerance = golden.tolerance ?? 1e-5
    let model = try importModel(path: Fixtures.path(name))
    if let expected = golden.image {
      let tower = try #require(model.image)
      #expect(tower.isNormalised == golden.normalised)
      for (i, row) in expected.enumerated() {
        let answer = try ReferenceEncoder.encode(tower, picture: Fixtures.picture(i, size: tower.size))
        #expect(relativeError(answer, golden.normalised ? unit(row) : row) < tolerance)
      }
      if case .visionTransformer(let tower) = tower {
        #expect(tower.blocks.allSatisfy { !$0.causal && "\($0.activation)" == golden.activation })
      }
    } else {
      #expect(model.image == nil)
    }
    if let expected = golden.text {
      let tower = try #require(model.text)
      #expect(tower.normalised == golden.normalised)
      for (i, row) in expected.enumerated() {
        let answer = try ReferenceEncoder.encode(tower, tokens: Fixtures.tokens[i])
        #expect(relativeError(answer, golden.normalised ? unit(row) : row) < tolerance)
      }
      #expect(tower.blocks.allSatisfy { $0.causal && "\($0.activation)" == golden.activation })
    } else {
      #expect(model.text == nil)
    }
    if let scale = golden.logitScale {
      let found = try #require(model.logitScale)
      #expect(abs(Double(found) / scale - 1) < max(1e-6, tolerance / 10))
    }
  }
}
