import CPlatform

/// The instruction sets that the inner loops are compiled for, from the one that every processor has to the
/// widest.
public enum InstructionSet: Int, CaseIterable, Sendable {
  /// What every x86-64 processor has (SSE2), or the baseline of another architecture.
  case portable = 1
  /// AVX2, FMA and F16C: 256-bit vectors.
  case avx2 = 2
  /// AVX2 with AVX-VNNI for products of integers.
  case avx2VNNI = 4
  /// AVX-512 F, VL, BW and DQ: 512-bit vectors.
  case avx512 = 3
  /// AVX-512 with AVX-512 VNNI for products of integers.
  case avx512VNNI = 5

  /// Those that this processor executes and whose registers the operating system saves, in ascending order.
  public static var supported: [InstructionSet] {
    let features = platform_features()
    return allCases.filter { set in
      switch set {
      case .portable: true
      case .avx2: features & UInt32(PLATFORM_AVX2) != 0
      case .avx2VNNI: features & UInt32(PLATFORM_AVX2_VNNI) != 0
      case .avx512: features & UInt32(PLATFORM_AVX512) != 0
      case .avx512VNNI: features & UInt32(PLATFORM_AVX512_VNNI) != 0
      }
    }
  }

  /// The widest one supported.
  public static var best: InstructionSet { supported.last ?? .portable }

  public var name: String {
    switch self {
    case .portable: "portable"
    case .avx2: "AVX2"
    case .avx2VNNI: "AVX2 with VNNI"
    case .avx512: "AVX-512"
    case .avx512VNNI: "AVX-512 with VNNI"
    }
  }
}

/// Who multiplies matrices.
public enum Backend: Sendable {
  /// The loops of this package.
  case own
  /// The system's OpenBLAS, opened with dlopen.
  case openBLAS
}

/// Why a kernel could not do its work.
public enum KernelError: Error, CustomStringConvertible {
  /// The processor lacks the instruction set asked for.
  case unsupported(InstructionSet)
  /// OpenBLAS multiplies floats only.
  case imprecise(Precision)
  /// An allocation of so many bytes failed; `Int.max` if the size itself overflowed.
  case outOfMemory(bytes: Int)
  /// A backend could not be opened, and why.
  case backendUnavailable(String)
  /// A cancellation that is attached to the calling thread says so.
  case stopped(Cancellation.Reason)

  public var description: String {
    switch self {
    case .unsupported(let set):
      "This processor or operating system does not support \(set.name). Ask for a lower instruction set, or "
        + "for none to get the best one."
    case .imprecise(let precision):
      "The OpenBLAS backend computes in float32 only, not in \(precision). Use the own kernels for it."
    case .outOfMemory(let bytes):
      "No memory for \(bytes) more bytes. Use smaller batches or a smaller model."
    case .backendUnavailable(let reason):
      "The OpenBLAS backend cannot be used: \(reason). Install libopenblas, or use the own kernels."
    case .stopped(.cancelled): "The call was cancelled."
    case .stopped(.deadline): "The call did not end before its deadline."
    }
  }
}
