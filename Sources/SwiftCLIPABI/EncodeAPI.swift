// The names are those of swiftclip.h.
// swift-format-ignore-file: AlwaysUseLowerCamelCase

import CSwiftCLIP
import Kernels
import SwiftCLIP

@_cdecl("swiftclip_encode_pixels") @implementation
public func swiftclip_encode_pixels(
  _ model: OpaquePointer!, _ pixels: UnsafePointer<Float>!, _ count: Int,
  _ embeddings: UnsafeMutablePointer<Float>!, _ capacity: Int
) -> swiftclip_status {
  boundary { () throws(BoundaryError) in
    let clip = unsafe try Handles.model(model, with: .imageEncoder)
    let size = clip.imageSize ?? 0
    try engine { () throws(CLIPError) in try clip.limits.check(items: count, "pictures") }
    let target = unsafe try embeddingsOutput(embeddings, capacity, count, clip)
    let floats = unsafe try input(
      pixels, "pixels", count: elements(count, 3, size, size, of: "pictures"))
    try unsafe encoding(into: target, count, clip) { (scratch) throws(CLIPError) in
      unsafe try clip.encode(pixels: floats, count: count, into: scratch)
    }
  }
}

@_cdecl("swiftclip_encode_pictures") @implementation
public func swiftclip_encode_pictures(
  _ model: OpaquePointer!, _ pictures: UnsafePointer<swiftclip_picture>!, _ count: Int,
  _ embeddings: UnsafeMutablePointer<Float>!, _ capacity: Int,
  _ progress: swiftclip_progress!, _ context: UnsafeMutableRawPointer!
) -> swiftclip_status {
  let host = FloatMode.own
  return boundary { () throws(BoundaryError) in
    let clip = unsafe try Handles.model(model, with: .imageEncoder)
    let target = unsafe try embeddingsOutput(embeddings, capacity, count, clip)
    let sources = unsafe try SwiftCLIPABI.pictures(pictures, count: count, clip.limits)
    try unsafe encoding(into: target, count, clip) { (scratch) throws(CLIPError) in
      unsafe try clip.encode(
        pictures: sources, into: scratch, progress: reporting(progress, context, in: host))
    }
  }
}

@_cdecl("swiftclip_encode_tokens") @implementation
public func swiftclip_encode_tokens(
  _ model: OpaquePointer!, _ tokens: UnsafePointer<Int32>!, _ count: Int,
  _ embeddings: UnsafeMutablePointer<Float>!, _ capacity: Int
) -> swiftclip_status {
  boundary { () throws(BoundaryError) in
    let clip = unsafe try Handles.model(model, with: .textEncoder)
    try engine { () throws(CLIPError) in try clip.limits.check(items: count, "texts") }
    let target = unsafe try embeddingsOutput(embeddings, capacity, count, clip)
    let ids = unsafe try input(
      tokens, "tokens", count: elements(count, clip.contextLength ?? 0, of: "texts"))
    try unsafe encoding(into: target, count, clip) { (scratch) throws(CLIPError) in
      unsafe try clip.encode(tokens: ids, count: count, into: scratch)
    }
  }
}

@_cdecl("swiftclip_encode_texts") @implementation
public func swiftclip_encode_texts(
  _ model: OpaquePointer!, _ texts: UnsafePointer<swiftclip_text>!, _ count: Int, _ flags: UInt32,
  _ embeddings: UnsafeMutablePointer<Float>!, _ capacity: Int,
  _ progress: swiftclip_progress!, _ context: UnsafeMutableRawPointer!
) -> swiftclip_status {
  let host = FloatMode.own
  return boundary { () throws(BoundaryError) in
    let clip = unsafe try Handles.model(model, with: .vocabulary)
    let rules = try textRules(flags)
    let target = unsafe try embeddingsOutput(embeddings, capacity, count, clip)
    let inputs = unsafe try SwiftCLIPABI.texts(texts, "texts", count: count, clip.limits)
    try unsafe encoding(into: target, count, clip) { (scratch) throws(CLIPError) in
      unsafe try clip.encode(
        texts: inputs, rules, into: scratch, progress: reporting(progress, context, in: host))
    }
  }
}

@_cdecl("swiftclip_similarity") @implementation
public func swiftclip_similarity(
  _ a: UnsafePointer<Float>!, _ aCount: Int, _ b: UnsafePointer<Float>!, _ bCount: Int, _ dim: Int,
  _ cosines: UnsafeMutablePointer<Float>!, _ capacity: Int
) -> swiftclip_status {
  boundary { () throws(BoundaryError) in
    guard dim > 0 else { throw .argument("dim is \(dim). Vectors need at least one element.") }
    let (leftCount, rightCount) = (try elements(aCount, dim, of: "a"), try elements(bCount, dim, of: "b"))
    let needed = try elements(aCount, bCount, of: "cosines")
    let target = unsafe try output(cosines, "cosines", capacity: capacity, needed: needed)
    let left = unsafe try input(a, "a", count: leftCount)
    let right = unsafe try input(b, "b", count: rightCount)
    unsafe try finite(left, "a")
    unsafe try finite(right, "b")
    guard let target = unsafe target, let leftBase = left.baseAddress, let rightBase = right.baseAddress
    else { return }
    try engine { () throws(CLIPError) in
      unsafe try similarity(leftBase, aCount, rightBase, bCount, dim: dim, into: target)
    }
  }
}

/// The caller's buffer for the embeddings of `count` inputs.
func embeddingsOutput(
  _ pointer: UnsafeMutablePointer<Float>?, _ capacity: Int, _ count: Int, _ clip: CLIP
) throws(BoundaryError) -> UnsafeMutablePointer<Float>? {
  unsafe try output(
    pointer, "embeddings", capacity: capacity, needed: elements(count, clip.embedDim, of: "embeddings"))
}

private func encoding(
  into target: UnsafeMutablePointer<Float>?, _ count: Int, _ clip: CLIP,
  _ body: (UnsafeMutablePointer<Float>) throws(CLIPError) -> Void
) throws(BoundaryError) {
  guard let target = unsafe target else { return }
  unsafe try throughScratch(target, count: count * clip.embedDim, body)
}
