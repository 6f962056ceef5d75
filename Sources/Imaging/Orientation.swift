/// How a picture is to be turned, as EXIF numbers it.
enum EXIFOrientation: Int {
  case upright = 1
  case mirrored, turnedHalf, flipped, transposed, turnedRight, transversed, turnedLeft

  var swapsSides: Bool { rawValue >= 5 }

  /// Reads the orientation of an encoded picture; upright where none is given or it cannot be read.
  init(encoded bytes: UnsafeRawBufferPointer, kind: EncodedKind) {
    let reader = unsafe ByteReader(bytes, isLittleEndian: false)
    let offset: Int? =
      switch kind {
      case .jpeg: Self.jpegBlock(reader)
      case .png: Self.pngBlock(reader)
      case .webp: Self.webpBlock(unsafe ByteReader(bytes, isLittleEndian: true))
      }
    self = offset.flatMap { Self.value(reader, $0) }.flatMap(EXIFOrientation.init(rawValue:)) ?? .upright
  }

  /// Where the TIFF header of a JPEG's first EXIF block begins.
  private static func jpegBlock(_ reader: ByteReader) -> Int? {
    var offset = 2
    while let first = reader.u8(offset), let marker = reader.u8(offset + 1) {
      // Junk and fill bytes before a marker are passed over; 0xff00 is no marker.
      guard first == 0xff, marker != 0xff, marker != 0 else {
        offset += 1
        continue
      }
      if marker == 0xda || marker == 0xd9 { return nil }
      if 0xd0...0xd8 ~= marker || marker == 1 {
        offset += 2
        continue
      }
      guard let length = reader.u16(offset + 2), length >= 2 else { return nil }
      if marker == 0xe1 && reader.has("Exif\0\0", at: offset + 4) { return offset + 10 }
      offset += 2 + length
    }
    return nil
  }

  /// Where the TIFF header in a PNG's eXIf chunk begins.
  private static func pngBlock(_ reader: ByteReader) -> Int? {
    var offset = 8
    while let length = reader.u32(offset) {
      if reader.has("eXIf", at: offset + 4) { return offset + 8 }
      if reader.has("IEND", at: offset + 4) { return nil }
      offset += 12 + length
    }
    return nil
  }

  /// Where the TIFF header in a WebP's EXIF chunk begins; some writers put JPEG's prefix before it.
  private static func webpBlock(_ reader: ByteReader) -> Int? {
    guard let chunk = reader.webpChunk("EXIF") else { return nil }
    return reader.has("Exif\0\0", at: chunk.lowerBound) ? chunk.lowerBound + 6 : chunk.lowerBound
  }

  /// The value of tag 0x0112 in the first directory of the TIFF at `offset`.
  private static func value(_ reader: ByteReader, _ offset: Int) -> Int? {
    let isLittleEndian = reader.has("II", at: offset)
    guard isLittleEndian || reader.has("MM", at: offset) else { return nil }
    let tiff = reader.from(offset, isLittleEndian: isLittleEndian)
    guard tiff.u16(2) == 42, let directory = tiff.u32(4), let entries = tiff.u16(directory) else {
      return nil
    }
    for entry in 0..<entries {
      let place = directory + 2 + entry * 12
      guard tiff.u16(place) == 0x0112 else { continue }
      switch tiff.u16(place + 2) {
      case 1: return tiff.u8(place + 8)
      case 3: return tiff.u16(place + 8)
      case 4: return tiff.u32(place + 8)
      default: return nil
      }
    }
    return nil
  }

  /// Copies `width` x `height` pixels of `step` bytes to where they belong when the picture is upright.
  func apply(
    _ from: UnsafePointer<UInt8>, rowBytes: Int, width: Int, height: Int, step: Int,
    into to: UnsafeMutablePointer<UInt8>
  ) {
    let resultWidth = swapsSides ? height : width
    for y in 0..<height {
      let row = unsafe from + y &* rowBytes
      for x in 0..<width {
        let (column, line) = place(x, y, width, height)
        // A bijection between the pixels of the picture and of the result.
        let result = unsafe to + (line &* resultWidth &+ column) &* step
        unsafe result.update(from: row + x &* step, count: step)
      }
    }
  }

  @inline(__always)
  private func place(_ x: Int, _ y: Int, _ width: Int, _ height: Int) -> (Int, Int) {
    let (right, bottom) = (width &- 1 &- x, height &- 1 &- y)
    return switch self {
    case .upright: (x, y)
    case .mirrored: (right, y)
    case .turnedHalf: (right, bottom)
    case .flipped: (x, bottom)
    case .transposed: (y, x)
    case .turnedRight: (bottom, x)
    case .transversed: (bottom, right)
    case .turnedLeft: (y, right)
    }
  }
}
