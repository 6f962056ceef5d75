import CPlatform
import KernelsAVX2
import KernelsAVX512

/// The loops of one instruction set that only training needs.
struct GradientLoops: Sendable {
  let product: @Sendable (GradientProductTask) -> Void
  let packPanel:
    @Sendable (
      UnsafePointer<Float>, _ stride: Int, _ rows: Int, _ columns: Int, _ width: Int,
      UnsafeMutablePointer<Float>
    ) -> Void
  let layerNorm: @Sendable (LayerNormGradientTask) -> Void
  let attention: @Sendable (AttentionGradientTask) -> Void
  let attentionScratch: @Sendable (_ keys: Int, _ width: Int) -> (Int, overflow: Bool)
  let activation:
    @Sendable (
      UnsafePointer<Float>, UnsafeMutablePointer<Float>, UnsafeMutablePointer<Float>, _ count: Int,
      _ isQuick: Bool
    ) -> Void
  let activate:
    @Sendable (UnsafePointer<Float>, UnsafeMutablePointer<Float>, _ count: Int, _ isQuick: Bool) -> Void
  let add: @Sendable (UnsafePointer<Float>, UnsafeMutablePointer<Float>, _ count: Int) -> Void
  let adamW: @Sendable (AdamWTask) -> Void

  static let portable = GradientLoops(
    product: { Loops.gradientProduct($0) },
    packPanel: { Loops.packPanel($0, stride: $1, rows: $2, columns: $3, width: $4, into: $5) },
    layerNorm: { Loops.layerNormGradient($0) },
    attention: { Loops.attentionGradient($0) },
    attentionScratch: { Loops.attentionGradientScratch(keys: $0, width: $1) },
    activation: { Loops.activationGradient($0, $1, $2, $3, isQuick: $4) },
    activate: { Loops.activate($0, $1, $2, isQuick: $3) },
    add: { Loops.add($0, to: $1, $2) },
    adamW: { Loops.adamW($0) })

  static let avx2 = GradientLoops(
    product: { KernelsAVX2.Loops.gradientProduct($0) },
    packPanel: { KernelsAVX2.Loops.packPanel($0, stride: $1, rows: $2, columns: $3, width: $4, into: $5) },
    layerNorm: { KernelsAVX2.Loops.layerNormGradient($0) },
    attention: { KernelsAVX2.Loops.attentionGradient($0) },
    attentionScratch: { KernelsAVX2.Loops.attentionGradientScratch(keys: $0, width: $1) },
    activation: { KernelsAVX2.Loops.activationGradient($0, $1, $2, $3, isQuick: $4) },
    activate: { KernelsAVX2.Loops.activate($0, $1, $2, isQuick: $3) },
    add: { KernelsAVX2.Loops.add($0, to: $1, $2) },
    adamW: { KernelsAVX2.Loops.adamW($0) })

  static let avx512 = GradientLoops(
    product: { KernelsAVX512.Loops.gradientProduct($0) },
    packPanel: { KernelsAVX512.Loops.packPanel($0, stride: $1, rows: $2, columns: $3, width: $4, into: $5) },
    layerNorm: { KernelsAVX512.Loops.layerNormGradient($0) },
    attention: { KernelsAVX512.Loops.attentionGradient($0) },
    attentionScratch: { KernelsAVX512.Loops.attentionGradientScratch(keys: $0, width: $1) },
    activation: { KernelsAVX512.Loops.activationGradient($0, $1, $2, $3, isQuick: $4) },
    activate: { KernelsAVX512.Loops.activate($0, $1, $2, isQuick: $3) },
    add: { KernelsAVX512.Loops.add($0, to: $1, $2) },
    adamW: { KernelsAVX512.Loops.adamW($0) })
}
