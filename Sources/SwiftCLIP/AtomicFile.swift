import Glibc

/// A file that appears whole or not at all: written under another name in the same folder, brought to the disk, and
/// renamed. What lay there before stays until then, whatever happens.
@safe struct AtomicFile: ~Copyable {
  private let path: String
  private let temporary: String
  private let descriptor: Int32
  private var isCommitted = false

  init(_ path: String) throws(CLIPError) {
    self.path = path
    // Its own name for each process, so that two that save to one path do not write into each other's file.
    temporary = "\(path).\(getpid()).part"
    descriptor = unsafe open(temporary, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o666)
    guard descriptor >= 0 else { throw AtomicFile.failure("create", temporary) }
  }

  deinit {
    close(descriptor)
    if !isCommitted { unsafe unlink(temporary) }
  }

  func write(_ bytes: UnsafeRawBufferPointer) throws(CLIPError) {
    guard let base = bytes.baseAddress else { return }
    var done = 0
    while done < bytes.count {
      // Linux writes at most 2 GB at once.
      let written = unsafe Glibc.write(descriptor, base + done, min(bytes.count - done, 1 << 30))
      if written < 0 && errno == EINTR { continue }
      guard written > 0 else { throw AtomicFile.failure("write", temporary) }
      done += written
    }
  }

  /// Puts the file in its place.
  mutating func commit() throws(CLIPError) {
    guard fsync(descriptor) == 0 else { throw AtomicFile.failure("write", temporary) }
    guard unsafe rename(temporary, path) == 0 else { throw AtomicFile.failure("rename", temporary) }
    isCommitted = true
    // The name too, where the file system can: a file that is there after a crash is whole in any case.
    let folder = path.lastIndex(of: "/").map { String(path[..<$0]) } ?? "."
    let directory = unsafe open(folder.isEmpty ? "/" : folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
    if directory >= 0 {
      fsync(directory)
      close(directory)
    }
  }

  private static func failure(_ verb: String, _ path: String) -> CLIPError {
    let reason = unsafe String(cString: strerror(errno))
    return CLIPError(
      .io,
      "Cannot \(verb) \(path): \(reason). What was there before is untouched; make room or choose another place."
    )
  }
}

/// A small file at once.
func writeAtomically(_ bytes: [UInt8], to path: String) throws(CLIPError) {
  var file = try AtomicFile(path)
  try unsafe bytes.withUnsafeBufferPointer { (bytes) throws(CLIPError) in
    try unsafe file.write(UnsafeRawBufferPointer(bytes))
  }
  try file.commit()
}
