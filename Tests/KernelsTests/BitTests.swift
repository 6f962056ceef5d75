import CPlatform
import Glibc
import Kernels
import Testing

/// The same row gives the same bits, whatever surrounds it and whoever computes it.
@Suite("Bits")
struct BitTests {
  /// A product, a LayerNorm and an attention over some rows, as a block of a Transformer has them.
  struct Block: Sendable {
    let x: Matrix
    let expand, project: PackedWeights
    let gain, bias: [Float]
    let columns = 96

    init(_ compute: Compute, rows: Int, _ precision: Precision = .float32) throws {
      x = Matrix(rows, columns, seed: 1)
      expand = try compute.pack(
        Matrix(columns, 500, seed: 2), bias: [Float](repeating: 0.1, count: 500), precision: precision)
      project = try compute.pack(Matrix(500, columns, seed: 3, scale: 0.1), precision: precision)
      gain = (0..<columns).map { Float($0 % 7) }
      bias = (0..<columns).map { Float($0 % 5) }
    }

    func run(_ compute: Compute, _ rows: Range<Int>) throws -> Matrix {
      let input = x.view.rows(rows)
      let (normal, hidden, y) = (
        Matrix(rows.count, columns), Matrix(rows.count, 500), Matrix(rows.count, columns)
      )
      compute.layerNorm(input, gain: gain, bias: bias, epsilon: 1e-5, into: normal.view)
      try compute.linear(normal.view, expand, into: hidden.view, .init(activation: .quickGELU))
      try compute.linear(hidden.view, project, into: y.view, .init(residual: input))
      return y
    }
  }

  @Test(
    "of a row do not depend on M, its position or the threads", arguments: InstructionSet.allCases,
    [Precision.float32, .bfloat16, .int8])
  func rowsAndThreads(_ set: InstructionSet, _ precision: Precision) throws {
    let one = try compute(set, threads: 1)
    let block = try Block(one, rows: 40, precision)
    let reference = try block.run(one, 0..<40)
    for threads in [1, 2, 3, 5] {
      let compute = try compute(set, threads: threads)
      for count in 1...40 {
        for first in Set([0, (40 - count) / 2, 40 - count]) {
          let y = try block.run(compute, first..<first + count)
          let same = (0..<count).allSatisfy { y.bits($0) == reference.bits(first + $0) }
          #expect(same, "rows \(first)..<\(first + count), \(threads) threads")
        }
      }
    }
  }

  @Test(
    "do not depend on row blocks and turns", arguments: InstructionSet.allCases,
    [Precision.float32, .bfloat16, .int8])
  func manyRows(_ set: InstructionSet, _ precision: Precision) throws {
    let compute = try compute(set, threads: 3)
    let w = try compute.pack(Matrix(3000, 50, seed: 2), precision: precision)
    let x = Matrix(900, 3000, seed: 1)
    let (all, alone) = (Matrix(900, 50), Matrix(1, 50))
    try compute.linear(x.view, w, into: all.view)
    for row in stride(from: 0, to: 900, by: 13) {
      try compute.linear(x.view.rows(row..<row + 1), w, into: alone.view)
      #expect(alone.bits(0) == all.bits(row), "row \(row)")
    }
  }

  @Test("do not depend on other host threads", arguments: InstructionSet.supported)
  func hostThreads(_ set: InstructionSet) throws {
    let compute = try compute(set, threads: 3)
    let block = try Block(compute, rows: 200)
    let reference = try block.run(compute, 0..<200)
    let wrong = HostThreads.run(8) { thread in
      (0..<20).count { round in
        let first = (thread * 17 + round * 5) % 150
        guard let y = try? block.run(compute, first..<first + 50) else { return true }
        return !(0..<50).allSatisfy { y.bits($0) == reference.bits(first + $0) }
      }
    }
    #expect(wrong == [Int](repeating: 0, count: 8))
  }

  @Test("stay the same in the child of a fork, idle or amid another thread's call", arguments: [1, 3])
  func fork(_ threads: Int) throws {
    let compute = try Compute(threads: threads)
    let block = try Block(compute, rows: 120)
    let reference = try block.run(compute, 0..<120)
    let isSame: @Sendable () -> Bool = {
      guard let y = try? block.run(compute, 0..<120) else { return false }
      return (0..<120).allSatisfy { y.bits($0) == reference.bits($0) }
    }
    #expect(Child.succeeds(isSame))
    let stop = Flag()
    let busy = HostThreads.start(2) { _ in
      while !stop.isSet { _ = isSame() }
      return 0
    }
    for _ in 0..<20 { #expect(Child.succeeds(isSame)) }
    stop.set()
    _ = busy.join()
    #expect(isSame())
    // The child's child, too.
    #expect(Child.succeeds { isSame() && Child.succeeds(isSame) })
  }
}
