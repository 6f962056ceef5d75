import Foundation

@testable import SwiftCLIP

/// Small models with random weights, laid out by the official names.
enum SyntheticModel: String, CaseIterable {
  case quickGELU, gelu, resNet

  var architecture: Architecture {
    let vision: Architecture.Vision =
      self == .resNet
      ? .resNet(blocks: [2, 1, 1, 1], width: 4, heads: 2)
      : .transformer(layers: 2, width: 24, patch: 8, heads: 3)
    var architecture = Architecture(
      embedDim: 12, imageSize: self == .resNet ? 64 : 32, vision: vision, contextLength: 9,
      vocabularySize: 520, textWidth: 16, textHeads: 2, textLayers: 2)
    architecture.quickGELU = self != .gelu
    return architecture
  }

  /// Weights of sizes at which every part has an effect on the embeddings.
  func store() throws -> ParameterStore {
    var layout = ParameterLayout()
    SyntheticModel.lay(architecture, &layout)
    let store = try ParameterStore(layout)
    var random = SeededRandom(seed: 11)
    for parameter in store.parameters {
      let name = parameter.name
      let isGain = parameter.shape.count == 1 && name.hasSuffix("weight")
      let fan = parameter.shape.count > 1 ? parameter.shape.dropFirst().reduce(1, *) : 25
      for index in 0..<parameter.count {
        let noise = Float(random.normal())
        store.value(parameter)[index] = isGain ? 1 + 0.2 * noise : noise * (1.5 / Float(fan).squareRoot())
      }
    }
    for buffer in store.buffers {
      for index in 0..<buffer.count {
        let noise = Float(random.normal())
        store.buffer(buffer)[index] = buffer.name.hasSuffix("var") ? 0.5 + noise * noise : 0.3 * noise
      }
    }
    return store
  }

  static func lay(_ model: Architecture, _ layout: inout ParameterLayout) {
    switch model.vision {
    case .transformer(let layers, let width, let patch, _):
      _ = layout.parameter("visual.conv1.weight", width, 3, patch, patch)
      _ = layout.parameter("visual.class_embedding", width)
      let side = model.imageSize / patch
      _ = layout.parameter("visual.positional_embedding", side * side + 1, width)
      norm("visual.ln_pre", width, &layout)
      blocks("visual.transformer", layers, width, &layout)
      norm("visual.ln_post", width, &layout)
      _ = layout.parameter("visual.proj", width, model.embedDim)
    case .resNet(let blocks, let width, _):
      layResNet(model, blocks, width, &layout)
    }
    _ = layout.parameter("token_embedding.weight", model.vocabularySize, model.textWidth)
    _ = layout.parameter("positional_embedding", model.contextLength, model.textWidth)
    blocks("transformer", model.textLayers, model.textWidth, &layout)
    norm("ln_final", model.textWidth, &layout)
    _ = layout.parameter("text_projection", model.textWidth, model.embedDim)
    _ = layout.parameter("logit_scale")
  }

  private static func norm(_ name: String, _ width: Int, _ layout: inout ParameterLayout) {
    _ = layout.parameter("\(name).weight", width)
    _ = layout.parameter("\(name).bias", width)
  }

  private static func blocks(_ name: String, _ layers: Int, _ width: Int, _ layout: inout ParameterLayout) {
    for layer in 0..<layers {
      let block = "\(name).resblocks.\(layer)"
      norm("\(block).ln_1", width, &layout)
      _ = layout.parameter("\(block).attn.in_proj_weight", 3 * width, width)
      _ = layout.parameter("\(block).attn.in_proj_bias", 3 * width)
      linear("\(block).attn.out_proj", width, width, &layout)
      norm("\(block).ln_2", width, &layout)
      linear("\(block).mlp.c_fc", 4 * width, width, &layout)
      linear("\(block).mlp.c_proj", width, 4 * width, &layout)
    }
  }

  private static func linear(
    _ name: String, _ outputs: Int, _ inputs: Int, _ layout: inout ParameterLayout
  ) {
    _ = layout.parameter("\(name).weight", outputs, inputs)
    _ = layout.parameter("\(name).bias", outputs)
  }

  private static func layResNet(
    _ model: Architecture, _ stages: [Int], _ width: Int, _ layout: inout ParameterLayout
  ) {
    func convolution(_ name: String, _ norm: String, _ outputs: Int, _ inputs: Int, _ kernel: Int) {
      _ = layout.parameter("\(name).weight", outputs, inputs, kernel, kernel)
      self.norm(norm, outputs, &layout)
      _ = layout.buffer("\(norm).running_mean", outputs)
      _ = layout.buffer("\(norm).running_var", outputs)
    }
    convolution("visual.conv1", "visual.bn1", width / 2, 3, 3)
    convolution("visual.conv2", "visual.bn2", width / 2, width / 2, 3)
    convolution("visual.conv3", "visual.bn3", width, width / 2, 3)
    var channels = width
    for (stage, count) in stages.enumerated() {
      let planes = width << stage
      for block in 0..<count {
        let name = "visual.layer\(stage + 1).\(block)"
        convolution("\(name).conv1", "\(name).bn1", planes, channels, 1)
        convolution("\(name).conv2", "\(name).bn2", planes, planes, 3)
        convolution("\(name).conv3", "\(name).bn3", 4 * planes, planes, 1)
        if block == 0 {
          convolution("\(name).downsample.0", "\(name).downsample.1", 4 * planes, channels, 1)
        }
        channels = 4 * planes
      }
    }
    let side = model.imageSize / 32
    _ = layout.parameter("visual.attnpool.positional_embedding", side * side + 1, channels)
    for name in ["q_proj", "k_proj", "v_proj"] {
      linear("visual.attnpool.\(name)", channels, channels, &layout)
    }
    linear("visual.attnpool.c_proj", model.embedDim, channels, &layout)
  }
}

/// A directory that is gone after the test.
func withFolder<R>(_ body: (String) throws -> R) throws -> R {
  let folder = FileManager.default.temporaryDirectory.appending(path: "swiftclip-\(UUID().uuidString)")
  try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
  defer { try? FileManager.default.removeItem(at: folder) }
  return try body(folder.path())
}
