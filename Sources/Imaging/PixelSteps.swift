/// What happens to each pixel on its own: Pillow's conversions between modes, to the bit, on pixels of
/// 4 bytes.
enum PixelStep {
  /// The fourth byte does not matter.
  case none
  /// CMYK to RGB.
  case inkToRGB
  /// RGBA to RGBa: colours times alpha.
  case premultiply
  /// RGBa to RGBA.
  case unpremultiply
  /// `background.paste(picture, mask=alpha)`.
  case composite(UInt8, UInt8, UInt8)

  /// Applies the step to `count` pixels in place.
  func apply(to pixels: UnsafeMutablePointer<UInt8>, count: Int) {
    switch self {
    case .none: break
    case .inkToRGB: unsafe Self.each(pixels, count, Self.inkToRGB)
    case .premultiply: unsafe Self.each(pixels, count, Self.premultiplied)
    case .unpremultiply: unsafe Self.each(pixels, count, Self.unpremultiplied)
    case .composite(let red, let green, let blue):
      let below = SIMD4<UInt32>(UInt32(red), UInt32(green), UInt32(blue), 0)
      unsafe Self.each(pixels, count) { pixel in
        Self.divided255(below &* (255 &- pixel.w) &+ pixel &* pixel.w)
      }
    }
  }

  @inline(__always)
  private static func each(
    _ pixels: UnsafeMutablePointer<UInt8>, _ count: Int, _ change: (SIMD4<UInt32>) -> SIMD4<UInt32>
  ) {
    var pixel = unsafe pixels
    for _ in 0..<count {
      // `count` pixels of four bytes.
      let changed = unsafe change(
        SIMD4(UInt32(pixel[0]), UInt32(pixel[1]), UInt32(pixel[2]), UInt32(pixel[3])))
      unsafe pixel[0] = UInt8(truncatingIfNeeded: changed.x)
      unsafe pixel[1] = UInt8(truncatingIfNeeded: changed.y)
      unsafe pixel[2] = UInt8(truncatingIfNeeded: changed.z)
      unsafe pixel[3] = UInt8(truncatingIfNeeded: changed.w)
      unsafe pixel += 4
    }
  }

  /// Pillow's division by 255 with rounding.
  @inline(__always)
  private static func divided255(_ value: SIMD4<UInt32>) -> SIMD4<UInt32> {
    let biased = value &+ 128
    return ((biased &>> 8) &+ biased) &>> 8
  }

  @inline(__always)
  private static func inkToRGB(_ pixel: SIMD4<UInt32>) -> SIMD4<UInt32> {
    let light = 255 &- pixel.w
    // The quotient is at most `light`, so nothing is clipped.
    var result = SIMD4(repeating: light) &- divided255(pixel &* light)
    result.w = 255
    return result
  }

  @inline(__always)
  private static func premultiplied(_ pixel: SIMD4<UInt32>) -> SIMD4<UInt32> {
    var result = divided255(pixel &* pixel.w)
    result.w = pixel.w
    return result
  }

  @inline(__always)
  private static func unpremultiplied(_ pixel: SIMD4<UInt32>) -> SIMD4<UInt32> {
    let alpha = pixel.w
    guard alpha != 0 && alpha != 255 else { return pixel }
    return SIMD4(
      min(pixel.x &* 255 / alpha, 255), min(pixel.y &* 255 / alpha, 255), min(pixel.z &* 255 / alpha, 255),
      alpha)
  }
}
