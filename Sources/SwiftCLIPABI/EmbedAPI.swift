// The names are those of swiftclip.h.
// swift-format-ignore-file: AlwaysUseLowerCamelCase

import CSwiftCLIP
import Glibc
import Kernels
import SwiftCLIP

@_cdecl("swiftclip_embed_pictures") @implementation
public func swiftclip_embed_pictures(
  _ model: OpaquePointer!, _ pictures: UnsafePointer<swiftclip_picture>!, _ count: Int,
  _ embeddings: UnsafeMutablePointer<Float>!, _ capacity: Int,
  _ deliver: swiftclip_batch_function!, _ context: UnsafeMutableRawPointer!
) -> swiftclip_status {
  let host = FloatMode.own
  return boundary { () throws(BoundaryError) in
    let clip = unsafe try Handles.model(model, with: .imageEncoder)
    try engine { () throws(CLIPError) in try clip.limits.check(items: count, "pictures") }
    guard unsafe embeddings != nil || deliver != nil || count == 0 else {
      throw .argument("embeddings and deliver are both NULL. Give a buffer, a function, or both.")
    }
    let target =
      unsafe embeddings == nil ? nil : try embeddingsOutput(embeddings, capacity, count, clip)
    // Read by the threads of this call only, which ends before the array goes. A malformed picture is told
    // when it is come to, so that nothing is made of a million of them in advance.
    nonisolated(unsafe) let list = unsafe try input(pictures, "pictures", count: count)
    try engine { () throws(CLIPError) in
      let supply: PictureSupply = { (index) throws(CLIPError) in
        do throws(BoundaryError) {
          return unsafe try source(list[index], "pictures[\(index)]")
        } catch {
          throw CLIPError(.invalidArgument, error.message)
        }
      }
      unsafe try clip.embed(count: count, supply, into: target) { (batch) throws(CLIPError) in
        guard let deliver = unsafe deliver else { return }
        let stops = calling(in: host) { unsafe hand(batch, of: count, to: deliver, context) }
        guard stops else { return }
        throw cancelled(batch.first + batch.count, count)
      }
    }
  }
}

/// Calls the caller's function with a batch in C's terms. True asks to stop.
private func hand(
  _ batch: EmbeddedBatch, of total: Int, to deliver: swiftclip_batch_function,
  _ context: UnsafeMutableRawPointer?
) -> Bool {
  var statuses = [swiftclip_status](repeating: SWIFTCLIP_OK, count: batch.count)
  var messages = unsafe [UnsafePointer<CChar>?](repeating: StaticText.empty, count: batch.count)
  // Owned here until the function has returned.
  var texts = unsafe [UnsafeMutablePointer<CChar>]()
  defer { while let text = unsafe texts.popLast() { unsafe free(text) } }
  for (index, error) in batch.failures {
    let told = BoundaryError(error)
    statuses[index - batch.first] = told.status
    guard let text = unsafe strdup(told.message) else { continue }
    unsafe texts.append(text)
    unsafe messages[index - batch.first] = UnsafePointer(text)
  }
  return unsafe statuses.withUnsafeBufferPointer { statuses in
    unsafe messages.withUnsafeBufferPointer { messages in
      var told = unsafe swiftclip_embedded_batch(
        first: batch.first, count: batch.count, total: total, embeddings: UnsafePointer(batch.embeddings),
        statuses: statuses.baseAddress, messages: messages.baseAddress)
      return unsafe deliver(context, &told) != 0
    }
  }
}
