import CSwiftCLIP
import Glibc
import Kernels
import SwiftCLIP
import Synchronization

/// A trainer that one thread at a time may be inside of: a second one is told, not kept waiting.
@safe final class SharedTrainer: @unchecked Sendable {
  let architecture: Architecture
  /// Of tensors, as C reads them.
  let names: [UnsafeMutablePointer<CChar>?]
  private let trainer: Trainer
  private let isBusy = Atomic<Bool>(false)

  init(_ trainer: Trainer) {
    (self.trainer, architecture) = (trainer, trainer.architecture)
    unsafe names = (0..<trainer.tensorCount).map { unsafe strdup(trainer.tensor($0)?.name ?? "") }
  }

  deinit { for index in unsafe names.indices { unsafe free(names[index]) } }

  /// For answers that are numbers; those that read one while another thread computes get it as it is.
  func using<R>(_ body: (Trainer) -> R) throws(BoundaryError) -> R {
    try running { (trainer) throws(CLIPError) in body(trainer) }
  }

  func running<R>(_ body: (Trainer) throws(CLIPError) -> R) throws(BoundaryError) -> R {
    guard isBusy.compareExchange(expected: false, desired: true, ordering: .acquiring).exchanged else {
      throw .argument("The trainer is in use by another thread. Make its calls one after the other.")
    }
    defer { isBusy.store(false, ordering: .releasing) }
    return try engine { () throws(CLIPError) in try body(trainer) }
  }

  /// - Parameter needsPairs: one of the two may be NULL where it is false.
  func batch(
    _ pixels: UnsafePointer<Float>?, _ tokens: UnsafePointer<Int32>?, _ count: Int, needsPairs: Bool = true
  ) throws(BoundaryError) -> TrainingBatch {
    let size = architecture.imageSize
    let floats = try elements(count, 3, size, size, of: "pictures")
    let ids = try elements(count, architecture.contextLength, of: "texts")
    guard count > 0 else { throw .argument("The batch is empty. Give at least one pair.") }
    if unsafe needsPairs || pixels != nil || tokens == nil {
      _ = unsafe try input(pixels, "pixels", count: floats)
    }
    if unsafe needsPairs || tokens != nil { _ = unsafe try input(tokens, "tokens", count: ids) }
    return try engine { () throws(CLIPError) in
      unsafe try TrainingBatch(pixels: pixels, tokens: tokens, count: count, architecture)
    }
  }
}

extension swiftclip_architecture: SizedOptions {
  static var name: String { "swiftclip_architecture" }
  static var smallestSize: Int { 64 }
  static var defaults: Self {
    var sizes = swiftclip_architecture()
    sizes.struct_size = MemoryLayout<Self>.size
    return sizes
  }

  func checked() throws(BoundaryError) -> Architecture {
    guard (0...1).contains(exact_gelu) else {
      throw .argument("exact_gelu is \(exact_gelu), and must be 0 or 1.")
    }
    let width = Int(vision_width)
    let blocks = [vision_layers.0, vision_layers.1, vision_layers.2, vision_layers.3].map { Int($0) }
    let vision: Architecture.Vision
    if vision_patch_size == 0 {
      vision = .resNet(
        blocks: blocks, width: width, heads: vision_heads == 0 ? max(1, width / 2) : Int(vision_heads))
    } else {
      guard blocks[1...].allSatisfy({ $0 == 0 }) else {
        throw .argument(
          "vision_layers has several stages, but vision_patch_size is \(vision_patch_size). Only a ResNet (patch size 0) has stages."
        )
      }
      vision = .transformer(
        layers: blocks[0], width: width, patch: Int(vision_patch_size),
        heads: vision_heads == 0 ? max(1, width / 64) : Int(vision_heads))
    }
    var architecture = Architecture(
      embedDim: Int(embed_dim), imageSize: Int(image_size), vision: vision,
      contextLength: Int(context_length),
      vocabularySize: Int(vocabulary_size), textWidth: Int(text_width),
      textHeads: text_heads == 0 ? max(1, Int(text_width) / 64) : Int(text_heads),
      textLayers: Int(text_layers))
    architecture.quickGELU = exact_gelu == 0
    return architecture
  }
}

extension swiftclip_trainer_options: SizedOptions {
  static var name: String { "swiftclip_trainer_options" }
  static var smallestSize: Int { unsafe MemoryLayout<Self>.size }
  static var defaults: Self {
    let values = Trainer.Options()
    var options = unsafe swiftclip_trainer_options()
    unsafe options.struct_size = MemoryLayout<Self>.size
    unsafe options.learning_rate = values.learningRate
    unsafe options.weight_decay = values.weightDecay
    unsafe (options.beta1, options.beta2) = (values.beta1, values.beta2)
    unsafe options.epsilon = values.epsilon
    unsafe options.accumulate = Int32(values.accumulate)
    return unsafe options
  }

  /// The engine's options from the caller's, or the defaults for NULL. Numbers are checked by the engine.
  static func checked(_ pointer: UnsafePointer<Self>?) throws(BoundaryError) -> Trainer.Options {
    var result = Trainer.Options()
    guard let pointer = unsafe pointer else { return result }
    let options = unsafe try read(pointer)
    guard unsafe (0...1024).contains(options.threads) else {
      throw .argument("threads is \(unsafe options.threads). It must be 1 to 1024, or 0 for all cores.")
    }
    guard unsafe options.precision == 0 else {
      throw .argument(
        "precision is \(unsafe options.precision). Training is in float32 only so far: set it to 0.")
    }
    if unsafe options.instructions != 0 {
      guard let set = unsafe InstructionSet(rawValue: Int(options.instructions)) else {
        throw .argument(
          "instructions is \(unsafe options.instructions), which is none of its values. See swiftclip.h.")
      }
      result.instructions = set
    }
    result.learningRate = unsafe options.learning_rate
    result.weightDecay = unsafe options.weight_decay
    (result.beta1, result.beta2) = unsafe (options.beta1, options.beta2)
    (result.epsilon, result.clipNorm) = unsafe (options.epsilon, options.clip_norm)
    (result.warmup, result.steps) = unsafe (Int(options.warmup), Int(options.steps))
    (result.accumulate, result.threads) = unsafe (Int(options.accumulate), Int(options.threads))
    result.seed = unsafe options.seed
    for unsafe(index, prefix) in unsafe try input(options.freeze, "freeze", count: options.freeze_count)
      .enumerated()
    {
      guard let name = unsafe try optionalPath(prefix, "freeze[\(index)]") else {
        throw .argument("freeze[\(index)] is NULL. Give the beginning of a parameter's name.")
      }
      result.freeze.append(name)
    }
    return result
  }
}

extension swiftclip_tensor {
  init(_ tensor: TrainerTensor, name: UnsafeMutablePointer<CChar>?) {
    unsafe self.init()
    unsafe self.name = UnsafePointer(name)
    unsafe values = tensor.values
    unsafe gradient = tensor.gradient
    unsafe count = tensor.count
    unsafe rank = tensor.shape.count
    let sizes = tensor.shape + Array(repeating: 1, count: max(0, 4 - tensor.shape.count))
    unsafe shape = (sizes[0], sizes[1], sizes[2], sizes[3])
    unsafe trained = tensor.isTrained ? 1 : 0
  }
}
