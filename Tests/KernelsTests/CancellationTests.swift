import Foundation
import Testing

@testable import Kernels

@Suite("Cancellation")
struct CancellationTests {
  @Test("stops for good, by the first reason")
  func reasons() {
    let cancellation = Cancellation()
    #expect(cancellation.reason == nil)
    for milliseconds in [3_600_000, -1, .max, .min] {
      cancellation.setDeadline(milliseconds: milliseconds)
      #expect(cancellation.reason == nil)
    }
    cancellation.setDeadline(milliseconds: 0)
    #expect(cancellation.reason == .deadline)
    cancellation.setDeadline(milliseconds: -1)
    cancellation.cancel()
    #expect(cancellation.reason == .deadline)
    let other = Cancellation()
    other.cancel()
    other.setDeadline(milliseconds: 0)
    #expect(other.reason == .cancelled)
  }

  @Test("is heeded by the kernels of the threads that it is attached to, and by no others")
  func attached() throws {
    let compute = try Compute(threads: 2)
    let values: [Float] = [1, 2, 3, 4]
    @Sendable func product() throws {
      try values.withUnsafeBufferPointer { values in
        var result: [Float] = [0, 0]
        let source = WeightSource(
          base: UnsafeRawPointer(values.baseAddress!), type: .float32, inputStride: 2, outputStride: 1,
          outputs: 2)
        let weights = try compute.pack(inputs: 2, sources: [source], bias: nil)
        try result.withUnsafeMutableBufferPointer { result in
          let x = MatrixView(
            pointer: UnsafeMutablePointer(mutating: values.baseAddress!), rows: 1, columns: 2)
          try compute.linear(x, weights, into: MatrixView(pointer: result.baseAddress!, rows: 1, columns: 2))
        }
        #expect(result == [7, 10])
      }
    }
    let cancellation = Cancellation()
    #expect(Attachments.own == nil)
    #expect(Attachments.attach(cancellation, number: 1) && Attachments.attach(Cancellation(), number: 2))
    try product()
    cancellation.cancel()
    #expect(throws: KernelError.self) { try product() }
    nonisolated(unsafe) var other: Result<Void, any Swift.Error>?
    let done = DispatchSemaphore(value: 0)
    Thread {
      other = Result { try product() }
      done.signal()
    }.start()
    done.wait()
    try #require(other).get()
    Attachments.detach(number: 3)
    #expect(throws: KernelError.self) { try Attachments.check() }
    Attachments.detach(number: 1)
    try product()
    Attachments.detach(number: 2)
    #expect(Attachments.own == nil)
  }

  @Test("ends with its threads")
  func endOfThread() {
    weak var left: Cancellation?
    let done = DispatchSemaphore(value: 0)
    do {
      let cancellation = Cancellation()
      left = cancellation
      let thread = Thread { [cancellation] in
        _ = Attachments.attach(cancellation, number: 1)
        done.signal()
      }
      thread.start()
      done.wait()
    }
    for _ in 0..<500 where left != nil { usleep(10_000) }
    #expect(left == nil)
  }
}

@Suite("Allowed memory")
struct AllowedMemoryTests {
  @Test(
    "is the tightest limit of the control groups",
    arguments: [
      ("", [:], nil),
      (
        "0::/a/b\n", ["/sys/fs/cgroup/a/b/memory.max": "max\n", "/sys/fs/cgroup/a/memory.max": "4096\n"], 4096
      ),
      ("0::/a/b\n", ["/sys/fs/cgroup/memory.max": "77\n", "/sys/fs/cgroup/a/memory.max": "4096\n"], 77),
      ("7:memory:/x\n3:cpu:/x\n", ["/sys/fs/cgroup/memory/x/memory.limit_in_bytes": "12345\n"], 12345),
      ("7:cpu:/x\n", ["/sys/fs/cgroup/memory/x/memory.limit_in_bytes": "12345\n"], nil),
      ("0::/\n", ["/sys/fs/cgroup/memory.max": "-1 0 nonsense"], nil),
    ] as [(String, [String: String], Int?)])
  func limit(groups: String, files: [String: String], expected: Int?) {
    #expect(AllowedMemory.limit(groups: groups, read: { files[$0] }) == expected)
  }

  @Test("is something")
  func some() { #expect(AllowedMemory.bytes > 1 << 24) }
}
