/// What Pillow calls a picture's mode, as far as resizing tells them apart.
enum PictureMode {
  /// L and RGB: each channel by itself.
  case opaque
  /// LA and RGBA: colours are weighted by alpha.
  case alpha
  /// CMYK: four channels, each by itself.
  case ink
  /// P and 1: always resized by NEAREST.
  case indexed
  /// I;16: 16-bit gray, resampled in double precision.
  case gray16
}

/// A picture that is decoded row by row, to 4 bytes a pixel. Gray is spread over red, green and blue, and
/// the fourth byte is alpha, 255 without it, or black ink. Spreading changes no result, as each channel
/// is resampled by itself.
protocol RowSource: ~Copyable {
  var width: Int { get }
  var height: Int { get }
  var mode: PictureMode { get }
  /// Whether the fourth byte may be below 255, be it by an alpha channel or a transparent colour.
  var hasTransparency: Bool { get }
  /// Set to get the rows of a `gray16` picture as 16-bit integers, 2 bytes a pixel.
  var keeps16Bits: Bool { get set }

  /// Begins with row `firstRow`. Answers which columns come, at least those asked for.
  mutating func begin(columns: Range<Int>, firstRow: Int) throws(ImagingError) -> Range<Int>
  /// Writes the next `count` rows, of the columns answered, `stride` bytes apart.
  mutating func read(
    _ count: Int, into rows: UnsafeMutablePointer<UInt8>, stride: Int
  ) throws(ImagingError)
  /// Passes over the remaining rows, so that a truncated picture is told from a whole one.
  mutating func finish() throws(ImagingError)
}

/// Rows that lie in memory: raw pixels, or a picture that had to be decoded whole (of a 16-bit picture that
/// keeps its bits, as such).
@safe struct MemoryRows: RowSource, ~Copyable {
  let width: Int
  let height: Int
  let mode: PictureMode
  let hasTransparency: Bool
  var keeps16Bits = false
  private let base: UnsafePointer<UInt8>
  private let stride: Int
  private let format: PixelFormat
  private var columns = 0..<0
  private var next = 0

  /// `base` holds `height` rows, `stride` bytes apart, and outlives this value.
  init(
    _ base: UnsafePointer<UInt8>, format: PixelFormat, width: Int, height: Int, stride: Int,
    mode: PictureMode, hasTransparency: Bool
  ) {
    unsafe self.base = base
    self.format = format
    self.width = width
    self.height = height
    self.stride = stride
    self.mode = mode
    self.hasTransparency = hasTransparency
  }

  mutating func begin(columns: Range<Int>, firstRow: Int) -> Range<Int> {
    self.columns = columns
    next = firstRow
    return columns
  }

  mutating func read(_ count: Int, into rows: UnsafeMutablePointer<UInt8>, stride: Int) {
    for row in 0..<count {
      // The caller asks for no more rows than there are, within the columns of `begin`.
      let step = keeps16Bits ? 2 : format.bytes
      let from = unsafe base + (next &* self.stride &+ columns.lowerBound &* step)
      let to = unsafe rows + row &* stride
      next &+= 1
      if keeps16Bits {
        unsafe to.update(from: from, count: columns.count &* 2)
        continue
      }
      switch format {
      case .gray: unsafe Self.spread(from, to, columns.count, alpha: false)
      case .grayAlpha: unsafe Self.spread(from, to, columns.count, alpha: true)
      case .rgb: unsafe Self.pad(from, to, columns.count)
      case .rgba: unsafe to.update(from: from, count: columns.count &* 4)
      }
    }
  }

  mutating func finish() {}

  private static func spread(
    _ from: UnsafePointer<UInt8>, _ to: UnsafeMutablePointer<UInt8>, _ count: Int, alpha: Bool
  ) {
    let step = alpha ? 2 : 1
    for x in 0..<count {
      // `count` pixels of `step` bytes to as many of four.
      let value = unsafe from[x &* step]
      unsafe to[x &* 4] = value
      unsafe to[x &* 4 &+ 1] = value
      unsafe to[x &* 4 &+ 2] = value
      unsafe to[x &* 4 &+ 3] = alpha ? from[x &* 2 &+ 1] : 255
    }
  }

  private static func pad(_ from: UnsafePointer<UInt8>, _ to: UnsafeMutablePointer<UInt8>, _ count: Int) {
    for x in 0..<count {
      unsafe to[x &* 4] = from[x &* 3]
      unsafe to[x &* 4 &+ 1] = from[x &* 3 &+ 1]
      unsafe to[x &* 4 &+ 2] = from[x &* 3 &+ 2]
      unsafe to[x &* 4 &+ 3] = 255
    }
  }
}
