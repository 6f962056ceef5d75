import Foundation
import Testing

@testable import SwiftCLIP

@Suite struct ExportTests {
  @Test(arguments: SyntheticModel.allCases, [StoredWeights.float32, .float16])
  func opensAgain(_ model: SyntheticModel, _ weights: StoredWeights) throws {
    let store = try model.store()
    let folder = ProcessInfo.processInfo.environment["EXPORT_TO"].map { "\($0)/\(model)-\(weights)" } ?? "/tmp/x-export"
    try Export.write(
      model.architecture, store, logitScale: 12.5, vocabulary: nil, weights, into: folder)
    let clip = try CLIP(path: folder, CLIP.Options())
    #expect(clip.logitScale == 12.5)
  }
}
