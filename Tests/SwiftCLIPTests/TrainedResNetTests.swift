import Foundation
import Kernels
import Testing

@testable import SwiftCLIP

/// A tiny Modified ResNet's gradients against PyTorch's (Tests/fixtures/make_resnet_gradients.py, whose formulas are
/// here too). Its layers are too narrow for Winograd's algorithm, but for the last stage's.
@Suite struct TrainedResNetTests {
  static let (count, embedDim, imageSize, width) = (3, 12, 64, 2)

  /// What the fixture holds, one after the other.
  struct Golden {
    private var rest: ArraySlice<Float>

    init() throws {
      let folder = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
      let data = try Data(contentsOf: folder.appending(path: "fixtures/resnet_gradients.bin"))
      rest =
        data.withUnsafeBytes { bytes in
          (0..<data.count / 4).map { bytes.loadUnaligned(fromByteOffset: 4 * $0, as: Float.self) }
        }[...]
    }

    mutating func take(_ count: Int) throws -> [Float] {
      try #require(rest.count >= count)
      defer { rest = rest.dropFirst(count) }
      return Array(rest.prefix(count))
    }
    var isEmpty: Bool { rest.isEmpty }
  }

  /// In -0.5 ..< 0.5.
  static func numbers(_ count: Int, _ seed: Int) -> [Double] {
    (0..<count).map { Double(($0 * 7919 + seed * 6151) % 1009) / 1009 - 0.5 }
  }

  /// A tower with the fixture's values, and all that a step needs.
  final class Setup {
    let tower: TrainedModifiedResNet
    let store: ParameterStore
    let pass: TrainingPass
    let pixels: UnsafeMutablePointer<Float>
    let embeddings, dEmbeddings: MatrixView

    init(_ compute: Compute, first: Int = 0, freeze: [String] = []) throws {
      var layout = ParameterLayout()
      tower = TrainedModifiedResNet(
        &layout, embedDim: embedDim, imageSize: imageSize, blocks: [1, 2, 1, 1], width: width, heads: 2)
      store = try ParameterStore(layout)
      try store.freeze(freeze)
      pass = TrainingPass(compute, store, MemoryBudget(0))
      var random = SeededRandom(seed: 1)
      tower.initialise(store, &random)
      for (index, parameter) in store.parameters.enumerated() {
        let wave = numbers(parameter.count, index)
        let inputs = Double(parameter.shape.dropFirst().reduce(1, *))
        let isGain = parameter.shape.count == 1 && parameter.name.hasSuffix("weight")
        for place in 0..<parameter.count {
          store.value(parameter)[place] = Float(
            parameter.shape.count > 1
              ? wave[place] * 4 / inputs.squareRoot() : isGain ? 1 + wave[place] : 0.4 * wave[place])
        }
      }
      let floats = count * 3 * imageSize * imageSize
      pixels = .allocate(capacity: floats)
      for index in 0..<floats { pixels[index] = Float(Double((index + first) * 7919 % 10007) / 2500 - 2) }
      embeddings = try pass.tape.matrix(count, embedDim)
      dEmbeddings = try pass.tape.matrix(count, embedDim)
      for (index, value) in numbers(count * embedDim, 1).enumerated() {
        dEmbeddings.pointer[index] = Float(value)
      }
    }

    deinit { pixels.deallocate() }

    /// Forward and back; the embeddings.
    func step() throws -> [Float] {
      store.zeroGradients()
      let mark = pass.tape.mark
      let pullback = try tower.forward(pixels, count: count, into: embeddings, pass)
      try pullback(dEmbeddings)
      pass.tape.release(to: mark)
      return Array(UnsafeBufferPointer(start: embeddings.pointer, count: count * embedDim))
    }

    func gradient(_ parameter: Parameter) -> [Float] {
      Array(UnsafeBufferPointer(start: store.gradient(parameter), count: parameter.count))
    }
    var gradients: [Float] { Array(UnsafeBufferPointer(start: store.gradients, count: store.count)) }
    var statistics: [Float] {
      Array(UnsafeBufferPointer(start: store.bufferValues, count: store.bufferCount))
    }
  }

  static func compute(_ set: InstructionSet?, threads: Int = 2) throws -> Compute {
    try Compute(
      threads: threads, instructions: set, backend: .own, exactOrder: false, precision: .float32,
      keepsHalves: false)
  }

  @Test(arguments: InstructionSet.supported)
  func agreesWithPyTorch(_ set: InstructionSet) throws {
    var golden = try Golden()
    let setup = try Setup(TrainedResNetTests.compute(set), first: Int(golden.take(1)[0]))
    let embeddings = TrainedResNetTests.count * TrainedResNetTests.embedDim
    #expect(relativeError(try setup.step(), try golden.take(embeddings)) < 1e-5)
    var greatest = 0.0
    for parameter in setup.store.parameters {
      let theirs = try golden.take(parameter.count)
      // Softmax does not see what all keys have in common: their bias has no gradient but rounding.
      if parameter.name.hasSuffix("k_proj.bias") { continue }
      let error = relativeError(setup.gradient(parameter), theirs)
      greatest = max(greatest, error)
      #expect(error < 1e-4, "\(parameter.name)")
    }
    for buffer in setup.store.buffers {
      let ours = Array(UnsafeBufferPointer(start: setup.store.buffer(buffer), count: buffer.count))
      #expect(relativeError(ours, try golden.take(buffer.count)) < 1e-5, "\(buffer.name)")
    }
    // In evaluation mode running statistics are used, and stay.
    let before = setup.statistics
    setup.pass.isTraining = false
    #expect(relativeError(try setup.step(), try golden.take(embeddings)) < 1e-5)
    let first = try #require(setup.store.named("visual.conv1.weight"))
    #expect(relativeError(setup.gradient(first), try golden.take(first.count)) < 1e-4)
    #expect(setup.statistics == before)
    #expect(golden.isEmpty)
  }

  @Test(arguments: InstructionSet.supported)
  func threadsChangeNoBit(_ set: InstructionSet) throws {
    let alone = try Setup(TrainedResNetTests.compute(set, threads: 1))
    let embeddings = try alone.step()
    for threads in [2, 3, 5] {
      let setup = try Setup(TrainedResNetTests.compute(set, threads: threads))
      #expect(try setup.step() == embeddings)
      #expect(setup.gradients == alone.gradients)
      #expect(setup.statistics == alone.statistics)
    }
  }

  /// What is not frozen gets the gradient that it would get beside frozen layers that are computed all the same.
  @Test(arguments: [
    ["visual.conv1", "visual.bn1"], ["visual.layer2.0"], ["visual.attnpool"],
    [
      "visual.conv1", "visual.bn1", "visual.conv2", "visual.bn2", "visual.conv3", "visual.bn3",
      "visual.layer1",
    ],
  ])
  func frozenLayersLearnNothing(_ frozen: [String]) throws {
    let setup = try Setup(TrainedResNetTests.compute(nil), freeze: frozen)
    let before = setup.statistics
    _ = try setup.step()
    for parameter in setup.store.parameters {
      let isZero = setup.gradient(parameter).allSatisfy { $0 == 0 }
      #expect(isZero != setup.store.trains(parameter), "\(parameter.name)")
    }
    for buffer in setup.store.buffers {
      let isFrozen = frozen.contains { buffer.name.hasPrefix($0 + ".") }
      let range = buffer.offset..<buffer.offset + buffer.count
      #expect((Array(setup.statistics[range]) == Array(before[range])) == isFrozen, "\(buffer.name)")
    }
  }

  @Test func startsAsTheOfficialCodeDoes() throws {
    var layout = ParameterLayout()
    let tower = TrainedModifiedResNet(
      &layout, embedDim: 32, imageSize: 64, blocks: [1, 1, 1, 1], width: 8, heads: 4)
    let store = try ParameterStore(layout)
    var random = SeededRandom(seed: 3)
    tower.initialise(store, &random)
    func values(_ name: String) throws -> [Double] {
      let parameter = try #require(store.named(name))
      return (0..<parameter.count).map { Double(store.value(parameter)[$0]) }
    }
    func deviation(_ values: [Double]) -> Double {
      (values.reduce(0) { $0 + $1 * $1 } / Double(values.count)).squareRoot()
    }
    #expect(try values("visual.layer1.0.bn3.weight").allSatisfy { $0 == 0 })
    #expect(try values("visual.layer1.0.bn2.weight").allSatisfy { $0 == 1 })
    #expect(try values("visual.layer2.0.downsample.1.bias").allSatisfy { $0 == 0 })
    for name in ["q", "k", "v", "c"] {
      #expect(abs(deviation(try values("visual.attnpool.\(name)_proj.weight")) * 16 - 1) < 0.03)
    }
    #expect(abs(deviation(try values("visual.attnpool.positional_embedding")) * 16 - 1) < 0.1)
    let conv = try values("visual.layer4.0.conv2.weight")
    let bound = 1 / (9.0 * 64).squareRoot()
    #expect(conv.allSatisfy { abs($0) <= bound })
    #expect(abs(deviation(conv) / bound * 3.0.squareRoot() - 1) < 0.02)
  }
}
