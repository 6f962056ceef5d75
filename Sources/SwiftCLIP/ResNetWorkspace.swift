import Kernels

/// The activations of a Modified ResNet, made once a pass: two trunks, which hold a block's input and result,
/// and two branches, which hold what is computed between them.
struct ResNetWorkspace: ~Copyable {
  /// Floats that the widest activations of one picture take.
  struct Room {
    private(set) var trunk = 0
    private(set) var branch = 0

    mutating func trunk(side: Int, channels: Int) throws(CLIPError) {
      trunk = max(trunk, try Room.floats(side, channels))
    }
    mutating func branch(side: Int, channels: Int) throws(CLIPError) {
      branch = max(branch, try Room.floats(side, channels))
    }

    /// The limit keeps sums and strides of a pass far from overflow.
    private static func floats(_ side: Int, _ channels: Int) throws(CLIPError) -> Int {
      let (pixels, first) = side.multipliedReportingOverflow(by: side)
      let (floats, second) = pixels.multipliedReportingOverflow(by: channels)
      guard !first, !second, floats <= 1 << 40 else { throw KernelError.outOfMemory(bytes: .max).told }
      return floats
    }

    /// Floats of a whole workspace for one picture.
    var total: Int { 2 * (trunk + branch) }
  }

  private let count: Int
  private let trunks: Workspace
  private let branches: Workspace

  /// For a pass of `count` pictures.
  init(count: Int, _ room: Room) throws(CLIPError) {
    let (trunkFloats, first) = count.multipliedReportingOverflow(by: room.trunk)
    let (branchFloats, second) = count.multipliedReportingOverflow(by: room.branch)
    guard !first, !second else { throw KernelError.outOfMemory(bytes: .max).told }
    let trunks = try Workspace(rows: 2, columns: trunkFloats)
    let branches = try Workspace(rows: 2, columns: branchFloats)
    self.count = count
    self.trunks = trunks
    self.branches = branches
  }

  func trunk(_ index: Int, side: Int, channels: Int) -> FeatureMaps {
    maps(trunks.view.rows(index..<index + 1), side, channels)
  }

  func branch(_ index: Int, side: Int, channels: Int) -> FeatureMaps {
    maps(branches.view.rows(index..<index + 1), side, channels)
  }

  /// The trunk in which `x` does not lie.
  func trunk(besides x: FeatureMaps, side: Int, channels: Int) -> FeatureMaps {
    trunk(unsafe x.view.pointer == trunks.view.pointer ? 1 : 0, side: side, channels: channels)
  }

  private func maps(_ memory: MatrixView, _ side: Int, _ channels: Int) -> FeatureMaps {
    // `Room` measured these maps, so they fit.
    FeatureMaps(
      view: unsafe MatrixView(pointer: memory.pointer, rows: count * side * side, columns: channels),
      side: side)
  }
}
