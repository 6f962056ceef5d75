/// How Pillow would resize a picture of some mode, so that the kept pixels come out the same.
struct Plan {
  let geometry: Geometry
  /// NEAREST, by option or because of the picture's mode.
  let isNearest: Bool
  /// NEAREST positions of 16-bit gray, which Pillow computes one by one instead of adding up steps.
  let isNearestClosedForm: Bool
  /// Resampling of 16-bit integers in double precision.
  let is16Bit: Bool
  /// What happens to pixels before and after the resize.
  let before: PixelStep, after: PixelStep
  /// Channels that are resampled: 3, or 4 where the fourth matters.
  let channels: Int

  init(mode: PictureMode, hasTransparency: Bool, geometry: Geometry, options: PreprocessOptions) {
    let wantsNearest = options.interpolation == .nearest
    if options.alpha == .composite && hasTransparency {
      // Pillow: background.paste(picture.convert("RGBA"), mask=alpha), an RGB picture from here on.
      let (red, green, blue) = options.background
      self.init(geometry, isNearest: wantsNearest, before: .composite(red, green, blue))
    } else if options.convert == .first {
      self.init(geometry, isNearest: wantsNearest, before: mode == .ink ? .inkToRGB : .none)
    } else if wantsNearest || mode == .indexed || geometry.isUnchanged {
      // Picking pixels and converting them can be done in either order.
      self.init(
        geometry, isNearest: wantsNearest || mode == .indexed, isNearestClosedForm: mode == .gray16,
        before: mode == .ink ? .inkToRGB : .none)
    } else {
      switch mode {
      case .alpha:
        self.init(geometry, before: .premultiply, after: .unpremultiply, channels: 4)
      case .ink: self.init(geometry, after: .inkToRGB, channels: 4)
      case .gray16: self.init(geometry, is16Bit: true, channels: 4)
      case .opaque, .indexed: self.init(geometry)
      }
    }
  }

  private init(
    _ geometry: Geometry, isNearest: Bool = false, isNearestClosedForm: Bool = false, is16Bit: Bool = false,
    before: PixelStep = .none, after: PixelStep = .none, channels: Int = 3
  ) {
    self.geometry = geometry
    self.isNearest = isNearest
    self.isNearestClosedForm = isNearestClosedForm
    self.is16Bit = is16Bit
    self.before = before
    self.after = after
    self.channels = channels
  }
}
