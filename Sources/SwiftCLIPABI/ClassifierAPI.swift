// The names are those of swiftclip.h.
// swift-format-ignore-file: AlwaysUseLowerCamelCase

import CSwiftCLIP
import Kernels
import SwiftCLIP

@_cdecl("swiftclip_classifier_create") @implementation
public func swiftclip_classifier_create(
  _ model: OpaquePointer!, _ labels: UnsafePointer<swiftclip_text>!, _ labelCount: Int,
  _ templates: UnsafePointer<swiftclip_text>!, _ templateCount: Int,
  _ progress: swiftclip_progress!, _ context: UnsafeMutableRawPointer!,
  _ classifier: UnsafeMutablePointer<OpaquePointer?>!
) -> swiftclip_status {
  let host = FloatMode.own
  return boundary { () throws(BoundaryError) in
    let clip = unsafe try Handles.model(model, with: .vocabulary)
    try engine { () throws(CLIPError) in try clip.limits.check(labels: labelCount) }
    let labelTexts = unsafe try texts(labels, "labels", count: labelCount, clip.limits)
    let given = unsafe try texts(templates, "templates", count: templateCount, clip.limits)
    let templateTexts =
      unsafe given.isEmpty ? [Array("a photo of a {}.".utf8)] : given.map { unsafe Array($0) }
    let target = unsafe try handleOutput(classifier, "classifier")
    let made = try engine { () throws(CLIPError) in
      unsafe try ZeroShotClassifier(
        clip, labels: labelTexts.map { unsafe Array($0) }, templates: templateTexts,
        progress: unsafe reporting(progress, context, in: host))
    }
    unsafe target.pointee = Handles.add(.classifier(made))
  }
}

@_cdecl("swiftclip_classifier_free") @implementation
public func swiftclip_classifier_free(_ classifier: OpaquePointer!) {
  if case .classifier = unsafe Handles.find(classifier) { unsafe Handles.remove(classifier) }
}

@_cdecl("swiftclip_classifier_label_count") @implementation
public func swiftclip_classifier_label_count(_ classifier: OpaquePointer!) -> Int {
  unsafe (try? Handles.classifier(classifier))?.labelCount ?? 0
}

@_cdecl("swiftclip_classifier_weights") @implementation
public func swiftclip_classifier_weights(
  _ classifier: OpaquePointer!, _ weights: UnsafeMutablePointer<Float>!, _ capacity: Int
) -> swiftclip_status {
  boundary { () throws(BoundaryError) in
    let values = unsafe try Handles.classifier(classifier).weights
    guard let target = unsafe try output(weights, "weights", capacity: capacity, needed: values.count) else {
      return
    }
    for (index, value) in values.enumerated() { unsafe target[index] = value }
  }
}

@_cdecl("swiftclip_classifier_probabilities") @implementation
public func swiftclip_classifier_probabilities(
  _ classifier: OpaquePointer!, _ embeddings: UnsafePointer<Float>!, _ count: Int,
  _ probabilities: UnsafeMutablePointer<Float>!, _ capacity: Int
) -> swiftclip_status {
  boundary { () throws(BoundaryError) in
    let (made, vectors, target) = unsafe try scores(
      classifier, embeddings, count, probabilities, "probabilities", capacity)
    guard let base = vectors.baseAddress, let target = unsafe target else { return }
    try engine { () throws(CLIPError) in unsafe try made.probabilities(base, count: count, into: target) }
  }
}

@_cdecl("swiftclip_classifier_cosines") @implementation
public func swiftclip_classifier_cosines(
  _ classifier: OpaquePointer!, _ embeddings: UnsafePointer<Float>!, _ count: Int,
  _ cosines: UnsafeMutablePointer<Float>!, _ capacity: Int
) -> swiftclip_status {
  boundary { () throws(BoundaryError) in
    let (made, vectors, target) = unsafe try scores(
      classifier, embeddings, count, cosines, "cosines", capacity)
    guard let base = vectors.baseAddress, let target = unsafe target else { return }
    try engine { () throws(CLIPError) in unsafe try made.cosines(base, count: count, into: target) }
  }
}

/// The arguments that both kinds of scores take.
private func scores(
  _ classifier: OpaquePointer?, _ embeddings: UnsafePointer<Float>?, _ count: Int,
  _ out: UnsafeMutablePointer<Float>?, _ name: String, _ capacity: Int
) throws(BoundaryError) -> (ZeroShotClassifier, UnsafeBufferPointer<Float>, UnsafeMutablePointer<Float>?) {
  let made = unsafe try Handles.classifier(classifier)
  let target = unsafe try output(
    out, name, capacity: capacity, needed: elements(count, made.labelCount, of: name))
  let vectors = unsafe try input(
    embeddings, "embeddings", count: elements(count, made.embedDim, of: "embeddings"))
  unsafe try finite(vectors, "embeddings")
  return unsafe (made, vectors, target)
}
