import Testing

@testable import SwiftCLIP

@Suite struct ZeroShotTests {
  @Test(arguments: ["no place", "{} and {}", "", "{", "} {"])
  func templatesNeedOnePlace(_ template: String) throws {
    let error = #expect(throws: CLIPError.self) {
      try ZeroShotClassifier.Template(Array(template.utf8), index: 3)
    }
    #expect(error?.kind == .invalidArgument)
    #expect(error?.message.contains("Template 3") == true)
  }

  @Test func labelsGoIntoTheirPlaceEvenWithBraces() throws {
    let template = try ZeroShotClassifier.Template(Array("a photo of {}.".utf8), index: 0)
    #expect(template.prompt(Array("a {}".utf8)) == Array("a photo of a {}.".utf8))
  }

  @Test func weightsAreMeansOfDirections() throws {
    // Two labels of two prompts each; lengths must not count, only directions.
    let weights = ZeroShotClassifier.meanDirections(
      [3, 0, 0, 7] + [5, 0, 0.1, 0], templates: 2, embedDim: 2)
    let half = Float(0.5).squareRoot()
    #expect(abs(weights[0] - half) < 1e-7 && abs(weights[1] - half) < 1e-7)
    #expect(weights[2] == 1 && weights[3] == 0)
  }

  @Test func softmaxOfLargeLogitsDoesNotOverflow() {
    var x: [Float] = [1, 0.5, -1]
    x.withUnsafeMutableBufferPointer { softmax($0, scale: 10_000) }
    #expect(x == [1, 0, 0])
    var even: [Float] = [0.25, 0.25]
    even.withUnsafeMutableBufferPointer { softmax($0, scale: 100) }
    #expect(even == [0.5, 0.5])
  }

  @Test func cosinesOfZeroVectorsAreZero() throws {
    var cosines = [Float](repeating: .nan, count: 4)
    let a: [Float] = [0, 0, 3, 4]
    let b: [Float] = [30, 40, -4, 3]
    try cosines.withUnsafeMutableBufferPointer { out in
      try similarity(a, 2, b, 2, dim: 2, into: out.baseAddress!)
    }
    #expect(cosines == [0, 0, 1, 0])
  }

  @Test func classifierOfTheDefaultModel() throws {
    let clip = try PocketModel.open()
    let labels = ["a penguin", "a pear", "a house"].map { Array($0.utf8) }
    let templates = ["a drawing of {}", "{}"].map { Array($0.utf8) }
    let classifier = try ZeroShotClassifier(clip, labels: labels, templates: templates) { _, _ in false }
    #expect(classifier.labelCount == 3)
    for label in 0..<3 {
      let row = classifier.weights[label * 256..<(label + 1) * 256]
      #expect(abs(row.reduce(0) { $0 + $1 * $1 } - 1) < 1e-5)
    }
    let cancelled = #expect(throws: CLIPError.self) {
      try ZeroShotClassifier(clip, labels: labels, templates: templates) { _, _ in true }
    }
    #expect(cancelled?.kind == .cancelled)
    let tooLong = [String(repeating: "pear ", count: 60)].map { Array($0.utf8) }
    let error = #expect(throws: CLIPError.self) {
      try ZeroShotClassifier(clip, labels: labels + tooLong, templates: templates) { _, _ in false }
    }
    #expect(error?.kind == .textTooLong)
    #expect(error?.message.contains("Label 3") == true)
  }
}
