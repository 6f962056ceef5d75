/// A constant array: bytes of a file as they are, or numbers computed while importing.
struct ConstantTensor: Sendable {
  /// Where the elements are, in row-major order.
  enum Elements: Sendable {
    /// `count` elements of a type, little-endian, at a byte offset. The range lies inside the region.
    case stored(Region, offset: Int, as: ElementType)
    case integers([Int])
    case floats([Float])
  }

  /// What the graph takes the elements for: after a `Cast` that loses nothing, wider than what is stored.
  let type: ElementType
  let count: Int
  let elements: Elements

  init(type: ElementType, count: Int, elements: Elements) {
    self.type = type
    self.count = count
    self.elements = elements
  }

  /// Integers or booleans.
  init(_ integers: [Int], type: ElementType = .int64) {
    self.init(type: type, count: integers.count, elements: .integers(integers))
  }

  /// Floats, held in single precision.
  init(_ floats: [Float], type: ElementType = .float32) {
    self.init(type: type, count: floats.count, elements: .floats(floats))
  }

  /// The elements that `layout` views, as integers. Floats are truncated as C does.
  func integers(_ layout: Layout) throws(ImportError) -> [Int] {
    var result: [Int] = []
    result.reserveCapacity(layout.count)
    switch elements {
    case .integers(let values):
      layout.forEachOffset { (i) in result.append(values[i]) }
    case .floats(let values):
      layout.forEachOffset { (i) in result.append(clampedInt(values[i])) }
    case .stored(let region, let start, let stored):
      try region.withSpan { (bytes) throws(ImportError) in
        try layout.forEachOffset { (i) throws(ImportError) in
          result.append(try loadInteger(bytes, at: start + i * stored.size, as: stored))
        }
      }
    }
    return result
  }

  /// The elements that `layout` views, as floats.
  func floats(_ layout: Layout) throws(ImportError) -> [Float] {
    var result: [Float] = []
    result.reserveCapacity(layout.count)
    switch elements {
    case .integers(let values):
      layout.forEachOffset { (i) in result.append(Float(values[i])) }
    case .floats(let values):
      layout.forEachOffset { (i) in result.append(values[i]) }
    case .stored(let region, let start, let stored):
      try region.withSpan { (bytes) throws(ImportError) in
        try layout.forEachOffset { (i) throws(ImportError) in
          result.append(try loadFloat(bytes, at: start + i * stored.size, as: stored))
        }
      }
    }
    return result
  }
}

/// The bits of `T` at a byte offset, which need not be aligned.
func load<T: BitwiseCopyable & FixedWidthInteger>(
  _ bytes: RawSpan, at offset: Int, as: T.Type
) throws(ImportError) -> T {
  guard offset >= 0, offset <= bytes.byteCount - MemoryLayout<T>.size else {
    throw .malformed("a tensor ends before its last element, at byte \(bytes.byteCount)")
  }
  // In bounds by the line above; every bit pattern is an integer.
  return unsafe T(littleEndian: bytes.unsafeLoadUnaligned(fromByteOffset: offset, as: T.self))
}

private func loadInteger(_ bytes: RawSpan, at offset: Int, as type: ElementType) throws(ImportError) -> Int {
  switch type {
  case .uint8: Int(try load(bytes, at: offset, as: UInt8.self))
  case .int8: Int(try load(bytes, at: offset, as: Int8.self))
  case .bool: try load(bytes, at: offset, as: UInt8.self) == 0 ? 0 : 1
  case .uint16: Int(try load(bytes, at: offset, as: UInt16.self))
  case .int16: Int(try load(bytes, at: offset, as: Int16.self))
  case .int32: Int(try load(bytes, at: offset, as: Int32.self))
  case .uint32: Int(try load(bytes, at: offset, as: UInt32.self))
  case .int64: Int(try load(bytes, at: offset, as: Int64.self))
  case .uint64: Int(truncatingIfNeeded: try load(bytes, at: offset, as: UInt64.self))
  case .float32, .float16, .bfloat16, .float64: clampedInt(try loadFloat(bytes, at: offset, as: type))
  }
}

private func loadFloat(_ bytes: RawSpan, at offset: Int, as type: ElementType) throws(ImportError) -> Float {
  switch type {
  case .float32: Float(bitPattern: try load(bytes, at: offset, as: UInt32.self))
  case .float16: Float(Float16(bitPattern: try load(bytes, at: offset, as: UInt16.self)))
  case .bfloat16: Float(bitPattern: UInt32(try load(bytes, at: offset, as: UInt16.self)) << 16)
  case .float64: Float(Double(bitPattern: try load(bytes, at: offset, as: UInt64.self)))
  default: Float(try loadInteger(bytes, at: offset, as: type))
  }
}
