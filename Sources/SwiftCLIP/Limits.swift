import Kernels
import ONNXImport

/// How much a model may be asked for, by files and inputs that come from somewhere else. 0: as much as can be had.
///
/// Sizes of pictures have limits of their own, in `PreprocessOptions`.
public struct Limits: Sendable {
  /// Bytes of all ONNX files together, external data included.
  public var modelBytes: UInt64 = 0
  /// Pictures or texts of one call; of a classifier, prompts.
  public var items: UInt64 = 0
  /// Bytes of a text, label or template.
  public var textBytes: UInt64 = 0
  /// Labels of a classifier.
  public var labels: UInt64 = 0

  public init() {}

  func check(modelBytes sizes: [Int]) throws(CLIPError) {
    try check(sizes.reduce(0, &+), modelBytes, "max_model_bytes", "The model has", "bytes")
  }

  public func check(items count: Int, _ what: String) throws(CLIPError) {
    try check(count, items, "max_items", "The call has", what)
  }

  public func check(labels count: Int) throws(CLIPError) {
    try check(count, labels, "max_labels", "The classifier has", "labels")
  }

  public func check(textBytes count: Int, _ name: String) throws(CLIPError) {
    try check(count, textBytes, "max_text_bytes", "\(name) has", "bytes")
  }

  private func check(
    _ count: Int, _ limit: UInt64, _ name: String, _ subject: @autoclosure () -> String, _ what: String
  ) throws(CLIPError) {
    // A negative count is a mistake, and told as one by whoever reads the input.
    guard limit > 0, count >= 0, UInt64(count) > limit else { return }
    throw CLIPError(
      .limitExceeded,
      "\(subject()) \(count) \(what), above \(name) = \(limit) of the model's options. Give less, or raise the limit if you trust the input."
    )
  }
}

extension CLIP.Options {
  /// What opens the files of one model.
  var files: ModelFiles {
    ModelFiles(
      readsIntoMemory: readsIntoMemory,
      limit: limits.modelBytes == 0 ? nil : Int(clamping: limits.modelBytes),
      isStopped: { Attachments.isStopped })
  }
}
