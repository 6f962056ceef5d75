/// What training does to a picture beyond the official preprocessing. All of it is told, nothing drawn here: the
/// same values give the same pixels. The default changes nothing.
public struct Augmentation: Sendable, Equatable {
  /// The square that is kept, in place of the one in the centre.
  public struct Crop: Sendable, Equatable {
    /// Side of the square as a part of the picture's shorter side, 0.05...1; 1 is the paper's.
    public var scale: Double
    /// Where it lies: 0 at the left or top edge, 1 at the right or bottom.
    public var left: Double, top: Double

    public init(scale: Double = 1, left: Double, top: Double) {
      (self.scale, self.left, self.top) = (scale, left, top)
    }
  }
  /// nil: the centre crop.
  public var crop: Crop?
  /// Left becomes right.
  public var isMirrored = false
  /// Factors of Pillow's ImageEnhance, applied in this order; 1 changes nothing.
  public var brightness: Float = 1
  public var contrast: Float = 1
  public var saturation: Float = 1

  public init() {}

  /// Refuses what is out of range.
  func check() throws(ImagingError) {
    if let crop {
      guard 0.05...1 ~= crop.scale, 0...1 ~= crop.left, 0...1 ~= crop.top else {
        throw .invalidArgument("the crop is out of range; give a scale of 0.05...1 and a place of 0...1.")
      }
    }
    for factor in [brightness, contrast, saturation] where !(0...2 ~= factor) {
      throw .invalidArgument("brightness, contrast or saturation is \(factor); give 0...2.")
    }
  }

  /// Changes the colours of `size` rows of `size` pixels, `step` bytes from pixel to pixel.
  func applyColours(size: Int, step: Int, row: (Int) -> UnsafeMutablePointer<UInt8>) {
    if brightness != 1 {
      unsafe Self.each(size, step, row) { unsafe Self.blend($0, (0, 0, 0), brightness) }
    }
    if contrast != 1 {
      var sum = 0
      unsafe Self.each(size, step, row) { unsafe sum += Self.gray($0) }
      // Pillow's int(mean + 0.5)
      let mean = Int(Double(sum) / Double(size * size) + 0.5)
      unsafe Self.each(size, step, row) { unsafe Self.blend($0, (mean, mean, mean), contrast) }
    }
    if saturation != 1 {
      unsafe Self.each(size, step, row) { pixel in
        let gray = unsafe Self.gray(pixel)
        unsafe Self.blend(pixel, (gray, gray, gray), saturation)
      }
    }
  }

  @inline(__always)
  private static func each(
    _ size: Int, _ step: Int, _ row: (Int) -> UnsafeMutablePointer<UInt8>,
    _ body: (UnsafeMutablePointer<UInt8>) -> Void
  ) {
    for y in 0..<size {
      let pixels = unsafe row(y)
      // `size` pixels a row.
      for x in 0..<size { unsafe body(pixels + x &* step) }
    }
  }

  /// Pillow's conversion to gray.
  @inline(__always)
  private static func gray(_ pixel: UnsafeMutablePointer<UInt8>) -> Int {
    unsafe (Int(pixel[0]) * 19595 + Int(pixel[1]) * 38470 + Int(pixel[2]) * 7471 + 0x8000) >> 16
  }

  /// Pillow's Image.blend(below, pixel, factor), which goes beyond the pixel for factors above 1.
  @inline(__always)
  private static func blend(
    _ pixel: UnsafeMutablePointer<UInt8>, _ below: (Int, Int, Int), _ factor: Float
  ) {
    func mixed(_ value: UInt8, _ below: Int) -> UInt8 {
      let mixture = Float(below) + factor * Float(Int(value) - below)
      return UInt8(max(0, min(mixture, 255)))
    }
    unsafe pixel[0] = mixed(pixel[0], below.0)
    unsafe pixel[1] = mixed(pixel[1], below.1)
    unsafe pixel[2] = mixed(pixel[2], below.2)
  }
}
