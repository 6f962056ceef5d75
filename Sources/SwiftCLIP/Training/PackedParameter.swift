import Kernels

/// A parameter as products read it, packed once for each change of the values.
struct PackedParameter {
  private var packed: PackedWeights?
  private var generation = 0

  /// - Parameters:
  ///   - inputs: of the matrix, taps included.
  ///   - source: where the values lie now.
  mutating func weights(
    inputs: Int, taps: Int = 1, _ source: WeightSource, bias: UnsafePointer<Float>? = nil,
    _ pass: TrainingPass
  ) throws(CLIPError) -> PackedWeights {
    if let packed {
      if generation != pass.store.generation {
        unsafe pass.compute.repack(packed, taps: taps, sources: [source], bias: bias)
        generation = pass.store.generation
      }
      return packed
    }
    let made = try pass.budget.taking(floats: inputs * source.outputs) { () throws(CLIPError) in
      try converting { () throws(KernelError) in
        unsafe try pass.compute.pack(inputs: inputs, taps: taps, sources: [source], bias: bias)
      }
    }
    (packed, generation) = (made, pass.store.generation)
    return made
  }
}
