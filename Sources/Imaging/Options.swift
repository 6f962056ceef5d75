/// How raw pixels are stored: 8 bits a channel, channels interleaved, rows from top to bottom.
public enum PixelFormat: Int32, Sendable {
  case gray = 1
  case grayAlpha = 2
  case rgb = 3
  case rgba = 4

  /// Bytes a pixel.
  var bytes: Int { Int(rawValue) }
}

/// Where a picture comes from. Memory is borrowed for the length of the call, and only read.
@safe public enum PictureSource: @unchecked Sendable {
  case file(path: String)
  case encoded(UnsafeRawBufferPointer)
  /// `stride` is the distance in bytes from row to row, 0 for rows without a gap.
  case pixels(UnsafeRawBufferPointer, format: PixelFormat, width: Int, height: Int, stride: Int)
}

/// How a picture becomes the tensor that the image encoder reads. The defaults are the official ones.
public struct PreprocessOptions: Sendable {
  public enum Interpolation: Int32, Sendable {
    case bicubic = 0
    case bilinear = 1
    case nearest = 2
  }
  public enum Alpha: Int32, Sendable {
    /// Alpha is forgotten after the resize.
    case drop = 0
    /// The picture is laid on `background` before the resize.
    case composite = 1
  }
  public enum Orientation: Int32, Sendable {
    case ignore = 0
    /// The picture is turned and mirrored as its EXIF block says.
    case apply = 1
  }
  public enum Conversion: Int32, Sendable {
    /// Resize and crop in the picture's own mode, then convert to RGB.
    case last = 0
    /// Convert to RGB, then resize.
    case first = 1
  }
  public enum JPEGDecoding: Int32, Sendable {
    case full = 0
    /// At 1/2, 1/4 or 1/8 of the size where that leaves twice the pixels that the resize needs.
    case scaled = 1
  }

  /// Side of the square result in pixels, 1...4096.
  public var imageSize = 224
  public var interpolation = Interpolation.bicubic
  public var alpha = Alpha.drop
  public var orientation = Orientation.ignore
  public var convert = Conversion.last
  public var jpegDecoding = JPEGDecoding.full
  /// Red, green, blue under a composited picture.
  public var background: (UInt8, UInt8, UInt8) = (255, 255, 255)
  /// Per channel, of values scaled to 0...1; finite.
  public var mean: (Float, Float, Float) = (0.48145466, 0.4578275, 0.40821073)
  /// Per channel; finite, above 0.
  public var std: (Float, Float, Float) = (0.26862954, 0.26130258, 0.27577711)
  /// Width times height above it is refused before memory is taken; 1...2^40.
  public var maxPixels: UInt64 = 178_956_970
  /// Bytes of an encoded picture, likewise; 1...2^40.
  public var maxBytes: UInt64 = 268_435_456
  /// In training only.
  public var augmentation = Augmentation()

  public init() {}

  /// Refuses what is out of range.
  func check() throws(ImagingError) {
    guard 1...4096 ~= imageSize else {
      throw .invalidArgument("image_size is \(imageSize); give 1...4096.")
    }
    for value in [mean.0, mean.1, mean.2] where !value.isFinite {
      throw .invalidArgument("mean holds \(value); give finite numbers.")
    }
    for value in [std.0, std.1, std.2] where !value.isFinite || value <= 0 {
      throw .invalidArgument("std holds \(value); give finite numbers above 0.")
    }
    guard 1...(1 << 40) ~= maxPixels, 1...(1 << 40) ~= maxBytes else {
      throw .invalidArgument("max_pixels or max_bytes is out of range; give 1...2^40.")
    }
    try augmentation.check()
  }

  /// Refuses a picture by the size in its header. No dimension may be 0.
  func check(width: Int, height: Int) throws(ImagingError) {
    guard width > 0, height > 0 else {
      throw .invalidData("the picture is \(width) x \(height) pixels; it needs at least one.")
    }
    let (pixels, overflow) = width.multipliedReportingOverflow(by: height)
    guard !overflow, UInt64(pixels) <= maxPixels else {
      throw .limit(
        "the picture is \(width) x \(height) pixels, above max_pixels = \(maxPixels); "
          + "make it smaller or raise the limit if you trust it.")
    }
  }
}
