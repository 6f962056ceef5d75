import Glibc
import Kernels
import Synchronization
import Testing

@Suite("Work beside the caller's", .serialized)
struct BackgroundTests {
  final class Marks: @unchecked Sendable {
    private let marks: UnsafeMutablePointer<Int>
    private let count: Int
    let calls = Atomic<Int>(0)

    init(_ count: Int) {
      self.count = count
      marks = .allocate(capacity: count)
      marks.initialize(repeating: 0, count: count)
    }
    deinit { marks.deallocate() }

    func mark(_ index: Int) {
      marks[index] += 1
      calls.add(1, ordering: .relaxed)
    }
    var areOnce: Bool { (0..<count).allSatisfy { marks[$0] == 1 } }
  }

  @Test(
    "each index runs once, with products of the caller in between", arguments: [1, 2, 3, 8],
    [0, 1, 2, 9, 500])
  func once(_ threads: Int, _ count: Int) throws {
    let compute = try Compute(threads: threads)
    for _ in 0..<20 {
      let (early, late, between) = (Marks(count), Marks(count), Marks(50))
      let first = Background(compute, count: count) { early.mark($0) }
      let second = Background(compute, count: count) { late.mark($0) }
      compute.parallel(50) { between.mark($0) }
      first.finish()
      #expect(early.areOnce && between.areOnce)
      second.finish()
      second.finish()
      #expect(late.areOnce)
    }
  }

  @Test("it is done at the latest when it goes", arguments: [1, 2, 4])
  func end(_ threads: Int) throws {
    let compute = try Compute(threads: threads)
    let marks = Marks(100)
    do {
      let work = Background(compute, count: 100) { marks.mark($0) }
      _ = work
    }
    #expect(marks.areOnce)
  }

  @Test("a worker begins before the caller asks")
  func begins() throws {
    let compute = try Compute(threads: 2)
    let marks = Marks(1)
    let work = Background(compute, count: 1) { marks.mark($0) }
    for _ in 0..<10_000 where marks.calls.load(ordering: .relaxed) == 0 { usleep(1000) }
    #expect(marks.calls.load(ordering: .relaxed) == 1)
    work.finish()
    #expect(marks.areOnce)
  }

  @Test("a child that was forked while workers had it in hand finishes it alone", arguments: [2, 4])
  func fork(_ threads: Int) throws {
    let compute = try Compute(threads: threads)
    let marks = Marks(threads * 2)
    let mayGo = Flag()
    let work = Background(compute, count: threads * 2) { index in
      while !mayGo.isSet { usleep(100) }
      marks.mark(index)
    }
    usleep(20_000)
    let isDone = Child.succeeds {
      mayGo.set()
      work.finish()
      let after = Marks(10)
      compute.parallel(10) { after.mark($0) }
      return marks.areOnce && after.areOnce
    }
    #expect(isDone)
    mayGo.set()
    work.finish()
    #expect(marks.areOnce)
  }
}
