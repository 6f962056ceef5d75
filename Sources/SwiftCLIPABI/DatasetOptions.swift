import CSwiftCLIP
import Datasets
import Imaging
import Kernels
import SwiftCLIP
import Tokenizing

extension swiftclip_dataset_options: SizedOptions {
  static var name: String { "swiftclip_dataset_options" }
  static var smallestSize: Int { 144 }
  static var defaults: Self {
    var options = unsafe swiftclip_dataset_options()
    unsafe options.struct_size = MemoryLayout<Self>.size
    unsafe options.batch_size = 256
    unsafe options.shuffle = 1
    unsafe options.shuffle_buffer = 4096
    unsafe options.buffer_bytes = 1 << 30
    unsafe options.ahead = 2
    unsafe options.scale_min = 1
    unsafe options.scale_max = 1
    unsafe options.named = 20
    return unsafe options
  }

  /// The engine's options, each member checked.
  func checked() throws(BoundaryError) -> DatasetOptions {
    let (preprocessing, tokenizer) = unsafe try inputs()
    var result = DatasetOptions(preprocessing: preprocessing, tokenizer: tokenizer)
    result.batchSize = unsafe try within(batch_size, 1...1 << 20, "batch_size")
    result.seed = unsafe seed
    result.shuffles = unsafe try flag(shuffle, "shuffle")
    result.shuffleBuffer = unsafe try within(shuffle_buffer, 1...1 << 20, "shuffle_buffer")
    guard unsafe (1...1 << 40).contains(buffer_bytes) else {
      throw .argument(
        "buffer_bytes is \(unsafe buffer_bytes). It must be 1 to 2^40. Call the init function first.")
    }
    result.bufferBytes = unsafe Int(buffer_bytes)
    result.keepsLast = unsafe try flag(keep_last, "keep_last")
    result.isEndless = unsafe try flag(endless, "endless")
    result.threads = unsafe try within(threads, 0...1024, "threads")
    if result.threads == 0 { result.threads = Compute.allowedThreads }
    result.ahead = unsafe try within(ahead, 0...64, "ahead")
    unsafe try readAugmentation(into: &result)
    result.drawsSentences = unsafe try flag(sentences, "sentences")
    result.longCaptions = unsafe try choice(long_captions, "long_captions")
    result.allowsOutside = unsafe try flag(allow_outside, "allow_outside")
    result.named = unsafe try within(named, 0...10_000, "named")
    result.pathColumn = unsafe try optionalName(path_column, "path_column")
    result.captionColumn = unsafe try optionalName(caption_column, "caption_column")
    return result
  }

  private func readAugmentation(into result: inout DatasetOptions) throws(BoundaryError) {
    result.background = unsafe try choice(background, "background")
    let scales = 0.05...Float(1)
    guard unsafe scales.contains(scale_min), unsafe scales.contains(scale_max), unsafe scale_min <= scale_max
    else {
      throw .argument(
        "scale_min and scale_max are \(unsafe scale_min) and \(unsafe scale_max). They must be 0.05 to 1, the first at most the second."
      )
    }
    switch unsafe Int(crop) {
    case SWIFTCLIP_CROP_CENTRE: result.cropScales = nil
    // A float's 0.05 may lie below that of a double.
    case SWIFTCLIP_CROP_RANDOM:
      result.cropScales = unsafe max(0.05, Double(scale_min))...max(0.05, Double(scale_max))
    default: throw .argument("crop is \(unsafe crop), which is none of its values. See swiftclip.h.")
    }
    func part(_ value: Float, _ name: String) throws(BoundaryError) -> Double {
      guard (0...1).contains(value) else { throw .argument("\(name) is \(value). It must be 0 to 1.") }
      return Double(value)
    }
    result.mirrored = unsafe try part(flip, "flip")
    result.brightness = unsafe try part(brightness, "brightness")
    result.contrast = unsafe try part(contrast, "contrast")
    result.saturation = unsafe try part(saturation, "saturation")
  }

  /// What turns pictures and captions into numbers: a model's, or that of the options.
  private func inputs() throws(BoundaryError) -> (PreprocessOptions, Tokenizer) {
    let length = unsafe try within(context_length, 0...4096, "context_length")
    if let model = unsafe model {
      guard unsafe preprocess == nil, unsafe vocabulary == nil, length == 0 else {
        throw .argument(
          "The options have a model and preprocess, vocabulary or context_length. Set one or the others.")
      }
      let clip = unsafe try Handles.model(model, with: .imageEncoder)
      try engine { () throws(CLIPError) in try clip.require(.vocabulary) }
      guard let tokenizer = clip.tokenizer else { throw .argument("The model has no vocabulary.") }
      return (clip.preprocessing, tokenizer)
    }
    guard length != 1 else { throw .argument("context_length is 1. It must be 2 to 4096, or 0 for 77.") }
    guard let path = unsafe try optionalPath(vocabulary, "vocabulary") else {
      throw .argument("The options have neither a model nor a vocabulary. Set one of them.")
    }
    var preprocessing = PreprocessOptions()
    if let given = unsafe preprocess {
      let (options, size) = unsafe try swiftclip_preprocess_options.read(given).checked()
      preprocessing = options
      preprocessing.imageSize = size ?? preprocessing.imageSize
    }
    let tokenizer = try engine { () throws(CLIPError) in
      try CLIP.tokenizer(path: path, contextLength: length == 0 ? 77 : length)
    }
    return (preprocessing, tokenizer)
  }
}

private func within(_ value: Int32, _ range: ClosedRange<Int>, _ name: String) throws(BoundaryError) -> Int {
  guard range.contains(Int(value)) else {
    throw .argument("\(name) is \(value). It must be \(range.lowerBound) to \(range.upperBound).")
  }
  return Int(value)
}

private func flag(_ value: Int32, _ name: String) throws(BoundaryError) -> Bool {
  guard (0...1).contains(value) else {
    throw .argument("\(name) is \(value), and must be 0 or 1. Call the init function first.")
  }
  return value == 1
}

private func optionalName(_ pointer: UnsafePointer<CChar>?, _ name: String) throws(BoundaryError) -> String? {
  guard let pointer = unsafe pointer else { return nil }
  guard let text = unsafe String(validatingCString: pointer), !text.isEmpty else {
    throw .argument("\(name) is empty or no UTF-8. Give the name of a column, or NULL.")
  }
  return text
}
