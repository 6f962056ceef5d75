// The names are those of swiftclip.h.
// swift-format-ignore-file: AlwaysUseLowerCamelCase

import CSwiftCLIP
import Imaging
import SwiftCLIP

@_cdecl("swiftclip_preprocess_options_init") @implementation
public func swiftclip_preprocess_options_init(
  _ options: UnsafeMutablePointer<swiftclip_preprocess_options>!, _ structSize: Int
) -> swiftclip_status {
  boundary { () throws(BoundaryError) in
    unsafe try swiftclip_preprocess_options.write(to: options, size: structSize)
  }
}

@_cdecl("swiftclip_preprocess") @implementation
public func swiftclip_preprocess(
  _ options: UnsafePointer<swiftclip_preprocess_options>!,
  _ pictures: UnsafePointer<swiftclip_picture>!, _ count: Int,
  _ pixels: UnsafeMutablePointer<Float>!, _ capacity: Int
) -> swiftclip_status {
  boundary { () throws(BoundaryError) in
    var rules = PreprocessOptions()
    if let options = unsafe options {
      let given = unsafe try swiftclip_preprocess_options.read(options).checked()
      rules = given.options
      rules.imageSize = given.imageSize ?? rules.imageSize
    }
    let floats = try elements(count, 3, rules.imageSize, rules.imageSize, of: "pictures")
    let target = unsafe try output(pixels, "pixels", capacity: capacity, needed: floats)
    let sources = unsafe try SwiftCLIPABI.pictures(pictures, count: count)
    guard let target = unsafe target else { return }
    try unsafe throughScratch(target, count: floats) { (scratch) throws(CLIPError) in
      unsafe try preprocessInTurn(sources, rules, into: scratch)
    }
  }
}

@_cdecl("swiftclip_model_preprocess") @implementation
public func swiftclip_model_preprocess(
  _ model: OpaquePointer!, _ pictures: UnsafePointer<swiftclip_picture>!, _ count: Int,
  _ pixels: UnsafeMutablePointer<Float>!, _ capacity: Int
) -> swiftclip_status {
  boundary { () throws(BoundaryError) in
    let clip = unsafe try Handles.model(model, with: .imageEncoder)
    let size = clip.preprocessing.imageSize
    let floats = try elements(count, 3, size, size, of: "pictures")
    let target = unsafe try output(pixels, "pixels", capacity: capacity, needed: floats)
    let sources = unsafe try SwiftCLIPABI.pictures(pictures, count: count, clip.limits)
    guard let target = unsafe target else { return }
    try unsafe throughScratch(target, count: floats) { (scratch) throws(CLIPError) in
      unsafe try clip.preprocess(sources, into: scratch)
    }
  }
}
