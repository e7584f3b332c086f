import Glibc
import Platform
import Testing

@testable import Transport

@Suite struct DescriptorStreamTests {
  @Test func carriesBytesBothWaysAndTheEnd() throws {
    let (one, other) = try DescriptorStream.makePair()
    let forth = pattern(seed: 1, count: 3_000_001)
    let back = pattern(seed: 2, count: 2_000_003)
    let sendings = [(one, forth), (other, back)].map { stream, bytes in
      Thread("sending") {
        try stream.write(bytes)
        try stream.finish()
      }
    }
    let receiving = Thread("receiving") { try other.readAll(piece: 4_099) }
    expectSame(try one.readAll(), back)
    expectSame(try receiving.join(), forth)
    for sending in sendings { try sending.join() }
    #expect(one.wireBytes == WireBytes(sent: 3_000_001, received: 2_000_003))
  }

  @Test func finishClosesAPipe() throws {
    var (forth, back): ([Int32], [Int32]) = ([-1, -1], [-1, -1])
    #expect(pipe(&forth) == 0)
    #expect(pipe(&back) == 0)
    let one = try stream(reading: back[0], writing: forth[1])
    let other = try stream(reading: forth[0], writing: back[1])
    try one.write([1, 2])
    try one.finish()
    #expect(try other.readAll() == [1, 2])
    try other.write([3])
    #expect(try one.read(atMost: 9) == [3])
    other.close()
    #expect(try one.read(atMost: 9).isEmpty)
  }

  @Test func writingToAGonePipeFailsWithoutASignal() throws {
    var (forth, back): ([Int32], [Int32]) = ([-1, -1], [-1, -1])
    #expect(pipe(&forth) == 0)
    #expect(pipe(&back) == 0)
    let one = try stream(reading: back[0], writing: forth[1])
    close(forth[0])
    close(back[1])
    let error = transportError { try one.write([1]) }
    guard case .connectionLost(let cause, .write, _) = error else {
      Issue.record("\(String(describing: error))")
      return
    }
    #expect(cause.errno == EPIPE)
  }

  private func stream(reading: Int32, writing: Int32) throws -> DescriptorStream {
    try DescriptorStream(
      reading: SharedDescriptor(owning: reading), writing: SharedDescriptor(owning: writing),
      peerDescription: "pipe")
  }
}
