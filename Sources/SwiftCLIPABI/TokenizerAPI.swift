// The names are those of swiftclip.h.
// swift-format-ignore-file: AlwaysUseLowerCamelCase

import CSwiftCLIP
import Kernels
import SwiftCLIP
import Tokenizing

@_cdecl("swiftclip_tokenizer_open") @implementation
public func swiftclip_tokenizer_open(
  _ path: UnsafePointer<CChar>!, _ contextLength: Int, _ tokenizer: UnsafeMutablePointer<OpaquePointer?>!
) -> swiftclip_status {
  boundary { () throws(BoundaryError) in
    let name = unsafe try SwiftCLIPABI.path(path, "path")
    guard (2...4096).contains(contextLength) else {
      throw .argument("context_length is \(contextLength). It must be 2 to 4096; 77 is the official one.")
    }
    let target = unsafe try handleOutput(tokenizer, "tokenizer")
    let opened = try engine { () throws(CLIPError) in
      try CLIP.tokenizer(path: name, contextLength: contextLength)
    }
    unsafe target.pointee = Handles.add(.tokenizer(opened))
  }
}

@_cdecl("swiftclip_tokenizer_free") @implementation
public func swiftclip_tokenizer_free(_ tokenizer: OpaquePointer!) {
  if case .tokenizer = unsafe Handles.find(tokenizer) { unsafe Handles.remove(tokenizer) }
}

@_cdecl("swiftclip_tokenizer_vocabulary_size") @implementation
public func swiftclip_tokenizer_vocabulary_size(_ tokenizer: OpaquePointer!) -> Int {
  unsafe (try? Handles.tokenizer(tokenizer))?.vocabularySize ?? 0
}

@_cdecl("swiftclip_tokenizer_encode") @implementation
public func swiftclip_tokenizer_encode(
  _ tokenizer: OpaquePointer!, _ texts: UnsafePointer<swiftclip_text>!, _ count: Int, _ flags: UInt32,
  _ tokens: UnsafeMutablePointer<Int32>!, _ capacity: Int
) -> swiftclip_status {
  boundary { () throws(BoundaryError) in
    let opened = unsafe try Handles.tokenizer(tokenizer)
    let rules = try textRules(flags)
    let needed = try elements(count, opened.contextLength, of: "texts")
    let target = unsafe try output(tokens, "tokens", capacity: capacity, needed: needed)
    let inputs = unsafe try SwiftCLIPABI.texts(texts, "texts", count: count)
    guard let target = unsafe target else { return }
    try unsafe throughScratch(target, count: needed) { (scratch) throws(CLIPError) in
      unsafe try opened.encode(inputs, firstIndex: 0, rules, into: scratch)
    }
  }
}

@_cdecl("swiftclip_learn_merges") @implementation
public func swiftclip_learn_merges(
  _ captions: UnsafePointer<swiftclip_text>!, _ count: Int, _ flags: UInt32, _ vocabularySize: Int,
  _ path: UnsafePointer<CChar>!, _ progress: swiftclip_progress!, _ context: UnsafeMutableRawPointer!,
  _ learned: UnsafeMutablePointer<Int>!
) -> swiftclip_status {
  let host = FloatMode.own
  return boundary { () throws(BoundaryError) in
    let rules = try textRules(flags)
    guard !rules.truncate else {
      throw .argument("flags has SWIFTCLIP_TEXT_TRUNCATE, which has no meaning where merges are learned.")
    }
    let name = unsafe try SwiftCLIPABI.path(path, "path")
    let inputs = unsafe try SwiftCLIPABI.texts(captions, "captions", count: count)
    let size = try engine { () throws(CLIPError) in
      unsafe try learnMerges(
        inputs, rules, size: vocabularySize, path: name, progress: reporting(progress, context, in: host))
    }
    unsafe learned?.pointee = size
  }
}
