import Glibc

/// A regular file read into memory. Reading, unlike mapping, cannot fault when another process truncates it.
struct FileBytes: ~Copyable {
  private let memory: Memory<UInt8>

  var bytes: UnsafeRawBufferPointer {
    // Valid as long as the owner, which callers hold across the use.
    unsafe UnsafeRawBufferPointer(start: memory.base, count: memory.count)
  }

  /// Reads the file at `path`, of at most `limit` bytes.
  init(path: String, limit: UInt64) throws(ImagingError) {
    guard !path.isEmpty else { throw .invalidArgument("the path is empty; give a file's name.") }
    // O_NONBLOCK: opening a pipe must not wait for its writer.
    let file = unsafe open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)
    guard file >= 0 else { throw .io("cannot be opened: \(Self.reason(errno)); check the path.") }
    defer { close(file) }
    var status = stat()
    guard unsafe fstat(file, &status) == 0 else {
      throw .io("cannot be examined: \(Self.reason(errno)).")
    }
    guard status.st_mode & S_IFMT == S_IFREG else {
      let kind = status.st_mode & S_IFMT == S_IFDIR ? "a directory" : "not a regular file"
      throw .io("is \(kind); give the path of a picture.")
    }
    guard status.st_size >= 0, UInt64(status.st_size) <= limit else {
      throw .limit(
        "has \(status.st_size) bytes, above max_bytes = \(limit); raise the limit if you trust it.")
    }
    let memory = try Memory<UInt8>(Int(status.st_size), for: "the file's bytes")
    try Self.fill(memory, from: file)
    self.memory = consume memory
  }

  private static func fill(_ memory: borrowing Memory<UInt8>, from file: Int32) throws(ImagingError) {
    var done = 0
    while done < memory.count {
      // done < count, so the rest of the block is what is read into.
      let got = unsafe read(file, memory.base + done, memory.count - done)
      if got < 0 && errno == EINTR { continue }
      guard got >= 0 else { throw .io("cannot be read: \(reason(errno)).") }
      guard got > 0 else { throw .io("became shorter while it was read; try again.") }
      done += got
    }
  }

  /// The system's text for an error number.
  private static func reason(_ code: Int32) -> String {
    var text = [CChar](repeating: 0, count: 128)
    // Writes at most the buffer, NUL included.
    guard unsafe strerror_r(code, &text, text.count) == 0 else { return "error \(code)" }
    return String(decoding: text.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
  }
}
