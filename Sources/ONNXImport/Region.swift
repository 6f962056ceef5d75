import Glibc

/// A range of memory that tensors are read from: a mapped file, the caller's bytes, or an array of our own.
///
/// Immutable after it was filled, so it may be shared between threads. Its memory lives as long as the object.
@safe
final class Region: @unchecked Sendable {
  private enum Owner { case mapped, borrowed, allocated }

  private let start: UnsafeRawPointer
  private let owner: Owner
  /// Bytes in the region.
  let count: Int

  private init(start: UnsafeRawPointer, count: Int, owner: Owner) {
    unsafe self.start = start
    self.count = count
    self.owner = owner
  }

  /// Refers to bytes that the caller keeps alive and unchanged.
  static func borrowing(_ bytes: UnsafeRawBufferPointer) -> Region {
    guard let base = bytes.baseAddress else { return empty }
    return unsafe Region(start: base, count: bytes.count, owner: .borrowed)
  }

  /// A region of no bytes.
  static var empty: Region {
    // Any address will do for a region that has no byte to read.
    unsafe Region(start: UnsafeRawPointer(bitPattern: 16).unsafelyUnwrapped, count: 0, owner: .borrowed)
  }

  /// New memory of `count` floats, filled by `fill`.
  static func floats(
    count: Int, fill: (UnsafeMutableBufferPointer<Float>) throws(ImportError) -> Void
  ) throws(ImportError) -> Region {
    let (bytes, overflow) = count.multipliedReportingOverflow(by: MemoryLayout<Float>.stride)
    guard !overflow, let memory = unsafe malloc(max(bytes, 1)) else {
      throw .outOfMemory("no memory for a tensor of \(count) floats")
    }
    let region = unsafe Region(start: UnsafeRawPointer(memory), count: bytes, owner: .allocated)
    // malloc aligns for every type; nobody else has the memory yet.
    let floats = unsafe memory.bindMemory(to: Float.self, capacity: max(count, 1))
    unsafe try fill(UnsafeMutableBufferPointer(start: floats, count: count))
    return region
  }

  /// Maps a file for reading. Pages are read when they are touched.
  static func mapping(path: String) throws(ImportError) -> Region {
    let descriptor = unsafe open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)
    guard descriptor >= 0 else { throw .io("\(path): cannot be opened: \(describeErrno())") }
    defer { close(descriptor) }
    var status = stat()
    guard unsafe fstat(descriptor, &status) == 0 else {
      throw .io("\(path): cannot be examined: \(describeErrno())")
    }
    guard status.st_mode & S_IFMT == S_IFREG else {
      let kind = status.st_mode & S_IFMT == S_IFDIR ? "a directory" : "not a regular file"
      throw .io("\(path): is \(kind); an ONNX file is needed")
    }
    guard let size = Int(exactly: status.st_size), size > 0 else {
      throw .malformed("\(path): is empty; an ONNX file is needed")
    }
    guard let memory = unsafe mmap(nil, size, PROT_READ, MAP_PRIVATE, descriptor, 0),
      unsafe memory != MAP_FAILED
    else {
      throw .io("\(path): cannot be mapped: \(describeErrno())")
    }
    return unsafe Region(start: UnsafeRawPointer(memory), count: size, owner: .mapped)
  }

  deinit {
    switch owner {
    case .mapped: unsafe munmap(UnsafeMutableRawPointer(mutating: start), count)
    case .allocated: unsafe free(UnsafeMutableRawPointer(mutating: start))
    case .borrowed: break
    }
  }

  /// Whether the memory is the region's own rather than a file's or the caller's.
  var isOwned: Bool { owner == .allocated }

  /// Lends the bytes, bounds-checked.
  func withSpan<R>(_ body: (RawSpan) throws(ImportError) -> R) throws(ImportError) -> R {
    // The memory is valid for `count` bytes as long as self, and self outlives the call.
    let span = unsafe RawSpan(_unsafeStart: start, byteCount: count)
    return try body(span)
  }

  /// Lends the address of the byte at `offset`, which must be in 0...count.
  func withAddress<R, E: Error>(offset: Int, _ body: (UnsafeRawPointer) throws(E) -> R) throws(E) -> R {
    unsafe try body(start + offset)
  }

  /// Tells the system that the whole pages inside a range of a mapped file are not needed any more.
  func discard(offset: Int, count bytes: Int) {
    guard owner == .mapped, offset >= 0, bytes > 0, offset <= count, bytes <= count - offset else { return }
    let page = max(Int(sysconf(Int32(_SC_PAGESIZE))), 1)
    let first = (offset + page - 1) / page * page
    let last = (offset + bytes) / page * page
    guard last > first else { return }
    // Inside the mapping; a private read-only mapping of a file loses nothing, it is read again if touched.
    _ = unsafe madvise(UnsafeMutableRawPointer(mutating: start + first), last - first, MADV_DONTNEED)
  }
}

/// The system's words for the last failed call.
func describeErrno() -> String {
  // strerror_r writes into our own buffer, or answers a constant string.
  let code = errno
  guard let text = unsafe strerror(code) else { return "error \(code)" }
  return unsafe String(cString: text)
}
