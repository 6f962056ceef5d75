import Glibc

/// Writes a file so that at any moment the path holds the old contents or the new ones, whole: into a temporary file
/// beside it, which is brought to the disk and then takes its place.
func writeAtomically(_ bytes: [UInt8], to path: String) throws(CLIPError) {
  let temporary = "\(path).\(getpid()).tmp"
  func failure(_ code: Int32) -> CLIPError {
    CLIPError(
      .io,
      "\(path) cannot be written: \(unsafe String(cString: strerror(code))). What was there before is unchanged."
    )
  }
  let file = unsafe open(temporary, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o666)
  guard file >= 0 else { throw failure(errno) }
  var code = writeAll(bytes, to: file)
  if code == 0, fsync(file) != 0 { code = errno }
  if close(file) != 0, code == 0 { code = errno }
  if code == 0, unsafe rename(temporary, path) != 0 { code = errno }
  guard code == 0 else {
    _ = unsafe unlink(temporary)
    throw failure(code)
  }
  syncFolder(of: path)
}

/// 0, or the number of the error.
private func writeAll(_ bytes: [UInt8], to file: Int32) -> Int32 {
  var done = 0
  while done < bytes.count {
    let count = unsafe bytes.withUnsafeBytes { buffer in
      unsafe write(file, buffer.baseAddress.map { unsafe $0 + done }, buffer.count - done)
    }
    if count < 0 && errno == EINTR { continue }
    guard count > 0 else { return count < 0 ? errno : EIO }
    done += count
  }
  return 0
}

/// Brings the new name to the disk. The contents are there already, so that a file system that refuses this loses
/// the newer version at worst.
private func syncFolder(of path: String) {
  let parts = path.split(separator: "/", omittingEmptySubsequences: false)
  let folder = parts.dropLast().joined(separator: "/")
  let file = unsafe open(parts.count == 1 ? "." : folder.isEmpty ? "/" : folder, O_RDONLY | O_CLOEXEC)
  guard file >= 0 else { return }
  _ = fsync(file)
  close(file)
}
