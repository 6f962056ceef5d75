/// Labels turned into a linear classifier by the text encoder (sections 3.1.2 and 3.1.4 of the paper).
public struct ZeroShotClassifier: Sendable {
  public let labelCount: Int
  public let embedDim: Int
  public let logitScale: Float
  /// (labelCount, embedDim), each row of length 1.
  public let weights: [Float]

  /// A prompt with one `{}`, where the label goes.
  struct Template {
    let before: [UInt8]
    let after: [UInt8]

    init(_ text: [UInt8], index: Int) throws(CLIPError) {
      let places = text.indices.dropLast().filter {
        text[$0] == UInt8(ascii: "{") && text[$0 + 1] == UInt8(ascii: "}")
      }
      guard places.count == 1, let place = places.first else {
        throw CLIPError(
          .invalidArgument,
          "Template \(index), \"\(String(decoding: text, as: UTF8.self))\", has \(places.count) places for the label. Write exactly one {} in it."
        )
      }
      before = Array(text[..<place])
      after = Array(text[(place + 2)...])
    }

    func prompt(_ label: [UInt8]) -> [UInt8] { before + label + after }
  }

  /// For each label: encode every prompt, normalise, take the mean, normalise again.
  public init(
    _ model: CLIP, labels: [[UInt8]], templates texts: [[UInt8]], progress: Progress
  ) throws(CLIPError) {
    var templates: [Template] = []
    for (index, text) in texts.enumerated() { templates.append(try Template(text, index: index)) }
    try model.limits.check(labels: labels.count)
    guard !labels.isEmpty, !templates.isEmpty else {
      throw CLIPError(.invalidArgument, "A classifier needs at least one label and one template.")
    }
    labelCount = labels.count
    embedDim = model.embedDim
    logitScale = model.logitScale

    var weights: [Float] = []
    // Enough labels for a template's beginning to be shared by many.
    let labelsPerPass = max(1, 2048 / templates.count)
    let (total, overflow) = labels.count.multipliedReportingOverflow(by: templates.count)
    guard !overflow else {
      throw CLIPError(
        .invalidArgument, "\(labels.count) labels × \(templates.count) templates are too many prompts.")
    }
    try model.limits.check(items: total, "prompts")
    var first = 0
    while first < labels.count {
      let batch = labels[first..<min(first + labelsPerPass, labels.count)]
      let prompts = batch.flatMap { label in templates.map { $0.prompt(label) } }
      let embeddings = try model.embed(prompts, firstLabel: first, templates: templates.count)
      weights += ZeroShotClassifier.meanDirections(embeddings, templates: templates.count, embedDim: embedDim)
      first += batch.count
      let done = first * templates.count
      if progress(done, total) { throw cancelled(done, total) }
    }
    self.weights = weights
  }

  /// `embeddings` (labels · templates, embedDim) to one unit vector a label.
  static func meanDirections(_ embeddings: [Float], templates: Int, embedDim: Int) -> [Float] {
    let labels = embeddings.count / (templates * embedDim)
    var weights = [Float](repeating: 0, count: labels * embedDim)
    for label in 0..<labels {
      var mean = [Double](repeating: 0, count: embedDim)
      for template in 0..<templates {
        let row = embeddings[((label * templates + template) * embedDim)...].prefix(embedDim)
        let length = row.reduce(0.0) { $0 + Double($1) * Double($1) }.squareRoot()
        guard length > 0 else { continue }
        for (index, value) in row.enumerated() { mean[index] += Double(value) / length }
      }
      let length = mean.reduce(0.0) { $0 + $1 * $1 }.squareRoot()
      guard length > 0 else { continue }
      for index in 0..<embedDim { weights[label * embedDim + index] = Float(mean[index] / length) }
    }
    return weights
  }

  /// Cosines of `embeddings` (count, embedDim) with each label, to (count, labelCount).
  public func cosines(
    _ embeddings: UnsafePointer<Float>, count: Int, into cosines: UnsafeMutablePointer<Float>
  ) throws(CLIPError) {
    try unsafe weights.withUnsafeBufferPointer { (labels) throws(CLIPError) in
      guard let base = labels.baseAddress else { return }
      unsafe try similarity(
        embeddings, count, base, labelCount, dim: embedDim, into: cosines)
    }
  }

  /// Softmax over the labels of logit scale · cosine, to (count, labelCount).
  public func probabilities(
    _ embeddings: UnsafePointer<Float>, count: Int, into probabilities: UnsafeMutablePointer<Float>
  ) throws(CLIPError) {
    unsafe try cosines(embeddings, count: count, into: probabilities)
    for row in 0..<count {
      let logits = unsafe UnsafeMutableBufferPointer(
        start: probabilities + row * labelCount, count: labelCount)
      unsafe softmax(logits, scale: logitScale)
    }
  }
}

extension CLIP {
  /// Embeddings (prompts.count, embedDim); an error tells the label and template that it came from.
  fileprivate func embed(_ prompts: [[UInt8]], firstLabel: Int, templates: Int) throws(CLIPError) -> [Float] {
    guard text != nil else { throw missingTextEncoder }
    guard let tokenizer else { throw missingVocabulary }
    var tokens: [Int32] = []
    for (index, prompt) in prompts.enumerated() {
      do {
        tokens += try tokenizer.encode(prompt, TextRules())
      } catch {
        throw error.located("Label \(firstLabel + index / templates) in template \(index % templates)")
      }
    }
    var embeddings = [Float](repeating: 0, count: prompts.count * embedDim)
    try unsafe embeddings.withUnsafeMutableBufferPointer { (out) throws(CLIPError) in
      try unsafe tokens.withUnsafeBufferPointer { (ids) throws(CLIPError) in
        guard let base = out.baseAddress else { return }
        unsafe try encode(tokens: ids, count: prompts.count, into: base)
      }
    }
    return embeddings
  }
}
