import Glibc
import SwiftCLIP

/// Runs the engine into memory of its own and copies the result out when it has succeeded: outputs are
/// untouched on failure, even when the tenth of twenty pictures is the broken one.
func throughScratch<T: BitwiseCopyable>(
  _ target: UnsafeMutablePointer<T>, count: Int, _ body: (UnsafeMutablePointer<T>) throws(CLIPError) -> Void
) throws(BoundaryError) {
  let bytes = count * MemoryLayout<T>.stride  // `elements` keeps counts below Int.max / 8
  guard let memory = unsafe malloc(bytes) else {
    throw BoundaryError(
      CLIPError(.outOfMemory, "No memory for \(bytes) bytes of results. Ask for fewer items at once."))
  }
  defer { unsafe free(memory) }
  let scratch = unsafe memory.bindMemory(to: T.self, capacity: count)
  try engine { () throws(CLIPError) in unsafe try body(scratch) }
  unsafe memcpy(target, scratch, bytes)
}
