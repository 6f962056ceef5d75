import Kernels

/// A tensor among the parameters: named and shaped as in the official state dictionary, row-major.
struct Parameter: Sendable, Equatable {
  let name: String
  let shape: [Int]
  /// First float in the flat buffers.
  let offset: Int
  var count: Int { shape.reduce(1, *) }
  /// Decay is for matrices: not for gains, biases, the class token and the temperature.
  var decays: Bool { shape.count >= 2 }
}

/// The list of a model's parameters while its layers are laid out.
struct ParameterLayout {
  private(set) var parameters: [Parameter] = []
  /// Numbers that are kept with the model but not learned by gradients: running statistics of BatchNorm.
  private(set) var buffers: [Parameter] = []
  private(set) var count = 0
  private(set) var bufferCount = 0

  mutating func parameter(_ name: String, _ shape: Int...) -> Parameter {
    let parameter = Parameter(name: name, shape: shape, offset: count)
    parameters.append(parameter)
    count += parameter.count
    return parameter
  }

  mutating func buffer(_ name: String, _ shape: Int...) -> Parameter {
    let buffer = Parameter(name: name, shape: shape, offset: bufferCount)
    buffers.append(buffer)
    bufferCount += buffer.count
    return buffer
  }
}

/// Values and gradients of all parameters, each in one flat buffer, so that gradients can be reduced over processes
/// with one call, and the optimiser runs over everything at once.
@safe final class ParameterStore: @unchecked Sendable {
  let parameters: [Parameter]
  let buffers: [Parameter]
  let count: Int
  let bufferCount: Int
  let values: UnsafeMutablePointer<Float>
  let gradients: UnsafeMutablePointer<Float>
  let bufferValues: UnsafeMutablePointer<Float>
  private let storage: (AlignedStorage, AlignedStorage, AlignedStorage)
  private let byName: [String: Parameter]
  /// Names that begin with one of these are not learned.
  private(set) var frozen: [String] = []
  /// Changes whenever values do: layers then pack their weights again.
  private(set) var generation = 1

  init(_ layout: ParameterLayout) throws(CLIPError) {
    parameters = layout.parameters
    buffers = layout.buffers
    count = layout.count
    bufferCount = layout.bufferCount
    storage = try (
      AlignedStorage(count: max(count, 1)), AlignedStorage(count: max(count, 1)),
      AlignedStorage(count: max(bufferCount, 1))
    )
    unsafe (values, gradients, bufferValues) = (storage.0.pointer, storage.1.pointer, storage.2.pointer)
    unsafe values.update(repeating: 0, count: count)
    unsafe gradients.update(repeating: 0, count: count)
    unsafe bufferValues.update(repeating: 0, count: bufferCount)
    byName = Dictionary((parameters + buffers).map { ($0.name, $0) }, uniquingKeysWith: { first, _ in first })
  }

  func value(_ parameter: Parameter) -> UnsafeMutablePointer<Float> { unsafe values + parameter.offset }
  func gradient(_ parameter: Parameter) -> UnsafeMutablePointer<Float> { unsafe gradients + parameter.offset }
  func buffer(_ buffer: Parameter) -> UnsafeMutablePointer<Float> { unsafe bufferValues + buffer.offset }
  func named(_ name: String) -> Parameter? { byName[name] }

  func valuesChanged() { generation &+= 1 }

  /// - Parameter prefixes: of the official names; each must fit at least one parameter.
  func freeze(_ prefixes: [String]) throws(CLIPError) {
    for prefix in prefixes where !parameters.contains(where: { covers(prefix, $0.name) }) {
      throw CLIPError(
        .invalidArgument,
        "No parameter's name begins with \"\(prefix)\", so it cannot be frozen. Names are the official ones, such as \"visual\", \"transformer.resblocks.0\" or \"token_embedding\"."
      )
    }
    frozen = prefixes
  }

  /// Whole parts of a name only: "transformer.resblocks.1" is not a prefix of "transformer.resblocks.10".
  private func covers(_ prefix: String, _ name: String) -> Bool {
    guard name.hasPrefix(prefix) else { return false }
    return name.utf8.count == prefix.utf8.count
      || name.utf8.dropFirst(prefix.utf8.count).first == UInt8(ascii: ".")
  }

  func trains(_ parameter: Parameter) -> Bool {
    !frozen.contains { covers($0, parameter.name) }
  }

  func zeroGradients() { unsafe gradients.update(repeating: 0, count: count) }
}
