public enum InstructionSet: Int, CaseIterable, Sendable { case portable = 1, avx2, avx512
  public static var best: InstructionSet { .portable }
  public static var supported: [InstructionSet] { [.portable] }
  public var name: String { "x" } }
public enum Backend: Sendable { case own, openBLAS }
public enum KernelError: Error { case unsupported(InstructionSet); case outOfMemory(bytes: Int); case backendUnavailable(String) }
public struct MatrixView: @unchecked Sendable { public var pointer: UnsafeMutablePointer<Float>; public var rows, columns, stride: Int
  public init(pointer: UnsafeMutablePointer<Float>, rows: Int, columns: Int, stride: Int) { self.pointer = pointer; self.rows = rows; self.columns = columns; self.stride = stride }
  public func rows(_ r: Range<Int>) -> MatrixView { self }
  public func columns(_ r: Range<Int>) -> MatrixView { self }
}
public struct AlignedBuffer: ~Copyable { public let pointer: UnsafeMutablePointer<Float>; public let count: Int
  public init(count: Int) throws(KernelError) { pointer = .allocate(capacity: count); self.count = count }
  deinit { pointer.deallocate() } }
public enum ElementType: Sendable { case float32, float16, bfloat16 }
public struct WeightSource { public init(base: UnsafeRawPointer, type: ElementType, inputStride: Int, outputStride: Int, outputs: Int) {} }
public final class PackedWeights: Sendable { public let isFinite = true; public let inputs = 0, outputs = 0, bytes = 0; init() {} }
public struct Epilogue { public enum Activation: Sendable { case none, quickGELU, gelu }; public var activation: Activation; public var residual: MatrixView?
  public init(activation: Activation = .none, residual: MatrixView? = nil) { self.activation = activation; self.residual = residual } }
public final class Compute: Sendable {
  public let threads: Int, instructions: InstructionSet, backend: Backend
  public init(threads: Int, instructions: InstructionSet? = nil, backend: Backend = .own) throws(KernelError) { self.threads = 1; self.instructions = .best; self.backend = .own }
  public static var allowedThreads: Int { 1 }
  public func parallel(_ count: Int, _ body: @Sendable (Int) -> Void) {}
  public func pack(inputs: Int, sources: [WeightSource], bias: UnsafePointer<Float>?) throws(KernelError) -> PackedWeights { PackedWeights() }
  public func linear(_ x: MatrixView, _ w: PackedWeights, into y: MatrixView, _ epilogue: Epilogue = .init()) throws(KernelError) {}
  public func layerNorm(_ x: MatrixView, gain: UnsafePointer<Float>, bias: UnsafePointer<Float>, epsilon: Float, into y: MatrixView) {}
  public func attention(q: MatrixView, k: MatrixView, v: MatrixView, into out: MatrixView, sequences: [Sequence], heads: Int, headWidth: Int, scale: Float, causal: Bool) throws(KernelError) {}
  public func gatherPatches(_ pixels: UnsafePointer<Float>, count: Int, channels: Int, height: Int, width: Int, patch: Int, into rows: MatrixView) {}
}
extension Compute { public struct Sequence: Sendable { public init(queryRow: Int, queryCount: Int, keyRow: Int, keyCount: Int) {} } }
