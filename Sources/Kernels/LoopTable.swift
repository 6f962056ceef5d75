import CPlatform
import KernelsAVX2
import KernelsAVX2VNNI
import KernelsAVX512
import KernelsAVX512VNNI

/// The loops of one instruction set: the only way from this room into the kernel modules. Chosen once per
/// `Compute`, after the processor was asked.
package struct LoopTable: Sendable {
  /// Columns of a panel of packed weights.
  package let panelColumns: Int
  /// Rows of the largest tile.
  package let tileRows: Int
  /// Inputs per K block: a panel's block (depth × panelColumns) is to stay in the nearest cache that can feed
  /// the tile.
  let depth: Int
  /// Rows per row block: a block of packed rows (rows × depth) is to stay in the second-level cache.
  let blockRows: Int

  package let widen: @Sendable (UnsafePointer<Float16>, UnsafeMutablePointer<Float>, _ count: Int) -> Void
  package let narrow: @Sendable (UnsafePointer<Float>, UnsafeMutablePointer<Float16>, _ count: Int) -> Bool
  package let product: @Sendable (ProductTask) -> Void
  /// In place of the tile of integers that `product` has.
  private(set) var integerTile:
    (@Sendable @convention(c) (UnsafePointer<TileTask>, UnsafeRawPointer) -> Void)?
  package let quantise:
    @Sendable (UnsafePointer<Float>, _ count: Int, _ limit: Float, UnsafeMutablePointer<Int16>) -> Float
  let epilogue:
    @Sendable (UnsafePointer<Float>, _ stride: Int, _ rows: Int, _ columns: Int, EpilogueTask) -> Void
  let winogradInput: @Sendable (WinogradInputTask) -> Void
  let winogradProduct: @Sendable (WinogradProductTask) -> Void
  let winogradOutput: @Sendable (WinogradOutputTask) -> Void
  /// Floats of scratch that the first and the last of these need, and that a block of filters takes.
  let winogradScratch: Int
  let winogradFilterFloats: @Sendable (_ depth: Int) -> Int
  let layerNorm: @Sendable (LayerNormTask) -> Void
  package let attention: @Sendable (AttentionTask) -> Void
  let attentionScratch: @Sendable (_ keys: Int, _ width: Int) -> (Int, overflow: Bool)
  let gradients: GradientLoops

  /// The table of an instruction set, which the processor must support.
  package static func of(_ set: InstructionSet) -> LoopTable {
    switch set {
    case .portable: portable
    case .avx2: avx2
    case .avx2VNNI: avx2VNNI
    case .avx512: avx512
    case .avx512VNNI: avx512VNNI
    }
  }

  private static let avx2VNNI = avx2.with { KernelsAVX2VNNI.Loops.integerTile($0, $1) }
  private static let avx512VNNI = avx512.with { KernelsAVX512VNNI.Loops.integerTile($0, $1) }

  private func with(
    _ integerTile: @escaping @Sendable @convention(c) (UnsafePointer<TileTask>, UnsafeRawPointer) -> Void
  ) -> LoopTable {
    var table = self
    table.integerTile = integerTile
    return table
  }

  private static let portable = LoopTable(
    panelColumns: Loops.panelColumns, tileRows: Loops.rowsPerTile, depth: 512, blockRows: 96,
    widen: { Loops.widen($0, into: $1, count: $2) },
    narrow: { Loops.narrow($0, into: $1, count: $2) },
    product: { Loops.product($0) },
    quantise: { Loops.quantise($0, count: $1, limit: $2, into: $3) },
    epilogue: { Loops.epilogue($0, stride: $1, rows: $2, columns: $3, $4) },
    winogradInput: { Loops.winogradInput($0) },
    winogradProduct: { Loops.winogradProduct($0) },
    winogradOutput: { Loops.winogradOutput($0) },
    winogradScratch: Loops.winogradScratch,
    winogradFilterFloats: { Loops.winogradFilterFloats(depth: $0) },
    layerNorm: { Loops.layerNorm($0) },
    attention: { Loops.attention($0) },
    attentionScratch: { Loops.attentionScratch(keys: $0, width: $1) },
    gradients: .portable)

  private static let avx2 = LoopTable(
    panelColumns: KernelsAVX2.Loops.panelColumns, tileRows: KernelsAVX2.Loops.rowsPerTile,
    depth: 768, blockRows: 168,
    widen: { KernelsAVX2.Loops.widen($0, into: $1, count: $2) },
    narrow: { KernelsAVX2.Loops.narrow($0, into: $1, count: $2) },
    product: { KernelsAVX2.Loops.product($0) },
    quantise: { KernelsAVX2.Loops.quantise($0, count: $1, limit: $2, into: $3) },
    epilogue: { KernelsAVX2.Loops.epilogue($0, stride: $1, rows: $2, columns: $3, $4) },
    winogradInput: { KernelsAVX2.Loops.winogradInput($0) },
    winogradProduct: { KernelsAVX2.Loops.winogradProduct($0) },
    winogradOutput: { KernelsAVX2.Loops.winogradOutput($0) },
    winogradScratch: KernelsAVX2.Loops.winogradScratch,
    winogradFilterFloats: { KernelsAVX2.Loops.winogradFilterFloats(depth: $0) },
    layerNorm: { KernelsAVX2.Loops.layerNorm($0) },
    attention: { KernelsAVX2.Loops.attention($0) },
    attentionScratch: { KernelsAVX2.Loops.attentionScratch(keys: $0, width: $1) },
    gradients: .avx2)

  private static let avx512 = LoopTable(
    panelColumns: KernelsAVX512.Loops.panelColumns, tileRows: KernelsAVX512.Loops.rowsPerTile,
    depth: 768, blockRows: 168,
    widen: { KernelsAVX512.Loops.widen($0, into: $1, count: $2) },
    narrow: { KernelsAVX512.Loops.narrow($0, into: $1, count: $2) },
    product: { KernelsAVX512.Loops.product($0) },
    quantise: { KernelsAVX512.Loops.quantise($0, count: $1, limit: $2, into: $3) },
    epilogue: { KernelsAVX512.Loops.epilogue($0, stride: $1, rows: $2, columns: $3, $4) },
    winogradInput: { KernelsAVX512.Loops.winogradInput($0) },
    winogradProduct: { KernelsAVX512.Loops.winogradProduct($0) },
    winogradOutput: { KernelsAVX512.Loops.winogradOutput($0) },
    winogradScratch: KernelsAVX512.Loops.winogradScratch,
    winogradFilterFloats: { KernelsAVX512.Loops.winogradFilterFloats(depth: $0) },
    layerNorm: { KernelsAVX512.Loops.layerNorm($0) },
    attention: { KernelsAVX512.Loops.attention($0) },
    attentionScratch: { KernelsAVX512.Loops.attentionScratch(keys: $0, width: $1) },
    gradients: .avx512)
}
