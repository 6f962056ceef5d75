/// Which part of which resized picture is kept: torchvision's `Resize(size)` and `CenterCrop(size)`.
struct Geometry {
  /// The picture before the resize.
  let width: Int, height: Int
  /// The picture after it, most of which may never be computed.
  let resizedWidth: Int, resizedHeight: Int
  /// Side of the square that is kept, and where it lies in the resized picture.
  let size: Int, left: Int, top: Int

  /// Whether the resize changes nothing, so that Pillow skips it.
  var isUnchanged: Bool { resizedWidth == width && resizedHeight == height }

  /// Whether the pass along y comes first: since version 13 Pillow does that where the height shrinks by more
  /// than twice the pixels that the width does. The order decides how the pass in between is rounded.
  var isVerticalFirst: Bool {
    let shrinkage = height - resizedHeight
    return shrinkage > 0 && shrinkage > (width - resizedWidth) * 2
  }

  init(width: Int, height: Int, size: Int) {
    self.width = width
    self.height = height
    self.size = size
    let short = min(width, height)
    let long = max(width, height)
    // Python's int(size * long / short): the product is exact (below 2^53), the quotient rounded once.
    let resizedLong = Int(Double(size * long) / Double(short))
    resizedWidth = width <= height ? size : resizedLong
    resizedHeight = width <= height ? resizedLong : size
    left = Self.margin(resizedWidth - size)
    top = Self.margin(resizedHeight - size)
  }

  /// Python's int(round(excess / 2.0)), which rounds halves to even.
  private static func margin(_ excess: Int) -> Int {
    Int((Double(excess) / 2).rounded(.toNearestOrEven))
  }
}
