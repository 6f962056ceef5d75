import Glibc

/// A file that appears whole or not at all: it is written beside its place under another name, brought to the disk, and
/// only then moved to its place. What was there before stays there until that moment, whatever happens.
struct FileReplacement: ~Copyable {
  private let path: String
  private let temporary: String
  private var descriptor: Int32
  private var buffer: [UInt8] = []
  private var isPublished = false
  private static let bufferBytes = 1 << 15

  init(_ path: String) throws(CLIPError) {
    let (folder, name) = FileReplacement.parts(path)
    self.path = path
    var attempt = 0
    while true {
      let candidate = "\(folder)/.\(name).\(getpid())-\(attempt).partial"
      let file = unsafe open(candidate, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0o666)
      if file >= 0 {
        (temporary, descriptor) = (candidate, file)
        buffer.reserveCapacity(FileReplacement.bufferBytes)
        return
      }
      if errno == EINTR { continue }
      // Another thread, or a process of this number that was killed.
      guard errno == EEXIST, attempt < 1000 else {
        throw CLIPError(.io, "\(path) cannot be written: \(describedErrno()).")
      }
      attempt += 1
    }
  }

  /// A temporary file that did not take its place is removed.
  deinit {
    if descriptor >= 0 { close(descriptor) }
    if !isPublished { _ = unsafe unlink(temporary) }
  }

  mutating func write(_ bytes: UnsafeRawBufferPointer) throws(CLIPError) {
    if bytes.count < FileReplacement.bufferBytes {
      unsafe buffer.append(contentsOf: bytes)
      if buffer.count >= FileReplacement.bufferBytes { try flush() }
    } else {
      try flush()
      unsafe try writeAll(bytes)
    }
  }

  mutating func write(_ bytes: [UInt8]) throws(CLIPError) {
    try flush()
    try unsafe bytes.withUnsafeBufferPointer { (bytes) throws(CLIPError) in
      unsafe try writeAll(UnsafeRawBufferPointer(bytes))
    }
  }

  private mutating func flush() throws(CLIPError) {
    guard !buffer.isEmpty else { return }
    try unsafe buffer.withUnsafeBufferPointer { (bytes) throws(CLIPError) in
      unsafe try writeAll(UnsafeRawBufferPointer(bytes))
    }
    buffer.removeAll(keepingCapacity: true)
  }

  private func writeAll(_ bytes: UnsafeRawBufferPointer) throws(CLIPError) {
    var done = 0
    while done < bytes.count {
      try checkStop()
      let count = unsafe Glibc.write(
        descriptor, bytes.baseAddress.map { unsafe $0 + done }, min(bytes.count - done, 1 << 24))
      if count < 0 && errno == EINTR { continue }
      guard count > 0 else { throw failure() }
      done += count
    }
  }

  /// Brings everything to the disk. To be called once, after the last write.
  mutating func finish() throws(CLIPError) {
    try flush()
    guard fsync(descriptor) == 0 else { throw failure() }
    let file = descriptor
    descriptor = -1
    // Network file systems tell of a full disk here.
    guard close(file) == 0 else { throw failure() }
  }

  /// Takes the place of what was there.
  consuming func publish() throws(CLIPError) {
    guard unsafe rename(temporary, path) == 0 else {
      throw CLIPError(.io, "\(path) cannot be replaced: \(describedErrno()).")
    }
    isPublished = true
    FileReplacement.syncFolder(of: path)
  }

  private func failure() -> CLIPError {
    CLIPError(
      .io,
      "\(path) cannot be written: \(describedErrno()). What was there before is unchanged; free some space or give another place."
    )
  }

  /// So that the new name is on the disk too. Some file systems cannot, which loses nothing that they could keep.
  private static func syncFolder(of path: String) {
    let folder = unsafe open(parts(path).folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
    guard folder >= 0 else { return }
    _ = fsync(folder)
    close(folder)
  }

  private static func parts(_ path: String) -> (folder: String, name: String) {
    guard let slash = path.utf8.lastIndex(of: UInt8(ascii: "/")) else { return (".", path) }
    let name = String(path[path.utf8.index(after: slash)...])
    return (slash == path.startIndex ? "/" : String(path[..<slash]), name)
  }
}

/// The system's words for the last failed call.
func describedErrno() -> String { unsafe String(cString: strerror(errno)) }

/// A small file at once.
func replaceFile(_ path: String, _ bytes: [UInt8]) throws(CLIPError) {
  var file = try FileReplacement(path)
  try file.write(bytes)
  try file.finish()
  try file.publish()
}
