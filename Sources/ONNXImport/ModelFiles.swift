/// The files of one model, each opened once: ONNX files and their external data.
public final class ModelFiles {
  private let readsIntoMemory: Bool
  /// Most bytes that all files together may have.
  private let limit: Int
  private let isStopped: () -> Bool
  private var opened: [String: Region] = [:]
  private var bytes = 0

  /// - Parameters:
  ///   - readsIntoMemory: files are read rather than mapped. Whoever changes or cuts a mapped file while it is read
  ///     changes what is read, or ends the process by SIGBUS.
  ///   - limit: most bytes of all files together; nil: any.
  ///   - isStopped: asked while a file is read; true ends it.
  public init(readsIntoMemory: Bool = false, limit: Int? = nil, isStopped: @escaping () -> Bool = { false }) {
    self.readsIntoMemory = readsIntoMemory
    self.limit = limit ?? .max
    self.isStopped = isStopped
  }

  /// The bytes of a file, by a path that stands for it in messages.
  func open(_ path: String) throws(ImportError) -> Region {
    if let known = opened[path] { return known }
    let file = try RegularFile(path)
    let (sum, overflow) = bytes.addingReportingOverflow(file.size)
    guard !overflow, sum <= limit else {
      throw .limit(
        "\(path): has \(file.size) bytes, with which the model's files are above max_model_bytes = \(limit); "
          + "raise the limit if you trust them")
    }
    let region = try readsIntoMemory ? Region.reading(file, isStopped) : Region.mapping(file)
    opened[path] = region
    bytes = sum
    return region
  }
}
