import Foundation
import Testing

@testable import SwiftCLIP

@Suite struct InspectionTests {
  private func findings(_ path: String?, textual: String? = nil) throws -> [String: Any] {
    let text = try Inspection(path: path, textual: textual).description
    return try #require(try JSONSerialization.jsonObject(with: Data(text.utf8)) as? [String: Any])
  }

  private static let folder = PocketModel.directory + "/../../Tests/fixtures/onnx"

  private func fixture(_ name: String) -> String { "\(InspectionTests.folder)/\(name).onnx" }

  private static func fixtures() throws -> [String] {
    let names = try FileManager.default.contentsOfDirectory(atPath: folder)
    return names.filter { $0.hasSuffix(".onnx") }.map { String($0.dropLast(5)) }.sorted()
  }

  @Test func saysWhatTheDefaultModelIs() throws {
    let found = try findings(PocketModel.directory)
    let image = try #require(found["image"] as? [String: Any])
    let text = try #require(found["text"] as? [String: Any])
    #expect(found["architecture"] is NSNull && found["embed_dim"] as? Int == 256)
    #expect(image["patch_size"] as? Int == 8 && image["mask"] as? String == "none")
    #expect(image["pooling"] as? String == "class token" && image["exactly_float16"] is NSNull)
    #expect(text["mask"] as? String == "causal" && text["pooling"] as? String == "largest id")
    #expect(text["activation"] as? String == "quick_gelu" && text["opset"] as? Int == 17)
  }

  @Test func oneTowerIsTheOtherMissing() throws {
    let found = try findings(nil, textual: PocketModel.directory + "/textual.onnx")
    #expect(found["image"] is NSNull)
    let both = try findings(PocketModel.directory)
    #expect(
      (found["text"] as? [String: Any])?["digest"] as? String == (both["text"] as? [String: Any])?["digest"]
        as? String)
  }

  /// The same weights, from whichever exporter and source: split or fused projections, transposed or not.
  @Test(arguments: [
    "openai.14", "openai.17", "openai.dynamo", "openclip.14", "openclip.17", "openclip.dynamo",
  ])
  func digestsDoNotDependOnTheExporter(_ name: String) throws {
    let found = try findings(fixture("\(name).both"))
    #expect((found["image"] as? [String: Any])?["digest"] as? String == "8ae6e4df585a03e6")
    #expect((found["text"] as? [String: Any])?["digest"] as? String == "854cbb95fc20d0b5")
  }

  /// Near misses of those models that open are other computations.
  @Test(arguments: [
    "near.epsilon", "near.mask-empty", "near.normalised", "near.positions-image", "near.positions",
    "near.scale",
  ])
  func digestsOfNearMissesDiffer(_ name: String) throws {
    let found = try findings(fixture(name))
    let digests = ["image", "text"].compactMap { (found[$0] as? [String: Any])?["digest"] as? String }
    #expect(digests.count == 1 && !["8ae6e4df585a03e6", "854cbb95fc20d0b5"].contains(digests[0]))
  }

  /// Whatever opening refuses is refused here in the same words, and the other way round.
  @Test(arguments: try fixtures())
  func refusesWhatOpeningRefuses(_ name: String) {
    func message(_ body: () throws -> Void) -> String? {
      do {
        try body()
        return nil
      } catch { return (error as? CLIPError)?.message ?? "\(error)" }
    }
    let path = fixture(name)
    let opening = message { _ = try CLIP(path: path, CLIP.Options()) }
    #expect(message { _ = try Inspection(path: path, textual: nil) } == opening)
  }

  @Test func stringsAreEscaped() {
    let text = JSON.object([("a\"\\\n\u{1}", .string("é\u{7F}"))]).text
    #expect(text == "{\"a\\\"\\\\\\u000a\\u0001\": \"é\\u007f\"}")
  }
}
