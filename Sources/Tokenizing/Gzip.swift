import Glibc

/// Inflates gzip by the system's zlib, opened when it is needed: libpng brings it along, so that it need not
/// be linked.
enum Gzip {
  /// No vocabulary is larger; more would be a decompression bomb.
  static let maximalSize = 64 << 20

  static func isGzip(_ bytes: UnsafeRawBufferPointer) -> Bool {
    unsafe bytes.count >= 2 && bytes[0] == 0x1F && bytes[1] == 0x8B
  }

  /// The inflated bytes of all members of a gzip file.
  static func inflate(_ bytes: UnsafeRawBufferPointer, name: String) throws(TokenizerError) -> [UInt8] {
    guard let zlib = unsafe ZLib() else {
      throw .unsupported(
        "\(name) is compressed and libz.so.1 cannot be opened. Install zlib, or decompress the file with gunzip.")
    }
    guard let available = UInt32(exactly: bytes.count) else {
      throw .invalidData("\(name) has \(bytes.count) bytes: more than a compressed vocabulary can have.")
    }
    let stream = UnsafeMutableRawPointer.allocate(
      byteCount: ZStream.size, alignment: MemoryLayout<UInt64>.alignment)
    unsafe stream.initializeMemory(as: UInt8.self, repeating: 0, count: ZStream.size)
    defer { unsafe stream.deallocate() }
    unsafe stream.storeBytes(of: bytes.baseAddress, toByteOffset: ZStream.nextIn, as: UnsafeRawPointer?.self)
    unsafe stream.storeBytes(of: available, toByteOffset: ZStream.availableIn, as: UInt32.self)
    guard unsafe zlib.initialize(stream, ZStream.gzipWindow, "1", Int32(ZStream.size)) == ZStream.ok else {
      throw .unsupported("\(name) is compressed and libz.so.1 refuses to start. Decompress it with gunzip.")
    }
    defer { _ = unsafe zlib.end(stream) }
    return try unsafe members(stream, zlib, bytes, name: name)
  }

  /// Inflates one member after the other; zeros may follow the last.
  private static func members(
    _ stream: UnsafeMutableRawPointer, _ zlib: ZLib, _ bytes: UnsafeRawBufferPointer, name: String
  ) throws(TokenizerError) -> [UInt8] {
    var result: [UInt8] = []
    result.reserveCapacity(min(maximalSize, max(1 << 16, bytes.count &* 4)))
    var block = [UInt8](repeating: 0, count: 1 << 16)
    while true {
      let (status, produced) = unsafe step(stream, zlib, &block)
      result.append(contentsOf: block[..<produced])
      if result.count > maximalSize {
        throw .invalidData("\(name) inflates to more than \(maximalSize >> 20) MB: it is no vocabulary.")
      }
      let left = Int(unsafe stream.load(fromByteOffset: ZStream.availableIn, as: UInt32.self))
      if status == ZStream.ended {
        if unsafe bytes[(bytes.count - left)...].allSatisfy({ $0 == 0 }) { return result }
        guard unsafe zlib.reset(stream) == ZStream.ok else { throw damaged(name, at: bytes.count - left) }
      } else if status != ZStream.ok || (produced == 0 && left == 0) {
        throw damaged(name, at: bytes.count - left)
      }
    }
  }

  /// One call of `inflate`: its status, and how many bytes of `block` it filled.
  private static func step(
    _ stream: UnsafeMutableRawPointer, _ zlib: ZLib, _ block: inout [UInt8]
  ) -> (status: Int32, produced: Int) {
    unsafe block.withUnsafeMutableBytes { output in
      unsafe stream.storeBytes(
        of: output.baseAddress, toByteOffset: ZStream.nextOut, as: UnsafeMutableRawPointer?.self)
      unsafe stream.storeBytes(of: UInt32(output.count), toByteOffset: ZStream.availableOut, as: UInt32.self)
      let status = unsafe zlib.inflate(stream, 0)
      let left = unsafe stream.load(fromByteOffset: ZStream.availableOut, as: UInt32.self)
      return (status, output.count - Int(left))
    }
  }

  private static func damaged(_ name: String, at offset: Int) -> TokenizerError {
    .invalidData("\(name) is a damaged gzip file: it cannot be inflated at byte \(offset). Fetch it again.")
  }
}

/// zlib's `z_stream` on 64-bit Linux: byte offsets of the fields used. And what calls with it answer.
private enum ZStream {
  static let nextIn = 0
  static let availableIn = 8
  static let nextOut = 24
  static let availableOut = 32
  static let size = 112

  static let ok: Int32 = 0
  static let ended: Int32 = 1
  /// The largest window, and 16 for the gzip wrapper.
  static let gzipWindow: Int32 = 15 + 16
}

/// The functions of zlib that inflating takes. Loaded once and kept: unloading libraries is not safe while
/// other threads may be in them.
@unsafe private struct ZLib {
  typealias Initialize = @convention(c) (UnsafeMutableRawPointer, Int32, UnsafePointer<CChar>, Int32) -> Int32
  typealias Inflate = @convention(c) (UnsafeMutableRawPointer, Int32) -> Int32
  typealias Plain = @convention(c) (UnsafeMutableRawPointer) -> Int32

  let initialize: Initialize
  let inflate: Inflate
  let reset: Plain
  let end: Plain

  init?() {
    // The signatures are those of zlib.h, stable since 1.2.
    guard let library = unsafe dlopen("libz.so.1", RTLD_NOW | RTLD_LOCAL),
      let initialize = unsafe dlsym(library, "inflateInit2_"), let inflate = unsafe dlsym(library, "inflate"),
      let reset = unsafe dlsym(library, "inflateReset"), let end = unsafe dlsym(library, "inflateEnd")
    else { return nil }
    unsafe self.initialize = unsafeBitCast(initialize, to: Initialize.self)
    unsafe self.inflate = unsafeBitCast(inflate, to: Inflate.self)
    unsafe self.reset = unsafeBitCast(reset, to: Plain.self)
    unsafe self.end = unsafeBitCast(end, to: Plain.self)
  }
}
