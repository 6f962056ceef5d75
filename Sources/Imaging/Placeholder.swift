public enum ImagingError: Error { case io(String), invalidData(String), unsupported(String), limit(String), outOfMemory(String), invalidArgument(String) }
public enum PixelFormat: Int32, Sendable { case gray = 1, grayAlpha = 2, rgb = 3, rgba = 4 }
@safe public enum PictureSource { case file(path: String); case encoded(UnsafeRawBufferPointer); case pixels(UnsafeRawBufferPointer, format: PixelFormat, width: Int, height: Int, stride: Int) }
public struct PreprocessOptions: Sendable {
  public enum Interpolation: Int32, Sendable { case bicubic, bilinear, nearest }
  public enum Alpha: Int32, Sendable { case drop, composite }
  public enum Orientation: Int32, Sendable { case ignore, apply }
  public enum Convert: Int32, Sendable { case last, first }
  public var imageSize = 224, interpolation = Interpolation.bicubic, alpha = Alpha.drop, orientation = Orientation.ignore, convert = Convert.last
  public var background: (UInt8, UInt8, UInt8) = (255, 255, 255)
  public var mean: (Float, Float, Float) = (0.48145466, 0.4578275, 0.40821073)
  public var std: (Float, Float, Float) = (0.26862954, 0.26130258, 0.27577711)
  public var maxPixels: UInt64 = 178_956_970, maxBytes: UInt64 = 268_435_456
  public init() {}
}
public func preprocess(_ picture: PictureSource, _ options: PreprocessOptions, into: UnsafeMutablePointer<Float>) throws(ImagingError) {}
