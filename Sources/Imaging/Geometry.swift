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

  /// `crop` nil: the centre.
  init(width: Int, height: Int, size: Int, crop: Augmentation.Crop? = nil) {
    self.width = width
    self.height = height
    self.size = size
    let short = min(width, height)
    let long = max(width, height)
    // The whole shorter side makes `size` pixels, or the part of it that is kept does.
    let resizedShort = Self.shorterSide(size, crop)
    // Python's int(size * long / short): the product is exact (below 2^53), the quotient rounded once.
    let resizedLong = Int(Double(resizedShort * long) / Double(short))
    resizedWidth = width <= height ? resizedShort : resizedLong
    resizedHeight = width <= height ? resizedLong : resizedShort
    left = Self.place(crop?.left, resizedWidth - size)
    top = Self.place(crop?.top, resizedHeight - size)
  }

  /// The shorter side after the resize.
  static func shorterSide(_ size: Int, _ crop: Augmentation.Crop?) -> Int {
    guard let crop, crop.scale < 1 else { return size }
    return Int((Double(size) / crop.scale).rounded())
  }

  /// One of the `excess` + 1 places that a crop has, each as likely as the others; nil: the centre.
  private static func place(_ part: Double?, _ excess: Int) -> Int {
    guard let part else { return margin(excess) }
    return min(Int(Double(excess + 1) * part), excess)
  }

  /// Python's int(round(excess / 2.0)), which rounds halves to even.
  private static func margin(_ excess: Int) -> Int {
    Int((Double(excess) / 2).rounded(.toNearestOrEven))
  }
}
