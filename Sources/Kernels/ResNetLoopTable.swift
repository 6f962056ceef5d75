import CPlatform
import KernelsAVX2
import KernelsAVX512

/// The loops of one instruction set that only the training of a Modified ResNet needs.
struct ResNetLoops: Sendable {
  let moments: @Sendable (MomentsTask) -> Void
  let rectify: @Sendable (RectifyTask) -> Void
  let pool: @Sendable (PoolTask) -> Void
  let unpool: @Sendable (UnpoolTask) -> Void
  let rectifiedSums: @Sendable (RectifiedTask) -> Void
  let rectifiedGradient: @Sendable (RectifiedTask) -> Void
  let joinedSums: @Sendable (JoinedTask) -> Void
  let normGradient: @Sendable (NormGradientTask) -> Void
  let tallProduct: @Sendable (TallProductTask) -> Void
  /// Rows of the panel that `tallProduct` needs as scratch.
  let tallDepth: Int
  let winogradInput: @Sendable (WinogradInputTask) -> Void
  let winogradProduct: @Sendable (WinogradGradientTask) -> Void
  let winogradFilter:
    @Sendable (
      UnsafePointer<Float>, _ pointStride: Int, _ channels: Int, UnsafeMutablePointer<Float>,
      _ scratch: UnsafeMutablePointer<Float>
    ) -> Void
  let winogradFilterScratch: Int

  static func of(_ set: InstructionSet) -> ResNetLoops {
    switch set {
    case .portable: portable
    case .avx2, .avx2VNNI: avx2
    case .avx512, .avx512VNNI: avx512
    }
  }

  private static let portable = ResNetLoops(
    moments: { Loops.moments($0) },
    rectify: { Loops.rectify($0) },
    pool: { Loops.pool($0) },
    unpool: { Loops.unpool($0) },
    rectifiedSums: { Loops.rectifiedSums($0) },
    rectifiedGradient: { Loops.rectifiedGradient($0) },
    joinedSums: { Loops.joinedSums($0) },
    normGradient: { Loops.normGradient($0) },
    tallProduct: { Loops.tallProduct($0) },
    tallDepth: Loops.tallDepth,
    winogradInput: { Loops.winogradGradientInput($0) },
    winogradProduct: { Loops.winogradGradientProduct($0) },
    winogradFilter: {
      Loops.winogradFilterGradient($0, pointStride: $1, channels: $2, into: $3, scratch: $4)
    },
    winogradFilterScratch: Loops.filterGradientScratch)

  private static let avx2 = ResNetLoops(
    moments: { KernelsAVX2.Loops.moments($0) },
    rectify: { KernelsAVX2.Loops.rectify($0) },
    pool: { KernelsAVX2.Loops.pool($0) },
    unpool: { KernelsAVX2.Loops.unpool($0) },
    rectifiedSums: { KernelsAVX2.Loops.rectifiedSums($0) },
    rectifiedGradient: { KernelsAVX2.Loops.rectifiedGradient($0) },
    joinedSums: { KernelsAVX2.Loops.joinedSums($0) },
    normGradient: { KernelsAVX2.Loops.normGradient($0) },
    tallProduct: { KernelsAVX2.Loops.tallProduct($0) },
    tallDepth: KernelsAVX2.Loops.tallDepth,
    winogradInput: { KernelsAVX2.Loops.winogradGradientInput($0) },
    winogradProduct: { KernelsAVX2.Loops.winogradGradientProduct($0) },
    winogradFilter: {
      KernelsAVX2.Loops.winogradFilterGradient($0, pointStride: $1, channels: $2, into: $3, scratch: $4)
    },
    winogradFilterScratch: KernelsAVX2.Loops.filterGradientScratch)

  private static let avx512 = ResNetLoops(
    moments: { KernelsAVX512.Loops.moments($0) },
    rectify: { KernelsAVX512.Loops.rectify($0) },
    pool: { KernelsAVX512.Loops.pool($0) },
    unpool: { KernelsAVX512.Loops.unpool($0) },
    rectifiedSums: { KernelsAVX512.Loops.rectifiedSums($0) },
    rectifiedGradient: { KernelsAVX512.Loops.rectifiedGradient($0) },
    joinedSums: { KernelsAVX512.Loops.joinedSums($0) },
    normGradient: { KernelsAVX512.Loops.normGradient($0) },
    tallProduct: { KernelsAVX512.Loops.tallProduct($0) },
    tallDepth: KernelsAVX512.Loops.tallDepth,
    winogradInput: { KernelsAVX512.Loops.winogradGradientInput($0) },
    winogradProduct: { KernelsAVX512.Loops.winogradGradientProduct($0) },
    winogradFilter: {
      KernelsAVX512.Loops.winogradFilterGradient($0, pointStride: $1, channels: $2, into: $3, scratch: $4)
    },
    winogradFilterScratch: KernelsAVX512.Loops.filterGradientScratch)
}
