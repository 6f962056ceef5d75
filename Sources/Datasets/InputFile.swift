import Glibc

/// A regular file that is read at any place. Reading, unlike mapping, cannot fault when the file becomes shorter, and
/// keeps no position that a forked child would share.
final class InputFile: Sendable {
  let path: String
  let size: Int
  private let descriptor: Int32

  init(_ path: String) throws(DatasetError) {
    // O_NONBLOCK: opening a pipe must not wait for its writer.
    descriptor = unsafe open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)
    guard descriptor >= 0 else {
      throw DatasetError(.io, "\(path) cannot be opened: \(reason(errno)). Check the path.")
    }
    self.path = path
    var status = stat()
    let isKnown = unsafe fstat(descriptor, &status) == 0
    guard isKnown, status.st_mode & S_IFMT == S_IFREG, status.st_size >= 0 else {
      close(descriptor)
      throw DatasetError(.io, "\(path) is not a regular file. Give a .tsv, .csv, .jsonl or .tar file.")
    }
    size = Int(status.st_size)
  }

  deinit { close(descriptor) }

  /// Reads up to `count` bytes at `offset`: fewer at the end of the file only.
  func read(
    _ count: Int, at offset: Int, into bytes: UnsafeMutableRawPointer
  ) throws(DatasetError) -> Int {
    var done = 0
    while done < count {
      try checkStop()
      let got = unsafe pread(descriptor, bytes + done, count - done, offset + done)
      if got < 0 && errno == EINTR { continue }
      guard got >= 0 else {
        throw DatasetError(.io, "\(path) cannot be read at byte \(offset + done): \(reason(errno)).")
      }
      if got == 0 { break }
      done += got
    }
    return done
  }

  /// Up to `count` bytes at `offset`. For small pieces: memory is taken without asking.
  func bytes(_ count: Int, at offset: Int) throws(DatasetError) -> [UInt8] {
    var result = [UInt8](repeating: 0, count: count)
    var failure: DatasetError?
    let got = unsafe result.withUnsafeMutableBytes { buffer -> Int in
      guard let base = buffer.baseAddress else { return 0 }
      do throws(DatasetError) {
        return unsafe try read(count, at: offset, into: base)
      } catch {
        failure = error
        return 0
      }
    }
    if let failure { throw failure }
    result.removeLast(count - got)
    return result
  }
}

/// The system's text for an error number.
func reason(_ code: Int32) -> String {
  var text = [CChar](repeating: 0, count: 128)
  // Writes at most the buffer, NUL included.
  guard unsafe strerror_r(code, &text, text.count) == 0 else { return "error \(code)" }
  return String(decoding: text.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
}

/// Bytes outside of Swift's arrays, which cannot say that there is no memory.
@safe final class Block: @unchecked Sendable {
  private let base: UnsafeMutableRawPointer
  let count: Int

  /// Reads part of a file; nil if it ends before.
  init?(_ file: InputFile, _ extent: Range<Int>) throws(DatasetError) {
    count = extent.count
    guard let memory = unsafe malloc(max(count, 1)) else {
      throw DatasetError(
        .outOfMemory, "No memory for \(count) bytes of \(file.path). Make the shuffle buffer smaller.")
    }
    unsafe base = memory
    let got = unsafe try file.read(count, at: extent.lowerBound, into: memory)
    // From here on `deinit` frees the memory.
    guard got == count else { return nil }
  }

  deinit { unsafe free(base) }

  /// Valid as long as this object.
  var bytes: UnsafeRawBufferPointer { unsafe UnsafeRawBufferPointer(start: base, count: count) }
}

/// The bytes of a file one after the other.
struct ByteFeed {
  private let file: InputFile
  private var buffer: [UInt8] = []
  private var next = 0
  /// Where the buffer lies in the file.
  private var start = 0

  init(_ file: InputFile) { self.file = file }

  /// Offset of the byte that comes next.
  var offset: Int { start + next }

  mutating func move(to offset: Int) {
    start = offset
    next = 0
    buffer.removeAll(keepingCapacity: true)
  }

  @inline(__always)
  mutating func byte() throws(DatasetError) -> UInt8? {
    if next == buffer.count { try refill() }
    guard next < buffer.count else { return nil }
    let byte = buffer[next]
    next += 1
    return byte
  }

  private mutating func refill() throws(DatasetError) {
    start += buffer.count
    next = 0
    buffer = try file.bytes(1 << 16, at: start)
  }
}
