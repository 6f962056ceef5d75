import Glibc
import Kernels

// A checkpoint is everything from which training goes on with the bits that it would have had without a stop:
//
//     magic with a version, length of the header
//     header: architecture, options, steps done, the vocabulary file
//     float32: values, first moments, second moments, running statistics
//     checksum of all before it
//
// Integers are 64 bits, little-endian, as every machine that Swift runs on here has them.

extension Trainer {
  private static let magic: UInt64 = 0x3152_5450_4c43_5753  // "SWCLPTR1"

  /// More than anybody makes, and far from what an integer holds: the next step can always be counted.
  private static let stepLimit = 0...1 << 53

  /// Writes a checkpoint, whole or not at all.
  public func save(_ path: String) throws(CLIPError) {
    var header = HeaderWriter()
    header.add(architecture)
    header.add(options)
    header.add(stepsDone)
    header.add(vocabulary)
    var file = try FileReplacement(path)
    var checksum = Checksum()
    var start = HeaderWriter()
    start.add(Int(bitPattern: UInt(Self.magic)))
    start.add(header.bytes.count)
    try file.write(start.bytes, &checksum)
    try file.write(header.bytes, &checksum)
    for index in unsafe sections.indices {
      let bytes = unsafe UnsafeRawBufferPointer(sections[index])
      unsafe checksum.add(bytes)
      try unsafe file.write(bytes)
    }
    var end = HeaderWriter()
    end.add(Int(bitPattern: UInt(checksum.value)))
    try file.write(end.bytes, &checksum)
    try file.finish()
    try file.publish()
  }

  private var sections: [UnsafeMutableBufferPointer<Float>] {
    unsafe [
      UnsafeMutableBufferPointer(start: store.values, count: store.count),
      UnsafeMutableBufferPointer(start: optimiser.momentum, count: store.count),
      UnsafeMutableBufferPointer(start: optimiser.variance, count: store.count),
      UnsafeMutableBufferPointer(start: store.bufferValues, count: store.bufferCount),
    ]
  }

  /// Opens a checkpoint.
  /// - Parameter change: what is different from now on, such as the number of threads.
  public static func resume(
    _ path: String, _ change: (inout Options) -> Void = { _ in }
  ) throws(CLIPError) -> Trainer {
    let file = try ReadFile(path)
    var checksum = Checksum()
    var start = HeaderReader(try file.read(16, &checksum), path)
    guard try UInt64(bitPattern: Int64(start.integer())) == magic else {
      throw CLIPError(
        .invalidData, "\(path) is not a checkpoint of swiftclip. Give a file that Trainer.save wrote.")
    }
    let length = try start.integer()
    guard length > 0, length <= file.size else { throw HeaderReader.damaged(path) }
    var header = HeaderReader(try file.read(length, &checksum), path)
    let architecture = try header.architecture()
    var options = try header.options()
    let stepsDone = try header.integer()
    let vocabulary = try header.byteArray()
    guard stepLimit.contains(stepsDone), header.isAtEnd else { throw HeaderReader.damaged(path) }
    try checkSize(file.size, 16 + length, architecture, path)
    change(&options)

    let trainer = try Trainer(laidOut: architecture, options)
    for index in unsafe trainer.sections.indices {
      try unsafe file.read(into: UnsafeMutableRawBufferPointer(trainer.sections[index]), &checksum)
    }
    let expected = checksum.value
    var end = HeaderReader(try file.read(8, &checksum), path)
    guard try UInt64(bitPattern: Int64(end.integer())) == expected else { throw HeaderReader.damaged(path) }
    trainer.stepsDone = stepsDone
    trainer.vocabulary = vocabulary
    return trainer
  }

  /// Before memory is taken: a damaged header must not ask for more than the file has.
  private static func checkSize(
    _ size: Int, _ header: Int, _ architecture: Architecture, _ path: String
  ) throws(CLIPError) {
    try architecture.check()
    var layout = ParameterLayout()
    _ = TrainedTowers(architecture, &layout)
    // Sizes were bounded by the check above: no sum here can overflow.
    guard size == header + 4 * (3 * layout.count + layout.bufferCount) + 8 else {
      throw HeaderReader.damaged(path)
    }
  }
}

/// The bytes of a header.
private struct HeaderWriter {
  private(set) var bytes: [UInt8] = []

  mutating func add(_ value: Int) {
    for shift in 0..<8 { bytes.append(UInt8(truncatingIfNeeded: value >> (8 * shift))) }
  }

  mutating func add(_ value: Double) { add(Int(truncatingIfNeeded: value.bitPattern)) }

  mutating func add(_ value: [UInt8]) {
    add(value.count)
    bytes += value
  }

  mutating func add(_ a: Architecture) {
    add(a.embedDim)
    add(a.imageSize)
    switch a.vision {
    case .transformer(let layers, let width, let patch, let heads):
      for value in [layers, 0, 0, 0, width, patch, heads] { add(value) }
    case .resNet(let blocks, let width, let heads):
      for value in blocks + [width, 0, heads] { add(value) }
    }
    for value in [a.contextLength, a.vocabularySize, a.textWidth, a.textHeads, a.textLayers] { add(value) }
    add(a.quickGELU ? 1 : 0)
  }

  mutating func add(_ o: Trainer.Options) {
    for value in [o.learningRate, o.weightDecay, o.beta1, o.beta2, o.epsilon, o.clipNorm] { add(value) }
    for value in [o.warmup, o.steps, o.accumulate, o.threads, Int(truncatingIfNeeded: o.seed)] { add(value) }
    add(o.freeze.count)
    for name in o.freeze { add(Array(name.utf8)) }
  }
}

private struct HeaderReader {
  private let bytes: [UInt8]
  private let path: String
  private var place = 0

  init(_ bytes: [UInt8], _ path: String) { (self.bytes, self.path) = (bytes, path) }

  static func damaged(_ path: String) -> CLIPError {
    CLIPError(
      .invalidData,
      "\(path) is damaged: it is cut short, or its checksum differs. Resume from an older checkpoint.")
  }

  var isAtEnd: Bool { place == bytes.count }

  mutating func integer() throws(CLIPError) -> Int {
    guard bytes.count - place >= 8 else { throw HeaderReader.damaged(path) }
    var value: UInt64 = 0
    for index in 0..<8 { value |= UInt64(bytes[place + index]) << UInt64(8 * index) }
    place += 8
    return Int(truncatingIfNeeded: value)
  }

  mutating func double() throws(CLIPError) -> Double {
    Double(bitPattern: UInt64(bitPattern: Int64(try integer())))
  }

  mutating func byteArray() throws(CLIPError) -> [UInt8] {
    let count = try integer()
    guard count >= 0, count <= bytes.count - place else { throw HeaderReader.damaged(path) }
    defer { place += count }
    return Array(bytes[place..<place + count])
  }

  mutating func architecture() throws(CLIPError) -> Architecture {
    var values: [Int] = []
    for _ in 0..<15 { values.append(try integer()) }
    let vision: Architecture.Vision =
      values[7] > 0
      ? .transformer(layers: values[2], width: values[6], patch: values[7], heads: values[8])
      : .resNet(blocks: Array(values[2...5]), width: values[6], heads: values[8])
    var architecture = Architecture(
      embedDim: values[0], imageSize: values[1], vision: vision, contextLength: values[9],
      vocabularySize: values[10],
      textWidth: values[11], textHeads: values[12], textLayers: values[13])
    architecture.quickGELU = values[14] == 1
    return architecture
  }

  mutating func options() throws(CLIPError) -> Trainer.Options {
    var o = Trainer.Options()
    o.learningRate = try double()
    o.weightDecay = try double()
    o.beta1 = try double()
    o.beta2 = try double()
    o.epsilon = try double()
    o.clipNorm = try double()
    o.warmup = try integer()
    o.steps = try integer()
    o.accumulate = try integer()
    o.threads = try integer()
    o.seed = UInt64(bitPattern: Int64(try integer()))
    let count = try integer()
    guard count >= 0, count <= bytes.count else { throw HeaderReader.damaged(path) }
    for _ in 0..<count {
      guard let name = String(validating: try byteArray(), as: UTF8.self) else {
        throw HeaderReader.damaged(path)
      }
      o.freeze.append(name)
    }
    return o
  }
}

/// A checksum against damage, not against forgery: 64-bit words, multiplied and rotated.
private struct Checksum {
  private(set) var value: UInt64 = 0x243f_6a88_85a3_08d3

  mutating func add(_ bytes: UnsafeRawBufferPointer) {
    var place = 0
    while place + 8 <= bytes.count {
      mix(unsafe bytes.loadUnaligned(fromByteOffset: place, as: UInt64.self))
      place += 8
    }
    while place < bytes.count {
      mix(unsafe UInt64(bytes[place]))
      place += 1
    }
  }

  private mutating func mix(_ word: UInt64) {
    let mixed = (value ^ word) &* 0x9e37_79b9_7f4a_7c15
    value = (mixed << 29 | mixed >> 35) ^ (mixed >> 32)
  }
}

extension FileReplacement {
  fileprivate mutating func write(_ bytes: [UInt8], _ checksum: inout Checksum) throws(CLIPError) {
    try unsafe bytes.withUnsafeBufferPointer { (bytes) throws(CLIPError) in
      unsafe checksum.add(UnsafeRawBufferPointer(bytes))
      try unsafe write(UnsafeRawBufferPointer(bytes))
    }
  }
}

/// A file that is read from front to back.
private struct ReadFile: ~Copyable {
  let size: Int
  private let path: String
  private let descriptor: Int32

  init(_ path: String) throws(CLIPError) {
    self.path = path
    // O_NONBLOCK: opening a pipe must not wait for its writer.
    descriptor = unsafe open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)
    guard descriptor >= 0 else {
      throw CLIPError(.io, "Cannot open \(path): \(unsafe String(cString: strerror(errno))). Check the name.")
    }
    var status = stat()
    guard unsafe fstat(descriptor, &status) == 0, status.st_mode & S_IFMT == S_IFREG else {
      close(descriptor)
      throw CLIPError(.io, "\(path) is not a file. Give a checkpoint that Trainer.save wrote.")
    }
    size = Int(status.st_size)
  }

  deinit { close(descriptor) }

  func read(_ count: Int, _ checksum: inout Checksum) throws(CLIPError) -> [UInt8] {
    var bytes = [UInt8](repeating: 0, count: count)
    try unsafe bytes.withUnsafeMutableBufferPointer { (bytes) throws(CLIPError) in
      try unsafe read(into: UnsafeMutableRawBufferPointer(bytes), &checksum)
    }
    return bytes
  }

  func read(into bytes: UnsafeMutableRawBufferPointer, _ checksum: inout Checksum) throws(CLIPError) {
    guard let base = bytes.baseAddress else { return }
    var done = 0
    while done < bytes.count {
      try checkStop()
      let count = unsafe Glibc.read(descriptor, base + done, min(bytes.count - done, 1 << 24))
      if count < 0 && errno == EINTR { continue }
      guard count > 0 else { throw HeaderReader.damaged(path) }
      done += count
    }
    unsafe checksum.add(UnsafeRawBufferPointer(bytes))
  }
}
