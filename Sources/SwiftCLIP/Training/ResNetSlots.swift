import Kernels

/// Memory for maps that are needed only until the next layers have read them: slots that hold the largest map each, in
/// the pass's scratch memory.
struct ResNetSlots {
  struct Slot {
    fileprivate let memory: MatrixView
    fileprivate let count: Int

    func maps(side: Int, channels: Int) -> FeatureMaps {
      let view = unsafe MatrixView(pointer: memory.pointer, rows: count * side * side, columns: channels)
      return FeatureMaps(view: view, side: side)
    }
  }

  /// Activations that are computed again, or read once.
  let activations: Slot
  /// Forward: the shortcut, pooled. Back: the gradient within a block.
  let branch: Slot
  /// Back: the gradient of a block's result, and then of its input.
  let trunk: Slot

  /// - Parameter floats: the largest map of one picture takes.
  init(count: Int, floats: Int, _ pass: TrainingPass) throws(CLIPError) {
    activations = Slot(memory: try pass.scratch.matrix(count, floats), count: count)
    branch = Slot(memory: try pass.scratch.matrix(count, floats), count: count)
    trunk = Slot(memory: try pass.scratch.matrix(count, floats), count: count)
  }
}
