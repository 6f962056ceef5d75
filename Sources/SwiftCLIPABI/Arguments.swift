import CSwiftCLIP
import Imaging
import Kernels
import SwiftCLIP

// Checks of what C hands over. Each throws a sentence that names the argument.

/// The product of sizes as an element count, refused when no buffer could have it.
func elements(_ factors: Int..., of what: String) throws(BoundaryError) -> Int {
  var product = 1
  for factor in factors {
    let (next, overflow) = product.multipliedReportingOverflow(by: factor)
    guard factor >= 0, !overflow, next <= Int.max / 8 else {
      throw .argument(
        "The count of \(what) is impossibly large. Check for a negative number passed as size_t.")
    }
    product = next
  }
  return product
}

/// An output buffer with room for `needed` elements. May be NULL when nothing is written.
func output<T>(
  _ pointer: UnsafeMutablePointer<T>?, _ name: String, capacity: Int, needed: Int
) throws(BoundaryError) -> UnsafeMutablePointer<T>? {
  guard needed > 0 else { return nil }
  // A size_t above Int.max arrives negative.
  guard capacity >= 0 else { throw .argument("The capacity of \(name) is more than any buffer can have.") }
  guard capacity >= needed else {
    throw BoundaryError(
      SWIFTCLIP_BUFFER_TOO_SMALL,
      "\(name) has room for \(capacity) elements, but \(needed) are to be written. Give at least that capacity."
    )
  }
  guard let pointer = unsafe pointer else {
    throw .argument("\(name) is NULL, but \(needed) elements are to be written.")
  }
  unsafe try aligned(UnsafeRawPointer(pointer), T.self, name)
  return unsafe pointer
}

/// Writes a string with its NUL. Its length, without it, is told also where the capacity is too small.
func write(
  _ text: String, _ name: String, to pointer: UnsafeMutablePointer<CChar>?, capacity: Int,
  length: UnsafeMutablePointer<Int>?
) throws(BoundaryError) {
  let characters = text.utf8CString
  unsafe length?.pointee = characters.count - 1
  guard let target = unsafe try output(pointer, name, capacity: capacity, needed: characters.count) else {
    return
  }
  for (index, character) in characters.enumerated() { unsafe target[index] = character }
}

/// An input array of `count` elements. May be NULL when it is empty.
func input<T>(
  _ pointer: UnsafePointer<T>?, _ name: String, count: Int
) throws(BoundaryError) -> UnsafeBufferPointer<T> {
  // No process has an array of 2^46 bytes: a count above it is a mistake, told before memory is read.
  guard (0...(1 << 46) / MemoryLayout<T>.stride).contains(count) else {
    throw .argument("The count of \(name) is impossibly large. Check for a negative number passed as size_t.")
  }
  guard count > 0 else { return unsafe UnsafeBufferPointer(start: nil, count: 0) }
  guard let pointer = unsafe pointer else { throw .argument("\(name) is NULL, but its count is \(count).") }
  unsafe try aligned(UnsafeRawPointer(pointer), T.self, name)
  return unsafe UnsafeBufferPointer(start: pointer, count: count)
}

/// Refuses numbers with which nothing can be compared.
func finite(_ values: UnsafeBufferPointer<Float>, _ name: String) throws(BoundaryError) {
  for unsafe(index, value) in unsafe values.enumerated() where !value.isFinite {
    throw .argument("\(name)[\(index)] is \(value), but must be finite.")
  }
}

private func aligned<T>(_ pointer: UnsafeRawPointer, _ type: T.Type, _ name: String) throws(BoundaryError) {
  guard UInt(bitPattern: pointer) % UInt(MemoryLayout<T>.alignment) == 0 else {
    throw .argument(
      "\(name) is not aligned to \(MemoryLayout<T>.alignment) bytes, as its element type must be.")
  }
}

/// Where a handle is to be written.
func handleOutput(
  _ pointer: UnsafeMutablePointer<OpaquePointer?>?, _ name: String
) throws(BoundaryError) -> UnsafeMutablePointer<OpaquePointer?> {
  guard let pointer = unsafe pointer else {
    throw .argument("\(name) is NULL: there is nowhere to put the handle.")
  }
  unsafe try aligned(UnsafeRawPointer(pointer), OpaquePointer?.self, name)
  return unsafe pointer
}

/// A NUL-terminated path.
func path(_ pointer: UnsafePointer<CChar>?, _ name: String) throws(BoundaryError) -> String {
  guard let text = unsafe try optionalPath(pointer, name) else {
    throw .argument("\(name) is NULL. Give the name of a file.")
  }
  return text
}

func optionalPath(_ pointer: UnsafePointer<CChar>?, _ name: String) throws(BoundaryError) -> String? {
  guard let pointer = unsafe pointer else { return nil }
  guard let text = unsafe String(validatingCString: pointer) else {
    throw .argument(
      "\(name) is not valid UTF-8, as strings here must be. Rename the file, or pass its bytes.")
  }
  guard !text.isEmpty else { throw .argument("\(name) is empty. Give the name of a file.") }
  return text
}

/// Bytes at a pointer, which may be NULL when there are none.
func bytes(_ pointer: UnsafeRawPointer?, _ name: String, count: Int) throws(BoundaryError)
  -> UnsafeRawBufferPointer
{
  guard count >= 0 else { throw .argument("The size of \(name) is impossibly large.") }
  guard unsafe pointer != nil || count == 0 else {
    throw .argument("\(name) is NULL, but its size is \(count).")
  }
  return unsafe UnsafeRawBufferPointer(start: pointer, count: count)
}

/// - Parameter limits: of the model that reads them.
func texts(
  _ pointer: UnsafePointer<swiftclip_text>?, _ name: String, count: Int, _ limits: Limits = Limits()
) throws(BoundaryError) -> [UnsafeRawBufferPointer] {
  try engine { () throws(CLIPError) in try limits.check(items: count, name) }
  var result: [UnsafeRawBufferPointer] = unsafe []
  for unsafe(index, text) in unsafe try input(pointer, name, count: count).enumerated() {
    let utf8 = unsafe try bytes(text.data, "\(name)[\(index)].data", count: text.length)
    try engine { () throws(CLIPError) in try limits.check(textBytes: utf8.count, "\(name)[\(index)]") }
    unsafe result.append(utf8)
  }
  return unsafe result
}

func textRules(_ flags: UInt32) throws(BoundaryError) -> TextRules {
  let known = UInt32(SWIFTCLIP_TEXT_TRUNCATE | SWIFTCLIP_TEXT_REPLACE_INVALID)
  guard flags & ~known == 0 else {
    throw .argument("flags has the unknown bits \(flags & ~known). Add up SWIFTCLIP_TEXT_... values only.")
  }
  return TextRules(
    truncate: flags & UInt32(SWIFTCLIP_TEXT_TRUNCATE) != 0,
    replaceInvalid: flags & UInt32(SWIFTCLIP_TEXT_REPLACE_INVALID) != 0)
}

func pictures(
  _ pointer: UnsafePointer<swiftclip_picture>?, count: Int, _ limits: Limits = Limits()
) throws(BoundaryError) -> [PictureSource] {
  try engine { () throws(CLIPError) in try limits.check(items: count, "pictures") }
  var result: [PictureSource] = []
  for unsafe(index, picture) in unsafe try input(pointer, "pictures", count: count).enumerated() {
    result.append(unsafe try source(picture, "pictures[\(index)]"))
  }
  return result
}

/// One of the three forms that the header describes; a mixture of them is refused, not guessed at.
func source(_ picture: swiftclip_picture, _ name: String) throws(BoundaryError) -> PictureSource {
  guard unsafe picture.reserved == 0 else {
    throw .argument("\(name).reserved must be 0. Set unused members to 0.")
  }
  if let path = unsafe try optionalPath(picture.path, "\(name).path") {
    guard unsafe picture.data == nil, unsafe picture.size == 0, unsafe picture.format == 0 else {
      throw .argument("\(name) has both a path and data. Set one of them and leave the rest 0.")
    }
    return .file(path: path)
  }
  guard unsafe picture.data != nil else { throw .argument("\(name) has neither a path nor data.") }
  let data = unsafe try bytes(picture.data, "\(name).data", count: picture.size)
  if unsafe picture.format == SWIFTCLIP_FORMAT_ENCODED { return unsafe .encoded(data) }
  guard let format = unsafe PixelFormat(rawValue: picture.format) else {
    throw .argument("\(name).format is \(unsafe picture.format). Use one of the SWIFTCLIP_FORMAT_... values.")
  }
  guard unsafe picture.width > 0, unsafe picture.height > 0, unsafe picture.stride >= 0 else {
    throw .argument(
      "\(name) is \(unsafe picture.width) × \(unsafe picture.height) pixels. Raw pixels need a width and height of at least 1."
    )
  }
  return unsafe .pixels(
    data, format: format, width: Int(picture.width), height: Int(picture.height), stride: picture.stride)
}

/// Calls a function of the caller's in the floating-point mode that its thread had before the library was called.
func calling<R>(in host: FloatMode, _ body: () -> R) -> R {
  host.restore()
  defer { _ = FloatMode.begin() }
  return body()
}

/// The caller's progress function, or one that never cancels.
func reporting(
  _ function: swiftclip_progress?, _ context: UnsafeMutableRawPointer?, in host: FloatMode
) -> Progress {
  { done, total in
    guard let function = unsafe function else { return false }
    return calling(in: host) { unsafe function(context, done, total) != 0 }
  }
}
