import CSwiftCLIP
import Datasets
import Glibc
import Kernels
import SwiftCLIP
import Tokenizing

/// What a handle stands for.
enum Resource {
  case model(CLIP)
  case classifier(ZeroShotClassifier)
  case tokenizer(Tokenizer)
  case trainer(SharedTrainer)
  case dataset(Dataset)
  case cancellation(Cancellation)
}

/// All live handles. A handle is a number that is never given twice, dressed as a pointer: so one that was
/// freed, or never existed, is recognised without touching memory, and an object lives until the last call
/// that uses it has returned.
enum Handles {
  static func add(_ resource: Resource) -> OpaquePointer? {
    unsafe table.locked { state in
      state.last += 16
      state.live[state.last] = resource
      return unsafe OpaquePointer(bitPattern: state.last)
    }
  }

  /// Returns the resource, so that it is destroyed after the table is unlocked.
  @discardableResult
  static func remove(_ handle: OpaquePointer?) -> Resource? {
    guard let handle = unsafe handle else { return nil }
    return table.locked { state in state.live.removeValue(forKey: UInt(bitPattern: handle)) }
  }

  static func find(_ handle: OpaquePointer?) -> Resource? {
    guard let handle = unsafe handle else { return nil }
    return table.locked { state in state.live[UInt(bitPattern: handle)] }
  }

  static func model(_ handle: OpaquePointer?) throws(BoundaryError) -> CLIP {
    guard case .model(let model) = unsafe find(handle) else { throw unsafe stale(handle, "model") }
    return model
  }

  /// A model that has what the call needs.
  static func model(_ handle: OpaquePointer?, with part: CLIP.Part) throws(BoundaryError) -> CLIP {
    let clip = unsafe try model(handle)
    try engine { () throws(CLIPError) in try clip.require(part) }
    return clip
  }

  static func classifier(_ handle: OpaquePointer?) throws(BoundaryError) -> ZeroShotClassifier {
    guard case .classifier(let classifier) = unsafe find(handle) else {
      throw unsafe stale(handle, "classifier")
    }
    return classifier
  }

  static func tokenizer(_ handle: OpaquePointer?) throws(BoundaryError) -> Tokenizer {
    guard case .tokenizer(let tokenizer) = unsafe find(handle) else {
      throw unsafe stale(handle, "tokenizer")
    }
    return tokenizer
  }

  static func trainer(_ handle: OpaquePointer?) throws(BoundaryError) -> SharedTrainer {
    guard case .trainer(let trainer) = unsafe find(handle) else { throw unsafe stale(handle, "trainer") }
    return trainer
  }

  static func dataset(_ handle: OpaquePointer?) throws(BoundaryError) -> Dataset {
    guard case .dataset(let dataset) = unsafe find(handle) else { throw unsafe stale(handle, "data set") }
    return dataset
  }

  static func cancellation(_ handle: OpaquePointer?) throws(BoundaryError) -> Cancellation {
    guard case .cancellation(let found) = unsafe find(handle) else {
      throw unsafe stale(handle, "cancellation")
    }
    return found
  }

  private static func stale(_ handle: OpaquePointer?, _ kind: String) -> BoundaryError {
    unsafe handle == nil
      ? .argument("The \(kind) is NULL. Open one first and check the status of that call.")
      : .argument("The \(kind) is not a live handle: it was freed, or is a handle of another kind.")
  }

  private static let table = HandleTable()
}

/// The table under a lock that a forked child finds unlocked.
@safe private final class HandleTable: @unchecked Sendable {
  struct State {
    var live: [UInt: Resource] = [:]
    var last: UInt = 0
  }
  private var state = State()

  init() {
    unsafe pthread_mutex_init(handleLock, nil)
    pthread_atfork(
      { unsafe pthread_mutex_lock(handleLock) }, { unsafe pthread_mutex_unlock(handleLock) },
      { unsafe pthread_mutex_unlock(handleLock) })
  }

  func locked<R>(_ body: (inout State) -> R) -> R {
    unsafe pthread_mutex_lock(handleLock)
    defer { unsafe pthread_mutex_unlock(handleLock) }
    return body(&state)
  }
}

/// Outside of the table, because fork handlers are C functions and can capture nothing.
nonisolated(unsafe) private let handleLock = UnsafeMutablePointer<pthread_mutex_t>.allocate(capacity: 1)
