import Glibc

/// Turns tensors of a file into constants without copying their bytes, opening external data where they say so.
struct TensorReader: ~Copyable {
  /// The bytes of the ONNX file.
  let region: Region
  /// The folder that external data must stay in, and the files opened there; nil where there is none (a model in
  /// memory).
  let external: (folder: String, files: ModelFiles)?

  /// The constant that a tensor holds. Errors name the tensor.
  func constant(_ tensor: TensorRecord) throws(ImportError) -> (tensor: ConstantTensor, shape: [Int]) {
    do {
      return (try read(tensor), tensor.shape)
    } catch {
      throw error.mapped { "tensor \(quoted(tensor.name)) \($0)" }
    }
  }

  private func read(_ tensor: TensorRecord) throws(ImportError) -> ConstantTensor {
    let count = try checkedCount(tensor.shape)
    guard !tensor.isSegment else { throw .unsupported("is stored in segments, which is not supported") }
    guard let type = ElementType(rawValue: tensor.type) else {
      throw .unsupported(
        "has element type \(tensor.type), which is not supported (float8, 4-bit, string, complex)")
    }
    if tensor.isExternal { return try externalData(tensor, type: type, count: count) }
    let typed = tensor.floats.count + tensor.integers.count + (tensor.packedFloats?.count ?? 0)
    if let raw = tensor.raw, !raw.isEmpty || typed == 0 {
      guard typed == 0 else { throw .malformed("has both raw_data and typed data") }
      return try stored(region, raw, type: type, count: count)
    }
    if let packed = tensor.packedFloats, type == .float32 {
      return try stored(region, packed, type: type, count: count)
    }
    return try self.typed(tensor, type: type, count: count)
  }

  private func stored(
    _ region: Region, _ range: Range<Int>, type: ElementType, count: Int
  ) throws(ImportError) -> ConstantTensor {
    // count is at most 2^40, so the product cannot overflow.
    guard range.count == count * type.size else {
      throw .malformed(
        "has \(range.count) bytes of data at byte \(range.lowerBound), but its shape needs \(count * type.size)"
      )
    }
    return ConstantTensor(
      type: type, count: count, elements: .stored(region, offset: range.lowerBound, as: type))
  }

  private func typed(_ tensor: TensorRecord, type: ElementType, count: Int) throws(ImportError)
    -> ConstantTensor
  {
    switch type {
    case .float32, .float64:
      guard tensor.floats.count == count, tensor.integers.isEmpty else {
        throw .malformed("has \(tensor.floats.count) values, but its shape needs \(count)")
      }
      return ConstantTensor(tensor.floats, type: type)
    default:
      guard tensor.integers.count == count, tensor.floats.isEmpty, tensor.packedFloats == nil else {
        throw .malformed("has \(tensor.integers.count) values, but its shape needs \(count)")
      }
    }
    switch type {
    // Half precision travels as its bits in integers.
    case .float16:
      return ConstantTensor(
        tensor.integers.map { Float(Float16(bitPattern: UInt16(truncatingIfNeeded: $0))) }, type: type)
    case .bfloat16:
      return ConstantTensor(
        tensor.integers.map { Float(bitPattern: UInt32(UInt16(truncatingIfNeeded: $0)) << 16) }, type: type)
    case .bool: return ConstantTensor(tensor.integers.map { $0 == 0 ? 0 : 1 }, type: type)
    default:
      if let range = type.integerRange, let wrong = tensor.integers.first(where: { !range.contains($0) }) {
        throw .malformed("holds \(wrong), which does not fit its element type")
      }
      return ConstantTensor(tensor.integers, type: type)
    }
  }

  private func externalData(
    _ tensor: TensorRecord, type: ElementType, count: Int
  ) throws(ImportError) -> ConstantTensor {
    guard let external else {
      throw .unsupported(
        "refers to external data, which a model in memory cannot have; open it from its file")
    }
    let location = tensor.external["location"] ?? ""
    let file = try external.files.open(resolve(location, inside: external.folder))
    let offset = try number(tensor.external["offset"]) ?? 0
    let length = try number(tensor.external["length"]) ?? count * type.size
    guard offset <= file.count, length <= file.count - offset else {
      throw .malformed(
        "takes bytes \(offset)+\(length) of \(quoted(location)), which has only \(file.count)")
    }
    return try stored(file, offset..<offset + length, type: type, count: count)
  }

  private func number(_ text: String?) throws(ImportError) -> Int? {
    guard let text else { return nil }
    guard let value = Int(text), value >= 0 else {
      throw .malformed("has external data at the impossible offset or length \(quoted(text))")
    }
    return value
  }

  /// The real path of a location, which must be a file inside the folder, links followed.
  private func resolve(_ location: String, inside folder: String) throws(ImportError) -> String {
    let parts = location.split(separator: "/", omittingEmptySubsequences: false)
    guard !location.isEmpty, !location.hasPrefix("/"), !parts.contains(".."), !location.utf8.contains(0)
    else {
      throw .malformed(
        "refers to external data at \(quoted(location)); only files inside the model's folder are read")
    }
    guard let base = realPath(folder), let path = realPath("\(folder)/\(location)") else {
      throw .io("refers to external data in \(quoted(location)), which cannot be found: \(describeErrno())")
    }
    guard path == base || path.hasPrefix(base == "/" ? "/" : base + "/") else {
      throw .malformed(
        "refers to external data at \(quoted(location)), a link out of the model's folder; copy the file there instead"
      )
    }
    return path
  }
}

/// The absolute path with every link followed, or nil with errno set.
private func realPath(_ path: String) -> String? {
  // realpath allocates its answer, which we free after copying it.
  guard let resolved = unsafe realpath(path, nil) else { return nil }
  defer { unsafe free(resolved) }
  return unsafe String(cString: resolved)
}
