/// A tensor of a trainer as its host sees it.
@safe public struct TrainerTensor {
  public let name: String
  public let shape: [Int]
  public let values: UnsafeMutablePointer<Float>
  /// nil for what no gradient changes, such as running statistics.
  public let gradient: UnsafeMutablePointer<Float>?
  public let isTrained: Bool
  public var count: Int { shape.reduce(1, *) }
}

extension Trainer {
  public var tensorCount: Int { store.parameters.count + store.buffers.count }

  /// Parameters first, in the order of the flat buffers, then running statistics. The memory lives as long as the trainer.
  public func tensor(_ index: Int) -> TrainerTensor? {
    if store.parameters.indices.contains(index) {
      let parameter = store.parameters[index]
      return unsafe TrainerTensor(
        name: parameter.name, shape: parameter.shape, values: store.value(parameter),
        gradient: store.gradient(parameter), isTrained: store.trains(parameter))
    }
    guard store.buffers.indices.contains(index - store.parameters.count) else { return nil }
    let buffer = store.buffers[index - store.parameters.count]
    return unsafe TrainerTensor(
      name: buffer.name, shape: buffer.shape, values: store.buffer(buffer), gradient: nil, isTrained: false)
  }

  /// Gradients of all parameters, one after the other.
  public var gradients: UnsafeMutableBufferPointer<Float> {
    unsafe UnsafeMutableBufferPointer(start: store.gradients, count: store.count)
  }
}
