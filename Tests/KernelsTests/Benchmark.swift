import CPlatform
import Glibc
import Kernels
import Testing

/// Speeds, not tests: `SWIFTCLIP_BENCHMARK=1 swift test -c release --filter KernelsTests.Benchmark`, with
/// OPENBLAS_CORETYPE and OPENBLAS_L2_SIZE unset. Weights go round through several copies, as those of a model's
/// layers do, so that they come from memory and not from a cache.
@Suite("Benchmark", .serialized, .enabled(if: getenv("SWIFTCLIP_BENCHMARK") != nil))
struct Benchmark {
  /// Core-seconds that the body took. With one thread by its processor time, since on a shared machine the wall
  /// clock measures the others too; with more by the wall clock, because the kernel counts the time of threads
  /// on other cores in coarse steps.
  private func seconds(_ threads: Int, _ body: () throws -> Void) rethrows -> Double {
    let clock = threads == 1 ? CLOCK_THREAD_CPUTIME_ID : CLOCK_MONOTONIC
    var (before, after) = (timespec(), timespec())
    clock_gettime(clock, &before)
    try body()
    clock_gettime(clock, &after)
    let elapsed = Double(after.tv_sec - before.tv_sec) + Double(after.tv_nsec - before.tv_nsec) * 1e-9
    return elapsed * Double(threads)
  }

  /// The best of some runs: what the machine can do while nobody disturbs it.
  private func best(_ runs: Int, threads: Int = 1, _ body: () throws -> Void) rethrows -> Double {
    var best = Double.infinity
    for _ in 0..<runs { best = min(best, try seconds(threads, body)) }
    return best
  }

  /// GFLOP/s of one core on a full tile in the first-level cache.
  private func limit(_ set: InstructionSet) -> Double {
    let loops = LoopTable.of(set)
    let (rows, depth) = (loops.tileRows, 4096 / loops.panelColumns)
    let a = Matrix(rows, depth, gap: 0, seed: 1)
    let b = Matrix(depth, loops.panelColumns, gap: 0, seed: 2)
    let y = Matrix(2 * rows, loops.panelColumns, gap: 0)
    let zero = Matrix(1, loops.panelColumns, gap: 0) { _, _ in 0 }
    let task = ProductTask(
      a: a.memory, aStride: depth, panels: b.memory, weights: 0, rowScales: nil,
      columnScales: nil, integerTile: nil, ahead: b.memory,
      partial: y.memory + rows * loops.panelColumns, widened: y.memory, rows: rows, inputs: depth,
      depth: depth,
      panelCount: 1, columns: loops.panelColumns,
      epilogue: EpilogueTask(
        bias: zero.memory, residual: nil, residualStride: 0, y: y.memory, yStride: loops.panelColumns,
        activation: 0))
    let time = best(30) { for _ in 0..<2000 { loops.product(task) } }
    return 2e-9 * 2000 * Double(rows * depth * loops.panelColumns) / time
  }

  private func column(_ value: Double, _ width: Int = 8) -> String {
    let text = "\((value * 10).rounded() / 10)"
    return String(repeating: " ", count: max(0, width - text.count)) + text
  }

  @Test("products of ViT-B", arguments: [1, 2])
  func products(_ threads: Int) throws {
    for set in [InstructionSet.best] {
      print("\n\(set.name), \(threads) threads; tile in L1: \(column(limit(set))) GFLOP/s a core")
      print("    M     K     N   own GFLOP/s a core   OpenBLAS   % of limit")
      let own = try Compute(threads: threads, instructions: set)
      let blas = try Compute(threads: threads, backend: .openBLAS)
      for (inputs, outputs) in [(768, 2304), (768, 768), (768, 3072), (3072, 768)] {
        let w = Matrix(inputs, outputs, seed: 1)
        let copies = max(2, 120_000_000 / (inputs * outputs * 4))
        let mine = try (0..<copies).map { _ in try own.pack(w) }
        let theirs = try (0..<copies).map { _ in try blas.pack(w) }
        for rows in [1, 10, 20, 50, 200, 400, 1600] {
          let x = Matrix(rows, inputs, gap: 0, seed: 3)
          let y = Matrix(rows, outputs, gap: 0)
          let work = 2e-9 * Double(rows * inputs * outputs)
          let rounds = max(1, min(copies, Int(4 / work)))
          func speed(_ compute: Compute, _ weights: [PackedWeights]) throws -> Double {
            var next = 0
            let time = try best(10, threads: threads) {
              for _ in 0..<rounds {
                try compute.linear(x.view, weights[next % copies], into: y.view)
                next += 1
              }
            }
            return work * Double(rounds) / time
          }
          let (a, b) = (try speed(own, mine), try speed(blas, theirs))
          let share = 100 * a / (limit(set))
          print(
            column(Double(rows), 7), column(Double(inputs), 7), column(Double(outputs), 7), column(a, 10),
            column(b, 10), column(share, 10))
          free(x.memory)
          free(y.memory)
        }
        free(w.memory)
      }
    }
  }

  @Test("convolutions of RN50", arguments: [1, 2])
  func convolutions(_ threads: Int) throws {
    let fast = try Compute(threads: threads)
    let plain = try Compute(threads: threads, exactOrder: true)
    print("\n\(fast.instructions.name), \(threads) threads; core-µs a picture, and GFLOP/s of the plain sum")
    for (side, channels, outputs, kernel) in [
      (112, 32, 32, 3), (112, 32, 64, 3), (56, 64, 64, 3), (56, 128, 128, 3), (28, 128, 128, 3),
      (28, 256, 256, 3), (14, 256, 256, 3), (14, 512, 512, 3), (7, 512, 512, 3), (56, 64, 256, 1),
      (56, 256, 64, 1), (28, 512, 128, 1), (28, 128, 512, 1), (14, 1024, 256, 1), (14, 256, 1024, 1),
      (7, 2048, 512, 1), (7, 512, 2048, 1),
    ] {
      let w = Matrix(kernel * kernel * channels, outputs, gap: 0, seed: 1)
      let packed = try fast.pack(w)
      let window = Window(kernel: kernel, stride: 1, padding: kernel / 2)
      for count in [1, 8] {
        let x = Matrix(count * side * side, channels, gap: 0, seed: 2)
        let y = Matrix(count * side * side, outputs, gap: 0)
        let times = try [fast, plain].map { compute in
          try best(10, threads: threads) {
            if kernel == 1 {
              try compute.linear(x.view, packed, into: y.view, .init(activation: .relu))
            } else {
              try compute.convolve(
                Pictures(x.view, side: side), window, packed, into: y.view, .init(activation: .relu))
            }
          } / Double(count)
        }
        let work = 2e-9 * Double(side * side * kernel * kernel * channels * outputs)
        print(
          "  \(kernel)×\(kernel), \(side)², \(channels) → \(outputs), \(count) pictures:",
          column(times[0] * 1e6), column(work / times[0]), column(times[1] * 1e6), column(work / times[1]))
        free(x.memory)
        free(y.memory)
      }
    }
  }

  @Test("attention and LayerNorm", arguments: [1, 2])
  func others(_ threads: Int) throws {
    for set in [InstructionSet.best] {
      let compute = try Compute(threads: threads, instructions: set)
      print("\n\(set.name), \(threads) threads; tile in L1: \(column(limit(set))) GFLOP/s a core")
      for (name, tokens, heads, batch, single, causal) in [
        ("ViT-B/32, 1 picture", 50, 12, 1, false, false), ("ViT-B/32, 8 pictures", 50, 12, 8, false, false),
        ("ViT-B/32, last block, 8", 50, 12, 8, true, false), ("ViT-B/16", 197, 12, 1, false, false),
        ("ViT-L/14@336", 577, 16, 1, false, false), ("text, 32 of 12 tokens", 12, 8, 32, false, true),
        ("text, 77 tokens", 77, 8, 1, false, true),
      ] {
        let columns = heads * 64
        let all = Matrix(tokens * batch, 3 * columns, gap: 0, seed: 1)
        let out = Matrix(tokens * batch, columns, gap: 0)
        let sequences = (0..<batch).map {
          Sequence(
            queryRow: $0 * tokens, queryCount: single ? 1 : tokens, keyRow: $0 * tokens, keyCount: tokens)
        }
        let time = try best(50, threads: threads) {
          try compute.attention(
            q: all.view.columns(0..<columns), k: all.view.columns(columns..<2 * columns),
            v: all.view.columns(2 * columns..<3 * columns), into: out.view, sequences: sequences,
            heads: heads,
            headWidth: 64, scale: 0.125, causal: causal)
        }
        let work = 4e-9 * Double(batch * (single ? 1 : tokens) * tokens * columns)
        print("  attention, \(name): \(column(time * 1e6)) core-µs, \(column(work / time)) GFLOP/s")
      }
      let x = Matrix(1600, 768, gap: 0, seed: 1)
      let gain = [Float](repeating: 1, count: 768)
      for rows in [50, 400, 1600] {
        let time = best(50, threads: threads) {
          compute.layerNorm(
            x.view.rows(0..<rows), gain: gain, bias: gain, epsilon: 1e-5, into: x.view.rows(0..<rows))
        }
        print("  LayerNorm, \(rows) rows of 768: \(column(time * 1e6)) core-µs")
      }
    }
  }

  @Test("activations, and packing")
  func small() throws {
    for set in [InstructionSet.best] {
      let compute = try Compute(threads: 1, instructions: set)
      let packed = try compute.pack(Matrix(1, 3072, seed: 1))
      let x = Matrix(50, 1, seed: 2)
      let y = Matrix(50, 3072)
      for activation in [Epilogue.Activation.none, .quickGELU, .gelu] {
        let time = try best(50) {
          try compute.linear(x.view, packed, into: y.view, .init(activation: activation))
        }
        print("\(set.name), \(activation): \(column(time * 1e9 / (50 * 3072) * 100)) ns per 100 values")
      }
      let w = Matrix(3072, 3072, gap: 0, seed: 1)
      for (name, inputStride, outputStride) in [
        ("[inputs][outputs]", 3072, 1), ("[outputs][inputs]", 1, 3072),
      ] {
        for type in [ElementType.float32, .float16] {
          let source = WeightSource(
            base: w.memory, type: type, inputStride: inputStride, outputStride: outputStride, outputs: 3072)
          let time = try best(5) { _ = try compute.pack(inputs: 3072, sources: [source], bias: nil) }
          print("\(set.name), packing \(name) \(type): \(column(9.437184 * 4 / time / 1000)) GB/s")
        }
      }
    }
  }
}
