import Platform
import Testing

@testable import Transport

@Suite struct LoopbackTests {
  @Test func negotiatesTheOneVersionAndSuite() throws {
    let loop = try Loopback()
    #expect(loop.client.negotiated == "TLSv1.3 TLS_AES_128_GCM_SHA256")
    #expect(loop.server.negotiated == "TLSv1.3 TLS_AES_128_GCM_SHA256")
    #expect(loop.server.peerIdentity == "volsync")
    #expect(loop.server.peerDescription.hasSuffix("(volsync)"))
  }

  @Test(arguments: [1, 3, 16_383, 16_384, 16_385, 100_003, 1 << 20])
  func carriesPiecesOfOddSizesBothWaysAtOnce(piece: Int) throws {
    let loop = try Loopback()
    let count = min(4 << 20, piece * 2_000 + 17)
    let forth = pattern(seed: 1, count: count)
    let back = pattern(seed: 2, count: count)
    let threads = [
      sending(forth, in: piece, over: loop.client), sending(back, in: piece, over: loop.server),
    ]
    let receiving = Thread("receiving") { try loop.server.readAll(piece: 7_919) }
    let arrivedBack = try loop.client.readAll(piece: 70_001)
    expectSame(try receiving.join(), forth)
    expectSame(arrivedBack, back)
    for thread in threads { try thread.join() }
  }

  @Test func carries64MiBAndCountsWireBytesAlikeOnBothEnds() throws {
    let loop = try Loopback()
    let data = pattern(seed: 3, count: 64 << 20)
    let thread = sending(data, in: 256 << 10, over: loop.client)
    let arrived = try loop.server.readAll(piece: 256 << 10)
    try thread.join()
    expectSame(arrived, data)
    let sent = loop.client.wireBytes
    #expect(sent.sent == loop.server.wireBytes.received)
    // 22 bytes for each record of 16 KiB, and the handshake.
    #expect(sent.sent > data.count + (data.count >> 14) * 22)
    #expect(sent.sent < data.count + (data.count >> 14) * 22 + 4_096)
  }

  @Test func finishLeavesTheOtherDirectionOpen() throws {
    let loop = try Loopback()
    try loop.client.write([1, 2, 3])
    try loop.client.finish()
    #expect(try loop.server.readAll() == [1, 2, 3])
    try loop.server.write([4, 5])
    try loop.server.finish()
    #expect(try loop.client.readAll() == [4, 5])
    #expect(try loop.client.read(atMost: 1).isEmpty, "the end stays the end")
  }

  @Test func closeWaitsForTheTailToArrive() throws {
    let loop = try Loopback()
    let data = pattern(seed: 4, count: 3 << 20)
    // Unread bytes at the closing end would make its kernel send a reset, and lose the tail.
    try loop.server.write(pattern(seed: 5, count: 1_000))
    let thread = Thread("closing") {
      try loop.client.write(data)
      loop.client.close()
    }
    SystemClock().sleep(seconds: 0.2)
    expectSame(try loop.server.readAll(), data)
    loop.server.close()
    try thread.join()
  }

  private func sending(
    _ bytes: [UInt8], in piece: Int, over stream: any ByteStream
  ) -> Thread<Void> {
    Thread("sending") {
      var rest = bytes[...]
      while !rest.isEmpty {
        try rest.prefix(piece).withUnsafeBytes { try stream.write($0) }
        rest = rest.dropFirst(piece)
      }
      try stream.finish()
    }
  }
}
