import Glibc

/// A range of memory that tensors are read from: a file, mapped or read, the caller's bytes, or an array of our own.
///
/// Immutable after it was filled, so it may be shared between threads. Its memory lives as long as the object.
@safe
final class Region: @unchecked Sendable {
  private enum Owner { case mapped, read, borrowed, allocated }

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
  static func mapping(_ file: borrowing RegularFile) throws(ImportError) -> Region {
    guard let memory = unsafe mmap(nil, file.size, PROT_READ, MAP_PRIVATE, file.descriptor, 0),
      unsafe memory != MAP_FAILED
    else {
      throw .io("\(file.path): cannot be mapped: \(describeErrno())")
    }
    return unsafe Region(start: UnsafeRawPointer(memory), count: file.size, owner: .mapped)
  }

  /// Reads a file, which nobody can change under our hands then.
  /// - Parameter isStopped: asked every now and then; true ends it.
  static func reading(
    _ file: borrowing RegularFile, _ isStopped: () -> Bool
  ) throws(ImportError) -> Region {
    guard let memory = unsafe malloc(file.size) else {
      throw .outOfMemory("\(file.path): no memory for its \(file.size) bytes; map it instead of reading it")
    }
    // From here on `deinit` frees the memory.
    let region = unsafe Region(start: UnsafeRawPointer(memory), count: file.size, owner: .read)
    var done = 0
    while done < file.size {
      if isStopped() { throw .stopped }
      let got = unsafe read(file.descriptor, memory + done, min(file.size - done, 1 << 24))
      if got < 0 && errno == EINTR { continue }
      guard got >= 0 else { throw .io("\(file.path): cannot be read: \(describeErrno())") }
      guard got > 0 else { throw .io("\(file.path): became shorter while it was read; try again") }
      done += got
    }
    return region
  }

  deinit {
    switch owner {
    case .mapped: unsafe munmap(UnsafeMutableRawPointer(mutating: start), count)
    case .read, .allocated: unsafe free(UnsafeMutableRawPointer(mutating: start))
    case .borrowed: break
    }
  }

  /// Whether the memory holds numbers of our own making rather than a file's or the caller's.
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

/// A regular file that is not empty, open for reading.
struct RegularFile: ~Copyable {
  let path: String
  let descriptor: Int32
  let size: Int

  init(_ path: String) throws(ImportError) {
    // O_NONBLOCK: opening a pipe must not wait for its writer.
    let descriptor = unsafe open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)
    guard descriptor >= 0 else { throw .io("\(path): cannot be opened: \(describeErrno())") }
    do throws(ImportError) {
      size = try RegularFile.size(descriptor, path)
    } catch {
      close(descriptor)
      throw error
    }
    (self.path, self.descriptor) = (path, descriptor)
  }

  deinit { close(descriptor) }

  private static func size(_ descriptor: Int32, _ path: String) throws(ImportError) -> Int {
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
    return size
  }
}

/// The system's words for the last failed call.
func describeErrno() -> String {
  // strerror_r writes into our own buffer, or answers a constant string.
  let code = errno
  guard let text = unsafe strerror(code) else { return "error \(code)" }
  return unsafe String(cString: text)
}
