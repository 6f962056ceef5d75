import CSwiftCLIP
import Glibc
import Imaging
import Kernels
import SwiftCLIP

/// A struct of options whose first member is its size, as the program that filled it was compiled with.
protocol SizedOptions {
  /// The size of the first version of the struct: no program has a smaller one.
  static var smallestSize: Int { get }
  static var name: String { get }
  static var defaults: Self { get }
}

extension SizedOptions {
  /// Reads what the caller's version of the struct has and leaves the rest at its default. Members that only
  /// a newer version knows must be 0: they ask for something that this library cannot do.
  static func read(_ pointer: UnsafePointer<Self>) throws(BoundaryError) -> Self {
    let raw = unsafe UnsafeRawPointer(pointer)
    guard UInt(bitPattern: raw) % UInt(MemoryLayout<Self>.alignment) == 0 else {
      throw .argument("The \(name) are not aligned as a struct must be.")
    }
    let size = unsafe raw.load(as: Int.self)
    try checkSize(size)
    var result = defaults
    unsafe withUnsafeMutableBytes(of: &result) { bytes in
      unsafe bytes.copyMemory(from: UnsafeRawBufferPointer(start: raw, count: min(size, bytes.count)))
    }
    for offset in min(size, MemoryLayout<Self>.size)..<size
    where unsafe raw.load(fromByteOffset: offset, as: UInt8.self) != 0 {
      throw .argument(
        "The \(name) set a member at byte \(offset) that this version of swiftclip does not have. Leave it 0, or use a newer library."
      )
    }
    return result
  }

  /// Fills as much of the caller's struct as its version has.
  static func write(to pointer: UnsafeMutablePointer<Self>?, size: Int) throws(BoundaryError) {
    guard let pointer = unsafe pointer else { throw .argument("options is NULL.") }
    try checkSize(size)
    var values = defaults
    let raw = UnsafeMutableRawPointer(pointer)
    unsafe withUnsafeMutableBytes(of: &values) { bytes in
      unsafe bytes.storeBytes(of: size, as: Int.self)
      unsafe memset(raw, 0, size)
      if let base = bytes.baseAddress { unsafe memcpy(raw, base, min(size, bytes.count)) }
    }
  }

  private static func checkSize(_ size: Int) throws(BoundaryError) {
    guard size >= smallestSize, size <= 4096 else {
      throw .argument(
        "struct_size of the \(name) is \(size), which no version has. Call the init function with sizeof the struct."
      )
    }
  }
}

extension swiftclip_preprocess_options: SizedOptions {
  static var name: String { "swiftclip_preprocess_options" }
  static var smallestSize: Int { 72 }
  static var defaults: Self {
    let official = PreprocessOptions()
    var options = swiftclip_preprocess_options()
    options.struct_size = MemoryLayout<Self>.size
    options.interpolation = official.interpolation.rawValue
    options.alpha = official.alpha.rawValue
    options.orientation = official.orientation.rawValue
    options.convert = official.convert.rawValue
    options.background = (official.background.0, official.background.1, official.background.2, 0)
    options.mean = official.mean
    options.std = official.std
    options.max_pixels = official.maxPixels
    options.max_bytes = official.maxBytes
    options.jpeg_decoding = official.jpegDecoding.rawValue
    return options
  }

  /// The engine's options, each member checked. `image_size` 0 becomes nil.
  func checked() throws(BoundaryError) -> (options: PreprocessOptions, imageSize: Int?) {
    var options = PreprocessOptions()
    guard (0...4096).contains(image_size) else {
      throw .argument("image_size is \(image_size). It must be 1 to 4096, or 0 for the default.")
    }
    options.interpolation = try choice(interpolation, "interpolation")
    options.alpha = try choice(alpha, "alpha")
    options.orientation = try choice(orientation, "orientation")
    options.convert = try choice(convert, "convert")
    options.jpegDecoding = try choice(jpeg_decoding, "jpeg_decoding")
    guard reserved == 0 else { throw .argument("reserved must be 0. Call the init function first.") }
    options.background = (background.0, background.1, background.2)
    for value in [mean.0, mean.1, mean.2, std.0, std.1, std.2] where !value.isFinite {
      throw .argument("mean and std must be finite, not \(value).")
    }
    guard std.0 > 0, std.1 > 0, std.2 > 0 else { throw .argument("std must be above 0 in each channel.") }
    options.mean = mean
    options.std = std
    let limits: ClosedRange<UInt64> = 1...(1 << 40)
    guard limits.contains(max_pixels), limits.contains(max_bytes) else {
      throw .argument("max_pixels and max_bytes must be 1 to 2^40. Call the init function first.")
    }
    options.maxPixels = max_pixels
    options.maxBytes = max_bytes
    return (options, image_size == 0 ? nil : Int(image_size))
  }
}

func choice<T: RawRepresentable<Int32>>(_ value: Int32, _ name: String) throws(BoundaryError) -> T {
  guard let result = T(rawValue: value) else {
    throw .argument("\(name) is \(value), which is none of its values. See swiftclip.h.")
  }
  return result
}

extension swiftclip_model_options: SizedOptions {
  static var name: String { "swiftclip_model_options" }
  static var smallestSize: Int { 40 }
  static var defaults: Self {
    var options = unsafe swiftclip_model_options()
    unsafe options.struct_size = MemoryLayout<Self>.size
    return unsafe options
  }

  /// The engine's options from the caller's, or the defaults for NULL.
  static func checked(_ pointer: UnsafePointer<Self>?) throws(BoundaryError) -> CLIP.Options {
    var result = CLIP.Options()
    guard let pointer = unsafe pointer else { return result }
    let options = unsafe try read(pointer)
    guard unsafe (0...1024).contains(options.threads) else {
      throw .argument("threads is \(unsafe options.threads). It must be 1 to 1024, or 0 for all cores.")
    }
    guard unsafe (0...1).contains(options.exact_order) else {
      throw .argument(
        "exact_order is \(unsafe options.exact_order), and must be 0 or 1. Call the init function first.")
    }
    result.exactOrder = unsafe options.exact_order == 1
    result.threads = unsafe Int(options.threads)
    result.precision = unsafe try choice(options.precision, "precision")
    guard unsafe (0...1).contains(options.read_into_memory) else {
      throw .argument(
        "read_into_memory is \(unsafe options.read_into_memory), and must be 0 or 1. Call the init function first."
      )
    }
    result.readsIntoMemory = unsafe options.read_into_memory == 1
    result.limits.modelBytes = unsafe options.max_model_bytes
    result.limits.items = unsafe options.max_items
    result.limits.textBytes = unsafe options.max_text_bytes
    result.limits.labels = unsafe options.max_labels
    if unsafe options.instructions != SWIFTCLIP_INSTRUCTIONS_AUTO {
      guard let set = unsafe InstructionSet(rawValue: Int(options.instructions)) else {
        throw .argument(
          "instructions is \(unsafe options.instructions), which is none of its values. See swiftclip.h.")
      }
      result.instructions = set
    }
    switch unsafe Int(options.backend) {
    case SWIFTCLIP_BACKEND_OWN: result.backend = .own
    case SWIFTCLIP_BACKEND_OPENBLAS: result.backend = .openBLAS
    default:
      throw .argument("backend is \(unsafe options.backend), which is none of its values. See swiftclip.h.")
    }
    result.vocabularyPath = unsafe try optionalPath(options.vocabulary, "vocabulary")
    if let preprocess = unsafe options.preprocess {
      (result.preprocessing, result.imageSize) = unsafe try swiftclip_preprocess_options.read(preprocess)
        .checked()
    }
    return result
  }
}
