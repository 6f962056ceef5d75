// The names are those of swiftclip.h.
// swift-format-ignore-file: AlwaysUseLowerCamelCase

import CSwiftCLIP
import SwiftCLIP

@_cdecl("swiftclip_trainer_options_init") @implementation
public func swiftclip_trainer_options_init(
  _ options: UnsafeMutablePointer<swiftclip_trainer_options>!, _ structSize: Int
) -> swiftclip_status {
  boundary { () throws(BoundaryError) in
    unsafe try swiftclip_trainer_options.write(to: options, size: structSize)
  }
}

@_cdecl("swiftclip_trainer_create") @implementation
public func swiftclip_trainer_create(
  _ architecture: UnsafePointer<swiftclip_architecture>!, _ vocabulary: UnsafePointer<CChar>!,
  _ options: UnsafePointer<swiftclip_trainer_options>!, _ trainer: UnsafeMutablePointer<OpaquePointer?>!
) -> swiftclip_status {
  boundary { () throws(BoundaryError) in
    guard let architecture = unsafe architecture else {
      throw .argument("architecture is NULL. Fill a swiftclip_architecture.")
    }
    let sizes = unsafe try swiftclip_architecture.read(architecture).checked()
    let vocabularyPath = unsafe try optionalPath(vocabulary, "vocabulary")
    let checked = unsafe try swiftclip_trainer_options.checked(options)
    let target = unsafe try handleOutput(trainer, "trainer")
    let made = try engine { () throws(CLIPError) in
      try Trainer(sizes, checked, vocabularyPath: vocabularyPath)
    }
    unsafe target.pointee = Handles.add(.trainer(SharedTrainer(made)))
  }
}

@_cdecl("swiftclip_trainer_open") @implementation
public func swiftclip_trainer_open(
  _ path: UnsafePointer<CChar>!, _ textual: UnsafePointer<CChar>!, _ vocabulary: UnsafePointer<CChar>!,
  _ options: UnsafePointer<swiftclip_trainer_options>!, _ trainer: UnsafeMutablePointer<OpaquePointer?>!
) -> swiftclip_status {
  boundary { () throws(BoundaryError) in
    let name = unsafe try SwiftCLIPABI.path(path, "path")
    let textualName = unsafe try optionalPath(textual, "textual")
    let checked = unsafe try swiftclip_trainer_options.checked(options)
    var opening = CLIP.Options()
    opening.vocabularyPath = unsafe try optionalPath(vocabulary, "vocabulary")
    let target = unsafe try handleOutput(trainer, "trainer")
    let made = try engine { () throws(CLIPError) in
      guard let textualName else { return try Trainer(PretrainedModel(path: name, opening), checked) }
      return try Trainer(PretrainedModel(visual: name, textual: textualName, opening), checked)
    }
    unsafe target.pointee = Handles.add(.trainer(SharedTrainer(made)))
  }
}

@_cdecl("swiftclip_trainer_resume") @implementation
public func swiftclip_trainer_resume(
  _ path: UnsafePointer<CChar>!, _ options: UnsafePointer<swiftclip_trainer_options>!,
  _ trainer: UnsafeMutablePointer<OpaquePointer?>!
) -> swiftclip_status {
  boundary { () throws(BoundaryError) in
    let name = unsafe try SwiftCLIPABI.path(path, "path")
    let replacement = unsafe options == nil ? nil : try unsafe swiftclip_trainer_options.checked(options)
    let target = unsafe try handleOutput(trainer, "trainer")
    let resumed = try engine { () throws(CLIPError) in
      try Trainer.resume(name) { options in if let replacement { options = replacement } }
    }
    unsafe target.pointee = Handles.add(.trainer(SharedTrainer(resumed)))
  }
}

@_cdecl("swiftclip_trainer_free") @implementation
public func swiftclip_trainer_free(_ trainer: OpaquePointer!) {
  if case .trainer = unsafe Handles.find(trainer) { unsafe Handles.remove(trainer) }
}

@_cdecl("swiftclip_trainer_embed_dim") @implementation
public func swiftclip_trainer_embed_dim(_ trainer: OpaquePointer!) -> Int {
  unsafe (try? Handles.trainer(trainer))?.architecture.embedDim ?? 0
}

@_cdecl("swiftclip_trainer_image_size") @implementation
public func swiftclip_trainer_image_size(_ trainer: OpaquePointer!) -> Int {
  unsafe (try? Handles.trainer(trainer))?.architecture.imageSize ?? 0
}

@_cdecl("swiftclip_trainer_context_length") @implementation
public func swiftclip_trainer_context_length(_ trainer: OpaquePointer!) -> Int {
  unsafe (try? Handles.trainer(trainer))?.architecture.contextLength ?? 0
}

@_cdecl("swiftclip_trainer_vocabulary_size") @implementation
public func swiftclip_trainer_vocabulary_size(_ trainer: OpaquePointer!) -> Int {
  unsafe (try? Handles.trainer(trainer))?.architecture.vocabularySize ?? 0
}

@_cdecl("swiftclip_trainer_steps_done") @implementation
public func swiftclip_trainer_steps_done(_ trainer: OpaquePointer!) -> UInt64 {
  UInt64(unsafe (try? Handles.trainer(trainer).using { $0.stepsDone }) ?? 0)
}

@_cdecl("swiftclip_trainer_learning_rate") @implementation
public func swiftclip_trainer_learning_rate(_ trainer: OpaquePointer!) -> Double {
  unsafe (try? Handles.trainer(trainer).using { $0.learningRate }) ?? 0
}

@_cdecl("swiftclip_trainer_logit_scale") @implementation
public func swiftclip_trainer_logit_scale(_ trainer: OpaquePointer!) -> Double {
  unsafe (try? Handles.trainer(trainer).using { Double($0.logitScale) }) ?? 0
}

@_cdecl("swiftclip_trainer_step") @implementation
public func swiftclip_trainer_step(
  _ trainer: OpaquePointer!, _ pixels: UnsafePointer<Float>!, _ tokens: UnsafePointer<Int32>!, _ count: Int,
  _ loss: UnsafeMutablePointer<Double>!
) -> swiftclip_status {
  unsafe answer(trainer, pixels, tokens, count, loss) { (trainer, batch) throws(CLIPError) in
    try trainer.step(batch)
  }
}

@_cdecl("swiftclip_trainer_evaluate") @implementation
public func swiftclip_trainer_evaluate(
  _ trainer: OpaquePointer!, _ pixels: UnsafePointer<Float>!, _ tokens: UnsafePointer<Int32>!, _ count: Int,
  _ loss: UnsafeMutablePointer<Double>!
) -> swiftclip_status {
  unsafe answer(trainer, pixels, tokens, count, loss) { (trainer, batch) throws(CLIPError) in
    try trainer.evaluate(batch)
  }
}

/// What a trainer says of the loss of a batch.
private func answer(
  _ trainer: OpaquePointer?, _ pixels: UnsafePointer<Float>?, _ tokens: UnsafePointer<Int32>?, _ count: Int,
  _ loss: UnsafeMutablePointer<Double>?, _ body: (Trainer, TrainingBatch) throws(CLIPError) -> Double
) -> swiftclip_status {
  boundary { () throws(BoundaryError) in
    let shared = unsafe try Handles.trainer(trainer)
    let batch = unsafe try shared.batch(pixels, tokens, count)
    let result = try shared.running { (trainer) throws(CLIPError) in try body(trainer, batch) }
    unsafe loss?.pointee = result
  }
}

@_cdecl("swiftclip_trainer_encode") @implementation
public func swiftclip_trainer_encode(
  _ trainer: OpaquePointer!, _ pixels: UnsafePointer<Float>!, _ tokens: UnsafePointer<Int32>!, _ count: Int,
  _ images: UnsafeMutablePointer<Float>!, _ texts: UnsafeMutablePointer<Float>!, _ capacity: Int
) -> swiftclip_status {
  boundary { () throws(BoundaryError) in
    let shared = unsafe try Handles.trainer(trainer)
    let batch = unsafe try shared.batch(pixels, tokens, count, needsPairs: false)
    let needed = try elements(count, shared.architecture.embedDim, of: "embeddings")
    let imageTarget =
      unsafe pixels == nil
      ? nil
      : unsafe try output(
        images, "images", capacity: capacity, needed: needed)
    let textTarget =
      unsafe tokens == nil
      ? nil
      : unsafe try output(
        texts, "texts", capacity: capacity, needed: needed)
    try shared.running { (trainer) throws(CLIPError) in
      unsafe try trainer.encode(batch, images: imageTarget, texts: textTarget)
    }
  }
}

@_cdecl("swiftclip_trainer_backpropagate") @implementation
public func swiftclip_trainer_backpropagate(
  _ trainer: OpaquePointer!, _ imageGradients: UnsafePointer<Float>!,
  _ textGradients: UnsafePointer<Float>!, _ count: Int
) -> swiftclip_status {
  boundary { () throws(BoundaryError) in
    let shared = unsafe try Handles.trainer(trainer)
    let needed = try elements(count, shared.architecture.embedDim, of: "embeddings")
    if unsafe imageGradients != nil { _ = unsafe try input(imageGradients, "image_gradients", count: needed) }
    if unsafe textGradients != nil { _ = unsafe try input(textGradients, "text_gradients", count: needed) }
    try shared.running { (trainer) throws(CLIPError) in
      // Only read: the engine's views have no other form.
      unsafe try trainer.backpropagate(
        images: UnsafeMutablePointer(mutating: imageGradients),
        texts: UnsafeMutablePointer(mutating: textGradients), count: count)
    }
  }
}

@_cdecl("swiftclip_trainer_backward") @implementation
public func swiftclip_trainer_backward(
  _ trainer: OpaquePointer!, _ images: UnsafePointer<Float>!, _ texts: UnsafePointer<Float>!, _ total: Int,
  _ first: Int, _ loss: UnsafeMutablePointer<Double>!
) -> swiftclip_status {
  boundary { () throws(BoundaryError) in
    let shared = unsafe try Handles.trainer(trainer)
    let count = try elements(total, shared.architecture.embedDim, of: "embeddings")
    let imageRows = unsafe try input(images, "images", count: count)
    let textRows = unsafe try input(texts, "texts", count: count)
    guard let imageBase = imageRows.baseAddress, let textBase = textRows.baseAddress else {
      throw .argument("total is 0. Give the embeddings of all pairs.")
    }
    let result = try shared.running { (trainer) throws(CLIPError) in
      // Only read: the engine's views have no other form.
      unsafe try trainer.backward(
        images: UnsafeMutablePointer(mutating: imageBase), texts: UnsafeMutablePointer(mutating: textBase),
        total: total, first: first)
    }
    unsafe loss?.pointee = result
  }
}

@_cdecl("swiftclip_trainer_gradients") @implementation
public func swiftclip_trainer_gradients(
  _ trainer: OpaquePointer!, _ gradients: UnsafeMutablePointer<UnsafeMutablePointer<Float>?>!,
  _ count: UnsafeMutablePointer<Int>!
) -> swiftclip_status {
  boundary { () throws(BoundaryError) in
    let shared = unsafe try Handles.trainer(trainer)
    guard let gradients = unsafe gradients, let count = unsafe count else {
      throw .argument("gradients or count is NULL: there is nowhere to put the answer.")
    }
    try shared.running { (trainer) throws(CLIPError) in
      unsafe gradients.pointee = trainer.gradients.baseAddress
      unsafe count.pointee = trainer.gradients.count
    }
  }
}

@_cdecl("swiftclip_trainer_update") @implementation
public func swiftclip_trainer_update(_ trainer: OpaquePointer!) -> swiftclip_status {
  boundary { () throws(BoundaryError) in
    try unsafe Handles.trainer(trainer).running { (trainer) throws(CLIPError) in try trainer.update() }
  }
}

@_cdecl("swiftclip_trainer_tensor_count") @implementation
public func swiftclip_trainer_tensor_count(_ trainer: OpaquePointer!) -> Int {
  unsafe (try? Handles.trainer(trainer).using { $0.tensorCount }) ?? 0
}

@_cdecl("swiftclip_trainer_tensor") @implementation
public func swiftclip_trainer_tensor(
  _ trainer: OpaquePointer!, _ index: Int, _ tensor: UnsafeMutablePointer<swiftclip_tensor>!
) -> swiftclip_status {
  boundary { () throws(BoundaryError) in
    let shared = unsafe try Handles.trainer(trainer)
    guard let tensor = unsafe tensor else {
      throw .argument("tensor is NULL: there is nowhere to put the answer.")
    }
    guard let found = try shared.running({ (trainer) throws(CLIPError) in trainer.tensor(index) }) else {
      throw .argument(
        "There is no tensor \(index). Ask for their number with swiftclip_trainer_tensor_count.")
    }
    unsafe tensor.pointee = swiftclip_tensor(found, name: shared.names[index])
  }
}

@_cdecl("swiftclip_trainer_save") @implementation
public func swiftclip_trainer_save(
  _ trainer: OpaquePointer!, _ path: UnsafePointer<CChar>!
) -> swiftclip_status {
  boundary { () throws(BoundaryError) in
    let shared = unsafe try Handles.trainer(trainer)
    let name = unsafe try SwiftCLIPABI.path(path, "path")
    try shared.running { (trainer) throws(CLIPError) in try trainer.save(name) }
  }
}

@_cdecl("swiftclip_trainer_export") @implementation
public func swiftclip_trainer_export(
  _ trainer: OpaquePointer!, _ directory: UnsafePointer<CChar>!, _ weights: Int32
) -> swiftclip_status {
  boundary { () throws(BoundaryError) in
    let shared = unsafe try Handles.trainer(trainer)
    let name = unsafe try SwiftCLIPABI.path(directory, "directory")
    guard (0...1).contains(weights) else {
      throw .argument("weights is \(weights). Use SWIFTCLIP_WEIGHTS_FLOAT32 or SWIFTCLIP_WEIGHTS_FLOAT16.")
    }
    try shared.running { (trainer) throws(CLIPError) in
      try trainer.export(name, weights == 0 ? .float32 : .float16)
    }
  }
}
