import Glibc
import ONNXImport
import Tokenizing

/// The recognised halves of a CLIP, from whichever files they came.
struct Towers: Sendable {
  var image: ImageTower?
  var text: TextTower?
  var logitScale: Float?
  /// The vocabulary that a file carries in its metadata.
  var merges: String?

  init(_ model: ImportedModel) {
    image = model.image
    text = model.text
    logitScale = model.logitScale
    merges = model.metadata["merges"]
  }

  static func importing(_ path: String, _ files: ModelFiles) throws(CLIPError) -> ImportedModel {
    try converting { () throws(ImportError) in try importModel(path: path, files) }
  }

  /// One model from a file per tower. A file that holds both may stand for either.
  init(visual: ImportedModel?, textual: ImportedModel?, _ names: (visual: String, textual: String))
    throws(CLIPError)
  {
    if let visual, visual.image == nil {
      throw CLIPError(
        .unsupported,
        "\(names.visual) holds no image encoder. Give the file of the image encoder as the visual one.")
    }
    if let textual, textual.text == nil {
      throw CLIPError(
        .unsupported,
        "\(names.textual) holds no text encoder. Give the file of the text encoder as the textual one.")
    }
    image = visual?.image
    text = textual?.text
    logitScale = textual?.logitScale ?? visual?.logitScale
    merges = textual?.metadata["merges"] ?? visual?.metadata["merges"]
  }
}

/// The bytes of a vocabulary file and what to call it in messages.
@safe struct Vocabulary {
  let name: String
  private let bytes: [UInt8]

  init(name: String, bytes: [UInt8]) {
    self.name = name
    self.bytes = bytes
  }

  func withBytes<R>(_ body: (UnsafeRawBufferPointer) throws(CLIPError) -> R) throws(CLIPError) -> R {
    try unsafe bytes.withUnsafeBufferPointer { (buffer) throws(CLIPError) in
      unsafe try body(UnsafeRawBufferPointer(buffer))
    }
  }
}

/// Recognised towers and the vocabulary that belongs to them, before anything is done with either.
final class ModelParts: Sendable {
  let towers: Towers
  let vocabulary: Vocabulary?

  /// From a file that holds one tower or both, or a directory in a common layout.
  convenience init(path: String, _ options: CLIP.Options) throws(CLIPError) {
    switch FileKind(path) {
    case .missing(let reason): throw CLIP.missing(path, reason)
    case .directory:
      let layout = try Layout(directory: path)
      try self.init(visual: layout.visual, textual: layout.textual, vocabularyFolders: [path], options)
    case .file:
      try self.init(
        Towers(try Towers.importing(path, options.files)), Vocabulary.folders(beside: path), options)
    }
  }

  private init(_ towers: Towers, _ folders: [String], _ options: CLIP.Options) throws(CLIPError) {
    self.towers = towers
    vocabulary = towers.text == nil ? nil : try Vocabulary.find(options, folders, towers.merges)
  }

  /// From one file per tower; either may be nil.
  convenience init(
    visual: String?, textual: String?, vocabularyFolders: [String] = [], _ options: CLIP.Options
  ) throws(CLIPError) {
    let files = options.files
    let image = try visual.map { (path) throws(CLIPError) in try Towers.importing(path, files) }
    let text =
      visual == textual
      ? image : try textual.map { (path) throws(CLIPError) in try Towers.importing(path, files) }
    let towers = try Towers(visual: image, textual: text, (visual ?? "", textual ?? ""))
    let folders = vocabularyFolders + (textual.map { Vocabulary.folders(beside: $0) } ?? [])
    try self.init(towers, folders, options)
  }
}

extension CLIP {
  /// Opens a file that holds one tower or both, or a directory in a common layout.
  public convenience init(path: String, _ options: Options) throws(CLIPError) {
    let parts = try ModelParts(path: path, options)
    try self.init(parts.towers, parts.vocabulary, options)
  }

  static func missing(_ path: String, _ reason: String) -> CLIPError {
    CLIPError(
      .io, "\(path) cannot be opened: \(reason). Give an ONNX file, or a directory with one per tower.")
  }

  /// Opens one file per tower; either may be nil.
  public convenience init(visual: String?, textual: String?, _ options: Options) throws(CLIPError) {
    let parts = try ModelParts(visual: visual, textual: textual, options)
    try self.init(parts.towers, parts.vocabulary, options)
  }

  /// Opens towers and vocabulary from bytes, which are not needed afterwards.
  public convenience init(
    visual: UnsafeRawBufferPointer?, textual: UnsafeRawBufferPointer?, vocabulary: [UInt8]?,
    _ options: Options
  ) throws(CLIPError) {
    try options.limits.check(modelBytes: unsafe [visual, textual].map { unsafe $0?.count ?? 0 })
    let image = try unsafe visual.map { (bytes) throws(CLIPError) -> ImportedModel in
      try converting { () throws(ImportError) in
        unsafe try importModel(bytes: bytes, name: "the visual model in memory")
      }
    }
    let text = try unsafe textual.map { (bytes) throws(CLIPError) -> ImportedModel in
      try converting { () throws(ImportError) in
        unsafe try importModel(bytes: bytes, name: "the textual model in memory")
      }
    }
    let towers: Towers
    if let only = image ?? text, image == nil || text == nil {
      towers = Towers(only)
    } else {
      towers = try Towers(
        visual: image, textual: text, ("The visual model in memory", "The textual model in memory"))
    }
    let given = vocabulary.map { Vocabulary(name: "the vocabulary in memory", bytes: $0) }
    let found = given == nil ? try Vocabulary.find(options, [], towers.merges) : given
    try self.init(towers, towers.text == nil ? nil : found, options)
  }
}

/// Where the files of a model lie in a directory.
struct Layout {
  let visual: String?
  let textual: String?

  /// Pairs as projects name them, then single files with both towers, each below the directory.
  private static let pairs = [
    ("visual.onnx", "textual.onnx"), ("visual/model.onnx", "textual/model.onnx"),
    ("onnx/vision_model.onnx", "onnx/text_model.onnx"), ("vision_model.onnx", "text_model.onnx"),
  ]
  private static let combined = ["onnx/model.onnx", "model.onnx"]

  init(directory: String) throws(CLIPError) {
    func existing(_ name: String) -> String? {
      let path = directory + "/" + name
      if case .file = FileKind(path) { return path }
      return nil
    }
    for (visual, textual) in Layout.pairs where existing(visual) != nil || existing(textual) != nil {
      self.visual = existing(visual)
      self.textual = existing(textual)
      return
    }
    for name in Layout.combined {
      guard let path = existing(name) else { continue }
      (visual, textual) = (path, path)
      return
    }
    let names = Layout.pairs.map { "\($0) + \($1)" } + Layout.combined
    throw CLIPError(.io, "\(directory) holds no model: none of \(names.joined(separator: ", ")) is there.")
  }
}

enum FileKind {
  case file, directory
  case missing(String)

  init(_ path: String) {
    var status = stat()
    guard unsafe stat(path, &status) == 0 else {
      self = .missing(unsafe String(cString: strerror(errno)))
      return
    }
    self = status.st_mode & S_IFMT == S_IFDIR ? .directory : .file
  }
}

extension Vocabulary {
  private static let fileNames = ["merges.txt", "bpe_simple_vocab_16e6.txt", "bpe_simple_vocab_16e6.txt.gz"]
  /// Larger than any vocabulary; bounds what a wrong path can cost.
  private static let maxBytes = 64 << 20

  /// The folder of a model file, and the one above where layouts put a tower into a folder of its own.
  static func folders(beside path: String) -> [String] {
    let parts = path.split(separator: "/", omittingEmptySubsequences: false)
    guard parts.count > 1 else { return ["."] }
    let folder = parts.dropLast().joined(separator: "/")
    let nested = ["onnx", "textual", "visual"].contains(String(parts[parts.count - 2]))
    return nested ? [folder, folder + "/.."] : [folder.isEmpty ? "/" : folder]
  }

  /// The file that the options name, else one beside the model, else the one inside the model.
  static func find(_ options: CLIP.Options, _ folders: [String], _ merges: String?) throws(CLIPError)
    -> Vocabulary?
  {
    if let path = options.vocabularyPath { return try Vocabulary(path: path) }
    for folder in folders {
      for name in fileNames {
        if case .file = FileKind(folder + "/" + name) { return try Vocabulary(path: folder + "/" + name) }
      }
    }
    return merges.map { Vocabulary(name: "the vocabulary in the model's metadata", bytes: Array($0.utf8)) }
  }

  /// Reads a whole file.
  init(path: String) throws(CLIPError) {
    func failure() -> CLIPError {
      CLIPError(.io, "The vocabulary \(path) cannot be read: \(unsafe String(cString: strerror(errno))).")
    }
    let file = unsafe open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)
    guard file >= 0 else { throw failure() }
    defer { close(file) }
    var status = stat()
    guard unsafe fstat(file, &status) == 0 else { throw failure() }
    guard status.st_mode & S_IFMT == S_IFREG else {
      throw CLIPError(
        .io, "The vocabulary \(path) is not a regular file. Give merges.txt or bpe_simple_vocab_16e6.txt.")
    }
    guard status.st_size <= Vocabulary.maxBytes else {
      throw CLIPError(
        .invalidData,
        "The vocabulary \(path) has \(status.st_size) bytes, more than any vocabulary. Is it the right file?")
    }
    var bytes = [UInt8](repeating: 0, count: Int(status.st_size))
    var done = 0
    while done < bytes.count {
      let count = unsafe bytes.withUnsafeMutableBytes { buffer in
        unsafe read(file, buffer.baseAddress.map { unsafe $0 + done }, buffer.count - done)
      }
      if count < 0 && errno == EINTR { continue }
      guard count >= 0 else { throw failure() }
      if count == 0 { break }
      done += count
    }
    self.init(name: path, bytes: Array(bytes.prefix(done)))
  }
}

extension CLIP {
  /// A vocabulary by itself.
  public static func tokenizer(path: String, contextLength: Int) throws(CLIPError) -> Tokenizer {
    let vocabulary = try Vocabulary(path: path)
    return try unsafe vocabulary.withBytes { (bytes) throws(CLIPError) in
      try converting { () throws(TokenizerError) in
        unsafe try Tokenizer(
          vocabulary: bytes, name: path, contextLength: contextLength, vocabularySize: nil)
      }
    }
  }

  /// The bytes of a vocabulary file for a model that is trained, refused where its ids are not those of the model.
  static func vocabularyBytes(_ path: String, for architecture: Architecture) throws(CLIPError) -> [UInt8] {
    let vocabulary = try Vocabulary(path: path)
    return try unsafe vocabulary.withBytes { (bytes) throws(CLIPError) in
      _ = try converting { () throws(TokenizerError) in
        unsafe try Tokenizer(
          vocabulary: bytes, name: path, contextLength: architecture.contextLength,
          vocabularySize: architecture.vocabularySize)
      }
      return unsafe Array(bytes)
    }
  }
}
