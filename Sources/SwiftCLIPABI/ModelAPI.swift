// The names are those of swiftclip.h.
// swift-format-ignore-file: AlwaysUseLowerCamelCase

import CSwiftCLIP
import Glibc
import SwiftCLIP

@_cdecl("swiftclip_model_options_init") @implementation
public func swiftclip_model_options_init(
  _ options: UnsafeMutablePointer<swiftclip_model_options>!, _ structSize: Int
) -> swiftclip_status {
  boundary { () throws(BoundaryError) in
    unsafe try swiftclip_model_options.write(to: options, size: structSize)
  }
}

@_cdecl("swiftclip_model_open") @implementation
public func swiftclip_model_open(
  _ path: UnsafePointer<CChar>!, _ options: UnsafePointer<swiftclip_model_options>!,
  _ model: UnsafeMutablePointer<OpaquePointer?>!
) -> swiftclip_status {
  boundary { () throws(BoundaryError) in
    let name = unsafe try SwiftCLIPABI.path(path, "path")
    let checked = unsafe try swiftclip_model_options.checked(options)
    let target = unsafe try handleOutput(model, "model")
    let clip = try engine { () throws(CLIPError) in try CLIP(path: name, checked) }
    unsafe target.pointee = Handles.add(.model(clip))
  }
}

@_cdecl("swiftclip_model_open_files") @implementation
public func swiftclip_model_open_files(
  _ visual: UnsafePointer<CChar>!, _ textual: UnsafePointer<CChar>!,
  _ options: UnsafePointer<swiftclip_model_options>!, _ model: UnsafeMutablePointer<OpaquePointer?>!
) -> swiftclip_status {
  boundary { () throws(BoundaryError) in
    let visualName = unsafe try optionalPath(visual, "visual")
    let textualName = unsafe try optionalPath(textual, "textual")
    guard visualName != nil || textualName != nil else {
      throw .argument("visual and textual are both NULL. Give the ONNX file of at least one tower.")
    }
    let checked = unsafe try swiftclip_model_options.checked(options)
    let target = unsafe try handleOutput(model, "model")
    let clip = try engine { () throws(CLIPError) in
      try CLIP(visual: visualName, textual: textualName, checked)
    }
    unsafe target.pointee = Handles.add(.model(clip))
  }
}

@_cdecl("swiftclip_model_open_memory") @implementation
public func swiftclip_model_open_memory(
  _ visual: UnsafeRawPointer!, _ visualSize: Int, _ textual: UnsafeRawPointer!, _ textualSize: Int,
  _ vocabulary: UnsafeRawPointer!, _ vocabularySize: Int,
  _ options: UnsafePointer<swiftclip_model_options>!, _ model: UnsafeMutablePointer<OpaquePointer?>!
) -> swiftclip_status {
  boundary { () throws(BoundaryError) in
    let visualBytes = unsafe try optionalBytes(visual, "visual", count: visualSize)
    let textualBytes = unsafe try optionalBytes(textual, "textual", count: textualSize)
    let vocabularyBytes = unsafe try optionalBytes(vocabulary, "vocabulary", count: vocabularySize)
    guard unsafe visualBytes != nil || textualBytes != nil else {
      throw .argument("visual and textual are both NULL. Give the bytes of at least one tower's ONNX file.")
    }
    let checked = unsafe try swiftclip_model_options.checked(options)
    let target = unsafe try handleOutput(model, "model")
    let clip = try engine { () throws(CLIPError) in
      unsafe try CLIP(
        visual: visualBytes, textual: textualBytes, vocabulary: vocabularyBytes.map { unsafe Array($0) },
        checked)
    }
    unsafe target.pointee = Handles.add(.model(clip))
  }
}

/// NULL with size 0 is "not given".
private func optionalBytes(
  _ pointer: UnsafeRawPointer?, _ name: String, count: Int
) throws(BoundaryError) -> UnsafeRawBufferPointer? {
  let buffer = unsafe try bytes(pointer, name, count: count)
  return unsafe buffer.baseAddress == nil ? nil : buffer
}

@_cdecl("swiftclip_model_free") @implementation
public func swiftclip_model_free(_ model: OpaquePointer!) {
  if case .model = unsafe Handles.find(model) { unsafe Handles.remove(model) }
}

// The getters answer 0 for a handle that is not live: `try?` is their contract, not a lost error.

@_cdecl("swiftclip_model_embed_dim") @implementation
public func swiftclip_model_embed_dim(_ model: OpaquePointer!) -> Int {
  unsafe (try? Handles.model(model))?.embedDim ?? 0
}

@_cdecl("swiftclip_model_image_size") @implementation
public func swiftclip_model_image_size(_ model: OpaquePointer!) -> Int {
  unsafe (try? Handles.model(model))?.imageSize ?? 0
}

@_cdecl("swiftclip_model_context_length") @implementation
public func swiftclip_model_context_length(_ model: OpaquePointer!) -> Int {
  unsafe (try? Handles.model(model))?.contextLength ?? 0
}

@_cdecl("swiftclip_model_vocabulary_size") @implementation
public func swiftclip_model_vocabulary_size(_ model: OpaquePointer!) -> Int {
  unsafe (try? Handles.model(model))?.vocabularySize ?? 0
}

@_cdecl("swiftclip_model_logit_scale") @implementation
public func swiftclip_model_logit_scale(_ model: OpaquePointer!) -> Float {
  unsafe (try? Handles.model(model))?.logitScale ?? 0
}

@_cdecl("swiftclip_model_threads") @implementation
public func swiftclip_model_threads(_ model: OpaquePointer!) -> Int {
  unsafe (try? Handles.model(model))?.compute.threads ?? 0
}

@_cdecl("swiftclip_model_describe") @implementation
public func swiftclip_model_describe(
  _ model: OpaquePointer!, _ json: UnsafeMutablePointer<CChar>!, _ capacity: Int,
  _ length: UnsafeMutablePointer<Int>!
) -> swiftclip_status {
  boundary { () throws(BoundaryError) in
    let text = unsafe try Handles.model(model).description
    unsafe try write(text, "json", to: json, capacity: capacity, length: length)
  }
}

@_cdecl("swiftclip_inspect") @implementation
public func swiftclip_inspect(
  _ path: UnsafePointer<CChar>!, _ textual: UnsafePointer<CChar>!, _ json: UnsafeMutablePointer<CChar>!,
  _ capacity: Int, _ length: UnsafeMutablePointer<Int>!
) -> swiftclip_status {
  boundary { () throws(BoundaryError) in
    let name = unsafe try optionalPath(path, "path")
    let textualName = unsafe try optionalPath(textual, "textual")
    guard name != nil || textualName != nil else {
      throw .argument("path and textual are both NULL. Give an ONNX file, or a directory with one per tower.")
    }
    let inspection = try engine { () throws(CLIPError) in try Inspection(path: name, textual: textualName) }
    unsafe try write(inspection.description, "json", to: json, capacity: capacity, length: length)
  }
}

@_cdecl("swiftclip_model_tokenize") @implementation
public func swiftclip_model_tokenize(
  _ model: OpaquePointer!, _ texts: UnsafePointer<swiftclip_text>!, _ count: Int, _ flags: UInt32,
  _ tokens: UnsafeMutablePointer<Int32>!, _ capacity: Int
) -> swiftclip_status {
  boundary { () throws(BoundaryError) in
    let clip = unsafe try Handles.model(model, with: .vocabulary)
    let rules = try textRules(flags)
    let needed = try elements(count, clip.contextLength ?? 0, of: "texts")
    let target = unsafe try output(tokens, "tokens", capacity: capacity, needed: needed)
    let inputs = unsafe try SwiftCLIPABI.texts(texts, "texts", count: count, clip.limits)
    guard let target = unsafe target else { return }
    try unsafe throughScratch(target, count: needed) { (scratch) throws(CLIPError) in
      unsafe try clip.tokenize(inputs, rules, into: scratch)
    }
  }
}
