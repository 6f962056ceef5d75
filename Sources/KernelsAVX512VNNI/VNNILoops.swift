import CPlatform

/// The entry of the modules for VNNI: of all loops, the tile of integers alone.
package enum Loops {
  package static func integerTile(_ tile: UnsafePointer<TileTask>, _ weights: UnsafeRawPointer) {
    IntegerPanel(weights).add(tile.pointee)
  }
}

extension IntegerPanel {
  @inline(__always) func add(_ tile: TileTask) { sum(tile, self) }
}
