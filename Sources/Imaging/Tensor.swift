/// torchvision's `ToTensor` and `Normalize` as a table: value / 255, minus mean, divided by std, each step
/// rounded to float32.
struct Normalization: ~Copyable {
  /// 256 values for red, then green, then blue.
  private let table: Memory<Float>

  init(_ options: PreprocessOptions) throws(ImagingError) {
    table = try Memory(3 * 256, for: "the normalisation table")
    let channels = [
      (options.mean.0, options.std.0), (options.mean.1, options.std.1), (options.mean.2, options.std.2),
    ]
    for (channel, (mean, std)) in channels.enumerated() {
      for value in 0..<256 {
        // channel < 3 and value < 256.
        unsafe table.base[channel * 256 + value] = (Float(value) / 255 - mean) / std
      }
    }
  }

  /// Writes row `y` of a picture of side `size` into the planes at `tensor`. `step` is the distance in
  /// bytes from pixel to pixel.
  func write(
    _ row: UnsafePointer<UInt8>, step: Int, y: Int, size: Int, into tensor: UnsafeMutablePointer<Float>
  ) {
    let plane = size &* size
    for channel in 0..<3 {
      // y < size: a row of each of three planes; a byte is an index into 256 values.
      let values = unsafe table.base + channel &* 256
      let result = unsafe tensor + (channel &* plane &+ y &* size)
      let bytes = unsafe row + channel
      for x in 0..<size { unsafe result[x] = values[Int(bytes[x &* step])] }
    }
  }
}
