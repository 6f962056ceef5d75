// The conventions of the boundary, stated once.
//
// An exported function is `@_cdecl(name) @implementation`: the compiler rejects it unless its type is the one
// that include/swiftclip.h declares. It checks its arguments with Arguments.swift, finds its handles with
// Handles.swift, calls the engine, and copies the result out last, so that outputs are untouched on failure.
// Its body runs inside `boundary`, which turns a thrown error into a status and keeps the message for
// `swiftclip_last_error` on this thread. The engine below never sees C.

import CSwiftCLIP
import Datasets
import Glibc
import Kernels
import SwiftCLIP

/// Why a call fails before the engine is asked, or what the engine answered.
struct BoundaryError: Error {
  let status: swiftclip_status
  let message: String

  init(_ status: swiftclip_status, _ message: String) {
    self.status = status
    self.message = message
  }

  static func argument(_ message: String) -> BoundaryError {
    BoundaryError(SWIFTCLIP_INVALID_ARGUMENT, message)
  }

  init(_ error: CLIPError) {
    switch error.kind {
    case .invalidArgument: status = SWIFTCLIP_INVALID_ARGUMENT
    case .io: status = SWIFTCLIP_IO_ERROR
    case .invalidData: status = SWIFTCLIP_INVALID_DATA
    case .unsupported: status = SWIFTCLIP_UNSUPPORTED
    case .textTooLong: status = SWIFTCLIP_TEXT_TOO_LONG
    case .limitExceeded: status = SWIFTCLIP_LIMIT_EXCEEDED
    case .outOfMemory: status = SWIFTCLIP_OUT_OF_MEMORY
    case .cancelled: status = SWIFTCLIP_CANCELLED
    case .deadlineExceeded: status = SWIFTCLIP_DEADLINE_EXCEEDED
    case .missingPart: status = SWIFTCLIP_MISSING_PART
    }
    message = error.message
  }
}

extension BoundaryError {
  init(_ error: DatasetError) {
    switch error.kind {
    case .invalidArgument: status = SWIFTCLIP_INVALID_ARGUMENT
    case .io: status = SWIFTCLIP_IO_ERROR
    case .invalidData: status = SWIFTCLIP_INVALID_DATA
    case .unsupported: status = SWIFTCLIP_UNSUPPORTED
    case .textTooLong: status = SWIFTCLIP_TEXT_TOO_LONG
    case .limitExceeded: status = SWIFTCLIP_LIMIT_EXCEEDED
    case .outOfMemory: status = SWIFTCLIP_OUT_OF_MEMORY
    case .cancelled: status = SWIFTCLIP_CANCELLED
    case .deadlineExceeded: status = SWIFTCLIP_DEADLINE_EXCEEDED
    }
    message = error.message
  }
}

/// Runs the body of an exported function, in the default floating-point mode: that of the host changes no result, and
/// is the host's again afterwards, and inside of its callbacks (`calling`).
func boundary(_ body: () throws(BoundaryError) -> Void) -> swiftclip_status {
  let mode = FloatMode.begin()
  defer { mode.restore() }
  do {
    try body()
    return SWIFTCLIP_OK
  } catch {
    LastError.set(error.message)
    return error.status
  }
}

/// Calls the engine and tells its errors in the boundary's terms.
func engine<R>(_ body: () throws(CLIPError) -> R) throws(BoundaryError) -> R {
  do { return try body() } catch { throw BoundaryError(error) }
}

/// The message of the last failure, one a thread, freed when the thread ends.
enum LastError {
  private static let key: pthread_key_t? = {
    var key = pthread_key_t()
    return unsafe pthread_key_create(&key, { unsafe free($0) }) == 0 ? key : nil
  }()

  static func set(_ message: String) {
    guard let key else { return }
    // strdup owns the copy until the next failure or the end of the thread. Messages hold no NUL: they are
    // sentences, and what they quote is cut there at worst.
    let copy = unsafe strdup(message)
    let previous = unsafe pthread_getspecific(key)
    if unsafe pthread_setspecific(key, copy) == 0 { unsafe free(previous) } else { unsafe free(copy) }
  }

  static var pointer: UnsafePointer<CChar> {
    if let key, let message = unsafe pthread_getspecific(key) {
      return unsafe UnsafePointer(message.assumingMemoryBound(to: CChar.self))
    }
    return unsafe StaticText.empty
  }
}

/// C strings that live as long as the library.
enum StaticText {
  nonisolated(unsafe) static let empty = unsafe make("")

  /// Never freed: made once for each name.
  static func make(_ text: StaticString) -> UnsafePointer<CChar> {
    unsafe UnsafeRawPointer(text.utf8Start).assumingMemoryBound(to: CChar.self)
  }
}
