import Kernels

/// The way back through what was computed: takes the gradient of the result, adds the gradients of all parameters on the
/// way to theirs. To be called once, before the tape is released.
typealias Pullback = (_ dResult: MatrixView) throws(CLIPError) -> Void

/// An image encoder that learns.
protocol TrainedImageTower: AnyObject {
  /// Sets the initial values of the official code.
  func initialise(_ store: ParameterStore, _ random: inout SeededRandom)

  /// How many pictures are computed at once so that activations stay in the caches, or nil where pictures of a batch
  /// depend on each other.
  var picturesPerPass: Int? { get }

  /// `pixels` (count, 3, size, size) to `embeddings` (count, embedDim), not normalised. What the way back needs lies on
  /// the pass's tape.
  func forward(
    _ pixels: UnsafePointer<Float>, count: Int, into embeddings: MatrixView, _ pass: TrainingPass
  ) throws(CLIPError) -> Pullback
}
