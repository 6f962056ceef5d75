/// A picture to the tensor that the image encoder reads: shorter side resized to `imageSize`, centre crop,
/// scaled to 0...1, minus mean, divided by std. Every value has the bits that Pillow and torchvision
/// give it. `tensor` takes 3 * imageSize^2 floats, planes red, green, blue, and is written only on success.
public func preprocess(
  _ picture: PictureSource, _ options: PreprocessOptions, into tensor: UnsafeMutablePointer<Float>
) throws(ImagingError) {
  try options.check()
  switch picture {
  case .file(let path):
    do throws(ImagingError) {
      let file = try FileBytes(path: path, limit: options.maxBytes)
      // `file` lives until the end of this scope.
      try unsafe preprocess(encoded: file.bytes, options, into: tensor)
      extendLifetime(file)
    } catch {
      throw error.at("\"\(path)\": ")
    }
  case .encoded(let bytes):
    try unsafe preprocess(encoded: bytes, options, into: tensor)
  case .pixels(let bytes, let format, let width, let height, let stride):
    let rows = try unsafe MemoryRows(
      pixels: bytes, format: format, width: width, height: height, stride: stride, options)
    try unsafe resize(rows, options, into: tensor)
  }
}

/// The encodings that are read.
enum EncodedKind {
  case jpeg, png, webp

  /// Told by the first bytes, never by a file's name.
  init?(_ bytes: UnsafeRawBufferPointer) {
    let reader = unsafe ByteReader(bytes, isLittleEndian: false)
    if reader.u24(0) == 0xffd8ff {
      self = .jpeg
    } else if reader.u32(0) == 0x8950_4e47 && reader.u32(4) == 0x0d0a_1a0a {
      self = .png
    } else if reader.has("RIFF", at: 0) && reader.has("WEBP", at: 8) {
      self = .webp
    } else {
      return nil
    }
  }
}

private func preprocess(
  encoded bytes: UnsafeRawBufferPointer, _ options: PreprocessOptions,
  into tensor: UnsafeMutablePointer<Float>
) throws(ImagingError) {
  guard unsafe !bytes.isEmpty else { throw .invalidData("the picture is empty; give a JPEG, PNG or WebP.") }
  guard UInt64(bytes.count) <= options.maxBytes else {
    throw .limit(
      "the picture has \(bytes.count) bytes, above max_bytes = \(options.maxBytes); "
        + "raise the limit if you trust it.")
  }
  guard let kind = unsafe EncodedKind(bytes) else {
    throw .unsupported(
      "the first bytes are not those of a JPEG, PNG or WebP; save the picture as one of them.")
  }
  let orientation =
    options.orientation == .apply ? unsafe EXIFOrientation(encoded: bytes, kind: kind) : .upright
  switch kind {
  case .jpeg:
    var rows = try unsafe JPEGRows(bytes)
    try options.check(width: rows.width, height: rows.height)
    if options.jpegDecoding == .scaled {
      try rows.scale(to: Geometry.shorterSide(options.imageSize, options.augmentation.crop))
    }
    try unsafe resize(rows, turned: orientation, options, into: tensor)
  case .png:
    let rows = try unsafe PNGRows(bytes)
    try options.check(width: rows.width, height: rows.height)
    try unsafe resize(rows, turned: orientation, options, into: tensor)
  case .webp:
    let picture = try unsafe WebPPicture(file: bytes)
    try options.check(width: picture.width, height: picture.height)
    let pixels = try picture.decode()
    // `pixels` lives until the end of this scope.
    let rows = unsafe MemoryRows(
      pixels.base, format: .rgba, width: picture.width, height: picture.height, stride: picture.width * 4,
      mode: picture.hasAlpha ? .alpha : .opaque, hasTransparency: picture.hasAlpha)
    try unsafe resize(rows, turned: orientation, options, into: tensor)
    extendLifetime(pixels)
  }
}

extension MemoryRows {
  /// Raw pixels of a caller, after checking that the bytes cover them.
  fileprivate init(
    pixels bytes: UnsafeRawBufferPointer, format: PixelFormat, width: Int, height: Int, stride: Int,
    _ options: PreprocessOptions
  ) throws(ImagingError) {
    guard width > 0, height > 0 else {
      throw .invalidArgument("width x height is \(width) x \(height); give at least one pixel.")
    }
    try options.check(width: width, height: height)
    // width * height <= 2^40, so a row fits.
    let row = width * format.bytes
    let distance = stride == 0 ? row : stride
    guard distance >= row else {
      throw .invalidArgument(
        "stride is \(stride), below the \(row) bytes of a row; give 0 for rows without a gap.")
    }
    let (before, overflow) = distance.multipliedReportingOverflow(by: height - 1)
    guard !overflow, let base = bytes.baseAddress, bytes.count >= row, bytes.count - row >= before else {
      throw .invalidArgument(
        "size is \(bytes.count) bytes, too few for \(width) x \(height) pixels of \(format.bytes) bytes, "
          + "rows \(distance) apart; give the bytes of every row.")
    }
    let hasAlpha = format == .grayAlpha || format == .rgba
    unsafe self.init(
      base.assumingMemoryBound(to: UInt8.self), format: format, width: width, height: height,
      stride: distance,
      mode: hasAlpha ? .alpha : .opaque, hasTransparency: hasAlpha)
  }
}

/// Turns the picture first where it is not upright, for which it is decoded whole.
private func resize<Source: RowSource & ~Copyable>(
  _ source: consuming Source, turned orientation: EXIFOrientation, _ options: PreprocessOptions,
  into tensor: UnsafeMutablePointer<Float>
) throws(ImagingError) {
  guard orientation != .upright else { return try unsafe resize(source, options, into: tensor) }
  let (width, height) = (source.width, source.height)
  let (newWidth, newHeight) = orientation.swapsSides ? (height, width) : (width, height)
  let plan = Plan(
    mode: source.mode, hasTransparency: source.hasTransparency,
    geometry: Geometry(
      width: newWidth, height: newHeight, size: options.imageSize, crop: options.augmentation.crop),
    options: options)
  let step = plan.is16Bit ? 2 : 4
  source.keeps16Bits = plan.is16Bit
  let upright = try Memory<UInt8>(try product(width, height, step), for: "the turned picture")
  try unsafe turn(&source, orientation, step: step, into: upright.base)
  var rows = unsafe MemoryRows(
    upright.base, format: .rgba, width: newWidth, height: newHeight, stride: newWidth * step,
    mode: source.mode, hasTransparency: source.hasTransparency)
  rows.keeps16Bits = plan.is16Bit
  try unsafe resize(rows, options, into: tensor)
  extendLifetime(upright)
}

private func turn<Source: RowSource & ~Copyable>(
  _ source: inout Source, _ orientation: EXIFOrientation, step: Int, into upright: UnsafeMutablePointer<UInt8>
) throws(ImagingError) {
  let (width, height) = (source.width, source.height)
  let decoded = try Memory<UInt8>(try product(width, height, step), for: "the decoded picture")
  _ = try source.begin(columns: 0..<width, firstRow: 0)
  try unsafe source.read(height, into: decoded.base, stride: width * step)
  try source.finish()
  unsafe orientation.apply(
    decoded.base, rowBytes: width * step, width: width, height: height, step: step, into: upright)
}

/// Resizes, crops and writes the tensor.
private func resize<Source: RowSource & ~Copyable>(
  _ source: consuming Source, _ options: PreprocessOptions, into tensor: UnsafeMutablePointer<Float>
) throws(ImagingError) {
  let size = options.imageSize
  let plan = Plan(
    mode: source.mode, hasTransparency: source.hasTransparency,
    geometry: Geometry(
      width: source.width, height: source.height, size: size, crop: options.augmentation.crop),
    options: options)
  source.keeps16Bits = plan.is16Bit
  let kept = try KeptPixels(&source, plan, options.interpolation)
  try source.finish()
  // Row y of `size` rows, of `size` pixels each.
  for y in 0..<size { unsafe plan.after.apply(to: kept.row(y), count: size) }
  unsafe options.augmentation.applyColours(size: size, step: kept.step) { unsafe kept.row($0) }
  let normalization = try Normalization(options)
  for y in 0..<size {
    // The last pixel first, and backwards from there, in a mirrored picture.
    let isMirrored = options.augmentation.isMirrored
    let row = unsafe isMirrored ? kept.row(y) + (size - 1) * kept.step : kept.row(y)
    unsafe normalization.write(
      row, step: isMirrored ? -kept.step : kept.step, y: y, size: size, into: tensor)
  }
}
