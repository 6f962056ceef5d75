import Kernels
import Tokenizing

/// Learns a byte-level BPE of `size` ids from captions and writes it as a merges file. Returns the size of the
/// vocabulary, less than `size` where the captions have no more pairs that occur twice.
///   progress  called with captions read and merges learned, of both together
public func learnMerges(
  _ captions: [UnsafeRawBufferPointer], _ rules: TextRules, size: Int, path: String, progress: Progress
) throws(CLIPError) -> Int {
  guard MergeLearner.sizes.contains(size) else {
    throw CLIPError(
      .invalidArgument,
      "The vocabulary size is \(size). It must be \(MergeLearner.sizes.lowerBound), which is one merge, to \(MergeLearner.sizes.upperBound), the official size."
    )
  }
  let merges = size - MergeLearner.sizes.lowerBound + 1
  let total = unsafe captions.count + merges
  var learner = MergeLearner()
  for unsafe(index, caption) in unsafe captions.enumerated() {
    if index % 64 == 0 { try checkStop() }
    do {
      unsafe try learner.add(caption, replaceInvalid: rules.replaceInvalid)
    } catch {
      throw error.told.located("Text \(index)")
    }
    if index % 1024 == 0, progress(index, total) { throw cancelled(index, total) }
  }
  let done = unsafe captions.count
  let proceed = { !Attachments.isStopped && !progress(done + $0, total) }
  guard let learned = learner.merges(size: size, proceed: proceed) else {
    try checkStop()
    throw CLIPError(.cancelled, "Cancelled by the callback. \(path) is as it was.")
  }
  guard learned.vocabularySize >= MergeLearner.sizes.lowerBound else {
    throw CLIPError(
      .invalidData,
      "The captions hold no pair of letters that occurs twice, so there is nothing to learn. Give more of them."
    )
  }
  try replaceFile(path, learned.text)
  _ = progress(total, total)
  return learned.vocabularySize
}
