/// A BatchNorm with known statistics, as a file has it: (x − mean) / √(variance + epsilon) · gain + bias for each channel.
/// A class, so that convolutions stay small to copy.
public final class BatchNorm: Sendable {
  /// [channels] each.
  public let gain, bias, mean, variance: Weight
  public let epsilon: Float

  init(gain: Weight, bias: Weight, mean: Weight, variance: Weight, epsilon: Float) {
    (self.gain, self.bias, self.mean, self.variance) = (gain, bias, mean, variance)
    self.epsilon = epsilon
  }
}

/// y = weight ∗ x · gain + bias over [channels, height, width], with zeros around the picture.
public struct Convolution: Sendable {
  /// [outputs, inputs, kernel, kernel]
  public let weight: Weight
  /// [outputs]: what each output's weights are still to be multiplied by, where the file keeps a BatchNorm apart; nil
  /// where there is nothing left to multiply. The weights stay a view of the file so that nothing is held twice.
  public let gain: Weight?
  /// [outputs]; a BatchNorm's mean and bias are folded into it.
  public let bias: Weight?
  /// What `gain` and `bias` amount to, where the file has a BatchNorm of its own after the convolution.
  public let norm: BatchNorm?
  public let stride: Int
  /// Zeros on each of the four sides.
  public let padding: Int
  /// Side of the square kernel.
  public let kernel: Int

  public var outputs: Int { weight.shape[0] }
  public var inputs: Int { weight.shape[1] }
}

/// relu(conv3(pool(relu(conv2(relu(conv1(x)))))) + downsample(x)), where x itself is added without a `downsample`.
public struct Bottleneck: Sendable {
  /// 1 × 1
  public let conv1: Convolution
  /// 3 × 3 with padding 1; strides are average pools, so its own is 1.
  public let conv2: Convolution
  /// Side and stride of the average pool after conv2; 1 = none.
  public let pool: Int
  /// 1 × 1
  public let conv3: Convolution
  /// An average pool of that side and stride (1 = none), then a 1 × 1 convolution, without ReLU.
  public let downsample: (pool: Int, conv: Convolution)?
}

/// Attention with one query, the mean of all places, over that mean and the places themselves.
public struct AttentionPoolTower: Sendable {
  /// [1 + places, width], added to the mean (which comes first) and to the places, row by row of the picture.
  public let positions: Weight
  /// [width, heads · headWidth], head after head.
  public let query, key, value: Linear
  /// [heads · headWidth, embedDim]
  public let output: Linear
  public let heads, headWidth: Int
  /// softmax(scale · q kᵀ): what the graph multiplies scores by, all told.
  public let scale: Float

  /// The mean and the places.
  public var tokens: Int { positions.shape[0] }
  public var width: Int { positions.shape[1] }
}

/// The image encoder as the paper's Modified ResNet (section 2.4): every convolution but a `downsample` and a
/// bottleneck's last is followed by ReLU, and the sum that ends a bottleneck is too.
public struct ModifiedResNetTower: Sendable {
  /// Side of the square picture.
  public let imageSize: Int
  /// Outputs of the stem.
  public let width: Int
  /// Convolutions with ReLU, the first of stride 2; an average pool of 2 × 2 follows them.
  public let stem: [Convolution]
  public let stages: [[Bottleneck]]
  public let attentionPool: AttentionPoolTower
  /// Whether the graph divides the embedding by its length.
  public let normalised: Bool
  public let embedDim: Int
}
