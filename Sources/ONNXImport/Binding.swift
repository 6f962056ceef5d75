/// The numbers that stand for sizes which differ from call to call while a graph is read.
///
/// With every size known, all shape arithmetic folds. What comes out must not depend on them: a graph is read twice,
/// with different batch sizes, and the two readings are compared.
struct Binding {
  /// Batch sizes to give to symbols in order; primes, so that they are taken for nothing else.
  let batches: [Int]
  /// Whether every symbolic batch gets the same number, whatever it is called: some graphs take the batch of texts from
  /// that of pictures.
  var sharesBatch = false
  /// Tokens of a text whose length is symbolic.
  var contextLength: Int
  /// Pixels along each side of a picture whose size is symbolic.
  var imageSize: Int

  static let first = [5, 11, 17, 23]
  static let second = [3, 13, 7, 19]
}

/// An input of the graph with what it was taken for.
struct BoundInput {
  enum Role { case picture, tokens, ones }
  let role: Role
  let shape: [Int]
  /// Bits of an element.
  let bits: Int
}

/// Gives every input of a graph its role and shape.
struct InputBinder {
  private(set) var sizes: [String: Int] = [:]
  /// Whether some batch size is symbolic.
  private(set) var hasSymbolicBatch = false
  /// Whether the length of texts, or the size of pictures, is symbolic.
  private(set) var hasSymbolicLength = false
  private(set) var hasSymbolicSize = false
  private let binding: Binding
  /// The number that stands for the batch of texts, once it has one.
  private var texts: Int?

  init(_ binding: Binding) {
    self.binding = binding
  }

  /// The role of an input, recognised by its type and rank.
  mutating func bind(_ input: InputRecord) throws(ImportError) -> BoundInput {
    let name = quoted(input.name)
    guard let shape = input.shape, let type = input.elementType.flatMap(ElementType.init(rawValue:)) else {
      throw .unsupported(
        "input \(name) has no type or shape; export with shapes, or run shape inference first")
    }
    switch (type.kind, shape.count) {
    case (.float, 4):
      let height = pixels(shape[2])
      let picture = [batch(shape[0], ofTexts: false), fixed(shape[1], 3), height, pixels(shape[3])]
      _ = try checkedCount(picture)
      return BoundInput(role: .picture, shape: picture, bits: type.size * 8)
    case (.int, 2):
      let tokens = [batch(shape[0], ofTexts: true), length(shape[1])]
      _ = try checkedCount(tokens)
      return BoundInput(role: .tokens, shape: tokens, bits: type.size * 8)
    case (.bool, 2):
      let mask = [batch(shape[0], ofTexts: true), length(shape[1])]
      _ = try checkedCount(mask)
      return BoundInput(role: .ones, shape: mask, bits: 8)
    default:
      throw .unsupported(
        "input \(name) with \(shape.count) axes of element type \(type) is neither a picture "
          + "(float, [batch, 3, height, width]) nor tokens (integer, [batch, length])")
    }
  }

  private func fixed(_ dimension: InputRecord.Dimension, _ fallback: Int) -> Int {
    if case .fixed(let size) = dimension { return size }
    return fallback
  }

  /// The batch of pictures, or of texts, which tokens and masks share whatever they call it.
  private mutating func batch(_ dimension: InputRecord.Dimension, ofTexts: Bool) -> Int {
    guard case .symbolic(let symbol) = dimension else { return fixed(dimension, 1) }
    hasSymbolicBatch = true
    if binding.sharesBatch { return binding.batches[0] }
    if ofTexts, let texts { return texts }
    defer { if ofTexts { texts = sizes[symbol] } }
    if let size = sizes[symbol] { return size }
    let size = binding.batches[sizes.count % binding.batches.count]
    sizes[symbol] = size
    return size
  }

  private mutating func length(_ dimension: InputRecord.Dimension) -> Int {
    if case .symbolic = dimension { hasSymbolicLength = true }
    return fixed(dimension, binding.contextLength)
  }

  private mutating func pixels(_ dimension: InputRecord.Dimension) -> Int {
    if case .symbolic = dimension { hasSymbolicSize = true }
    return fixed(dimension, binding.imageSize)
  }
}
