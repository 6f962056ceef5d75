import Glibc
import Kernels

/// Trains a CLIP: both towers, both projections and the temperature, by the symmetric contrastive loss over a batch.
///
/// Everything is deterministic: the same seed and the same batches give the same bits on any number of threads.
public final class Trainer {
  public struct Options: Sendable {
    public var learningRate = 5e-4
    public var weightDecay = 0.2
    public var beta1 = 0.9
    public var beta2 = 0.98
    public var epsilon = 1e-6
    /// Steps over which the rate rises.
    public var warmup = 0
    /// All steps, after which the rate is 0; 0: it stays constant.
    public var steps = 0
    /// Longest gradient, or 0 for any.
    public var clipNorm = 0.0
    /// Pieces of a batch. Their activations are computed again on the way back, so that memory holds those of one.
    public var accumulate = 1
    /// Prefixes of names of parameters that do not learn.
    public var freeze: [String] = []
    public var threads = 0
    public var seed: UInt64 = 0
    public var instructions: InstructionSet?
    /// Most memory that it may take; 0: what the machine has, or the process's control group allows.
    public var maxBytes: UInt64 = 0
    public init() {}
  }

  public let architecture: Architecture
  public let options: Options
  public internal(set) var stepsDone = 0
  let towers: TrainedTowers
  private let learning: TrainedTowers.Learning
  let store: ParameterStore
  let optimiser: Optimiser
  let pass: TrainingPass
  private let schedule: Schedule
  /// The batch between the two halves of a step.
  private var encoding: BatchEncoding?
  /// The vocabulary file, for who opens what is exported; empty where the host tokenizes.
  public internal(set) var vocabulary: [UInt8] = []

  /// A new model with the official initial values.
  public convenience init(_ architecture: Architecture, _ options: Options) throws(CLIPError) {
    try self.init(laidOut: architecture, options)
    var random = SeededRandom(seed: options.seed)
    towers.image.initialise(store, &random)
    towers.text.initialise(store, &random)
    store.fill(towers.logScale, logf(1 / 0.07))
    // Parameters are passed over from the moment on from which this thread is to stop.
    try checkStop()
  }

  /// - Parameter vocabularyPath: of the vocabulary file that is exported with the model.
  public convenience init(
    _ architecture: Architecture, _ options: Options, vocabularyPath: String?
  ) throws(CLIPError) {
    try self.init(architecture, options)
    if let vocabularyPath { vocabulary = try CLIP.vocabularyBytes(vocabularyPath, for: architecture) }
  }

  /// From an opened model, to be trained further. A model that does not tell its temperature begins with the official
  /// initial one.
  public convenience init(_ model: PretrainedModel, _ options: Options) throws(CLIPError) {
    try self.init(laidOut: model.architecture, options)
    try model.fill(store)
    store.fill(towers.logScale, logf(min(100, max(1, model.logitScale ?? 1 / 0.07))))
    vocabulary = model.vocabulary ?? []
  }

  /// The same with all values zero, to be filled by whoever has some.
  init(laidOut architecture: Architecture, _ options: Options) throws(CLIPError) {
    try architecture.check()
    try options.check()
    var layout = ParameterLayout()
    towers = TrainedTowers(architecture, &layout)
    let budget = MemoryBudget(options.maxBytes)
    // Values, gradients and both moments of each parameter; running statistics.
    try budget.take(floats: 4 * layout.count + layout.bufferCount)
    store = try ParameterStore(layout)
    try store.freeze(options.freeze)
    learning = towers.learning(store)
    optimiser = try Optimiser(store)
    let compute = try converting { () throws(KernelError) in
      try Compute(
        threads: options.threads > 0 ? options.threads : Compute.allowedThreads,
        instructions: options.instructions, backend: .own, exactOrder: false, precision: .float32,
        keepsHalves: false)
    }
    pass = TrainingPass(compute, store, budget)
    schedule = Schedule(peak: options.learningRate, warmup: options.warmup, steps: options.steps)
    (self.architecture, self.options) = (architecture, options)
  }

  /// Of the next step.
  public var learningRate: Double { schedule.rate(after: stepsDone) }

  /// What cosines are multiplied by.
  public var logitScale: Float { unsafe expf(store.value(towers.logScale)[0]) }

  /// One update by a batch; returns the loss before it. Nothing changes when it fails.
  public func step(_ batch: TrainingBatch) throws(CLIPError) -> Double {
    try keepingStatistics { () throws(CLIPError) in
      let loss = try gradients(batch)
      try update()
      return loss
    }
  }

  /// Running statistics, which the way forward counts, are as they were when `body` fails.
  private func keepingStatistics<R>(_ body: () throws(CLIPError) -> R) throws(CLIPError) -> R {
    let before = unsafe Array(UnsafeBufferPointer(start: store.bufferValues, count: store.bufferCount))
    do throws(CLIPError) {
      return try body()
    } catch {
      for (index, value) in before.enumerated() { unsafe store.bufferValues[index] = value }
      throw error
    }
  }

  /// The loss of a batch, and the gradient of it in the flat buffer.
  func gradients(_ batch: TrainingBatch) throws(CLIPError) -> Double {
    try batch.checkPairs()
    try begin()
    let (images, texts) = try (
      pass.tape.matrix(batch.count, architecture.embedDim),
      pass.tape.matrix(batch.count, architecture.embedDim)
    )
    let encoding = BatchEncoding(batch, towers, learning, pieces: options.accumulate)
    try encoding.forward(into: images, texts, pass)
    self.encoding = encoding
    return try backward(images, texts, first: 0)
  }

  /// The first half of a step: embeddings of a batch, not normalised, which may be a part of one that other processes
  /// have the rest of. Nothing is written for what the batch has not. Its memory must stay until the second half is
  /// done.
  public func encode(
    _ batch: TrainingBatch, images: UnsafeMutablePointer<Float>?, texts: UnsafeMutablePointer<Float>?
  ) throws(CLIPError) {
    try begin()
    let encoding = BatchEncoding(batch, towers, learning, pieces: options.accumulate)
    try keepingStatistics { () throws(CLIPError) in
      try unsafe encoding.forward(
        into: images.map { unsafe embeddings($0, batch.count) },
        texts.map { unsafe embeddings($0, batch.count) }, pass)
    }
    self.encoding = encoding
  }

  /// The second half: the loss over the pairs of all processes, and its gradient with respect to what this process
  /// computed, in the flat buffer; gradients of all processes are to be added up.
  /// - Parameters:
  ///   - images, texts: (total, embedDim), this process's from row `first` on.
  public func backward(
    images: UnsafeMutablePointer<Float>, texts: UnsafeMutablePointer<Float>, total: Int, first: Int
  ) throws(CLIPError) -> Double {
    try unsafe backward(embeddings(images, total), embeddings(texts, total), first: first)
  }

  /// The second half with another loss, which the caller has: its gradients with respect to the embeddings,
  /// (count, embedDim) each, give those of the parameters. nil: none of a tower's.
  public func backpropagate(
    images: UnsafeMutablePointer<Float>?, texts: UnsafeMutablePointer<Float>?, count: Int
  ) throws(CLIPError) {
    let encoding = try encoded()
    guard count == encoding.count else {
      throw CLIPError(
        .invalidArgument,
        "There are gradients of \(count) embeddings, but the batch that was encoded has \(encoding.count).")
    }
    guard unsafe images == nil || encoding.hasImages, unsafe texts == nil || encoding.hasTexts else {
      throw CLIPError(
        .invalidArgument,
        "There are gradients of pictures or of texts that were not encoded. Pass NULL for these.")
    }
    self.encoding = nil
    try unsafe encoding.backward(
      images.map { unsafe embeddings($0, count) }, texts.map { unsafe embeddings($0, count) }, pass)
  }

  private func encoded() throws(CLIPError) -> BatchEncoding {
    guard let encoding else {
      throw CLIPError(
        .invalidArgument,
        "There is no batch whose way back could be taken. Encode one before each backward pass.")
    }
    return encoding
  }

  private func begin() throws(CLIPError) {
    encoding = nil
    pass.tape.release(to: .start)
    pass.scratch.release(to: .start)
    // Values may have been changed from outside.
    store.valuesChanged()
    store.zeroGradients()
  }

  private func embeddings(_ pointer: UnsafeMutablePointer<Float>, _ rows: Int) -> MatrixView {
    unsafe MatrixView(pointer: pointer, rows: rows, columns: architecture.embedDim)
  }

  private func backward(_ images: MatrixView, _ texts: MatrixView, first: Int) throws(CLIPError) -> Double {
    let encoding = try encoded()
    let (end, overflow) = first.addingReportingOverflow(encoding.count)
    guard first >= 0, !overflow, end <= images.rows else {
      throw CLIPError(
        .invalidArgument,
        "The batch that was encoded has \(encoding.count) pairs, which do not fit from row \(first) of \(images.rows) on."
      )
    }
    self.encoding = nil
    let d = architecture.embedDim
    let (dImages, dTexts) = try (pass.tape.matrix(images.rows, d), pass.tape.matrix(images.rows, d))
    let loss = try ContrastiveLoss(
      images: images, texts: texts, logScale: unsafe store.value(towers.logScale)[0], dImages: dImages,
      dTexts: dTexts, pass)
    guard loss.loss.isFinite else {
      throw CLIPError(
        .invalidData,
        "The loss of step \(stepsDone + 1) is \(loss.loss): nothing was updated. Look at the batch, lower the learning rate or clip the gradient, and go on from the last checkpoint."
      )
    }
    if store.trains(towers.logScale) {
      // Each process adds its share of what all compute alike.
      let share = Double(encoding.count) / Double(images.rows)
      unsafe store.gradient(towers.logScale)[0] = Float(loss.dLogScale * share)
    }
    try encoding.backward(dImages.rows(first..<end), dTexts.rows(first..<end), pass)
    return loss.loss
  }

  /// The loss of a batch as the exported model has it: with running statistics, without a gradient.
  public func evaluate(_ batch: TrainingBatch) throws(CLIPError) -> Double {
    try batch.checkPairs()
    try begin()
    pass.isTraining = false
    defer { pass.isTraining = true }
    let d = architecture.embedDim
    let (images, texts) = try (pass.tape.matrix(batch.count, d), pass.tape.matrix(batch.count, d))
    let (dImages, dTexts) = try (pass.tape.matrix(batch.count, d), pass.tape.matrix(batch.count, d))
    try BatchEncoding(batch, towers, learning, pieces: max(2, options.accumulate)).forward(
      into: images, texts, pass)
    return try ContrastiveLoss(
      images: images, texts: texts, logScale: unsafe store.value(towers.logScale)[0], dImages: dImages,
      dTexts: dTexts, pass
    ).loss
  }

  /// One step of the optimiser with what lies in the flat buffer of gradients.
  public func update() throws(CLIPError) {
    let norm = try optimiser.gradientNorm(pass.compute)
    guard norm.isFinite else {
      throw CLIPError(
        .invalidData,
        "The gradient of step \(stepsDone + 1) is not finite: nothing was updated. Look at the batch, lower the learning rate or clip the gradient, and go on from the last checkpoint."
      )
    }
    let clips = options.clipNorm > 0 && norm > options.clipNorm
    optimiser.update(
      AdamWStep(
        learningRate: learningRate, beta1: options.beta1, beta2: options.beta2, epsilon: options.epsilon,
        weightDecay: 0, step: stepsDone + 1, gradientScale: clips ? options.clipNorm / (norm + 1e-6) : 1),
      weightDecay: options.weightDecay, pass.compute)
    // The multiplier stays between 1 and 100, as in the paper.
    let logScale = unsafe store.value(towers.logScale)
    unsafe logScale[0] = min(max(logScale[0], 0), logf(100))
    stepsDone += 1
  }
}

extension Trainer {
  /// Writes the model as `visual.onnx`, `textual.onnx` and `merges.txt`, which any ONNX runtime and `CLIP` open.
  public func export(_ directory: String, _ weights: StoredWeights) throws(CLIPError) {
    try Export.write(
      architecture, store, logitScale: logitScale, vocabulary: vocabulary.isEmpty ? nil : vocabulary, weights,
      into: directory)
  }
}

extension Trainer.Options {
  func check() throws(CLIPError) {
    try inRange("learning_rate", learningRate, 0...1e6)
    try inRange("weight_decay", weightDecay, 0...1e6)
    try inRange("the first beta", beta1, 0...0.999_999_9)
    try inRange("the second beta", beta2, 0...0.999_999_9)
    try inRange("epsilon", epsilon, 0...1)
    try inRange("clip_norm", clipNorm, 0...1e30)
    guard accumulate > 0, warmup >= 0, steps >= 0 else {
      throw CLIPError(
        .invalidArgument,
        "accumulate (\(accumulate)) must be at least 1, and neither warmup (\(warmup)) nor steps (\(steps)) negative."
      )
    }
  }

  private func inRange(_ name: String, _ value: Double, _ range: ClosedRange<Double>) throws(CLIPError) {
    guard range.contains(value) else {
      throw CLIPError(
        .invalidArgument, "\(name) is \(value), but must be \(range.lowerBound) to \(range.upperBound).")
    }
  }
}
