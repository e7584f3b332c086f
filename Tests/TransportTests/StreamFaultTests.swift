import Glibc
import Platform
import Testing

@testable import Transport

/// Both kinds of stream when the peer breaks, stalls or this side gives up.
@Suite struct StreamFaultTests {
  enum Kind: CaseIterable {
    case tls
    case descriptors
  }

  private func makePair(
    _ kind: Kind, timeoutSeconds: Double = 60
  ) throws -> (any ByteStream, any ByteStream) {
    switch kind {
    case .tls:
      let loop = try Loopback(timeoutSeconds: timeoutSeconds)
      return (loop.client, loop.server)
    case .descriptors:
      return try DescriptorStream.makePair(
        timeouts: StreamTimeouts(timeoutSeconds: timeoutSeconds))
    }
  }

  @Test(arguments: Kind.allCases)
  func abortEndsABlockedRead(kind: Kind) throws {
    let (one, other) = try makePair(kind)
    let reader = Thread("reader") { transportError { _ = try one.read(atMost: 100) } }
    SystemClock().sleep(seconds: 0.1)
    one.abort()
    expectCancelled(try reader.join())
    expectCancelled(transportError { try one.write([1]) })
    withExtendedLifetime(other) {}
  }

  @Test(arguments: Kind.allCases)
  func abortEndsABlockedWrite(kind: Kind) throws {
    let (one, other) = try makePair(kind)
    let writer = Thread("writer") {
      transportError {
        let bytes = [UInt8](repeating: 7, count: 1 << 20)
        while true { try one.write(bytes) }
      }
    }
    SystemClock().sleep(seconds: 0.3)
    one.abort()
    expectCancelled(try writer.join())
    withExtendedLifetime(other) {}
  }

  @Test(arguments: Kind.allCases)
  func aPeerThatStallsTimesOutReadAndWrite(kind: Kind) throws {
    let (one, other) = try makePair(kind, timeoutSeconds: 0.3)
    let atRead = transportError { _ = try one.read(atMost: 1) }
    guard case .timedOut(.read, _, _) = atRead else {
      Issue.record("\(String(describing: atRead))")
      return
    }
    let atWrite = transportError {
      let bytes = [UInt8](repeating: 7, count: 1 << 20)
      while true { try one.write(bytes) }
    }
    guard case .timedOut(.write, _, _) = atWrite else {
      Issue.record("\(String(describing: atWrite))")
      return
    }
    #expect(atWrite?.kind == .unreachable)
    withExtendedLifetime(other) {}
  }

  @Test(arguments: Kind.allCases)
  func whatThisSideSendsKeepsItsOwnReadAlive(kind: Kind) throws {
    let (one, other) = try makePair(kind, timeoutSeconds: 0.8)
    let answer = Thread("other") {
      for _ in 0..<12 { _ = try other.read(atMost: 1) }
      try other.write([42])
    }
    let reader = Thread("reader") { try one.read(atMost: 1) }
    for _ in 0..<12 {
      SystemClock().sleep(seconds: 0.15)
      try one.write([1])
    }
    #expect(try reader.join() == [42])
    try answer.join()
  }

  @Test func anEndWithoutCloseNotifyIsTruncation() throws {
    let (client, server) = try makeRaw()
    try server.stream.write([1, 2, 3])
    // The kernel ends the connection in order (FIN), TLS does not.
    shutdown(server.socket.raw, Int32(SHUT_WR))
    #expect(try client.read(atMost: 10) == [1, 2, 3])
    for _ in 0..<2 {
      let error = transportError { _ = try client.read(atMost: 10) }
      guard case .truncated = error else {
        Issue.record("\(String(describing: error))")
        return
      }
      #expect(error?.kind == .unreachable)
    }
  }

  @Test func aResetIsALostConnection() throws {
    let (client, server) = try makeRaw()
    // Closing with a linger time of 0 sends RST.
    var linger = linger(l_onoff: 1, l_linger: 0)
    setsockopt(
      server.socket.raw, SOL_SOCKET, SO_LINGER, &linger, socklen_t(MemoryLayout<Glibc.linger>.size))
    let null = open("/dev/null", O_RDONLY)
    dup2(null, server.socket.raw)
    close(null)
    let error = transportError { _ = try client.read(atMost: 10) }
    guard case .connectionLost(_, .read, _) = error else {
      Issue.record("\(String(describing: error))")
      return
    }
    #expect(error?.kind == .unreachable)
  }

  @Test func damagedRecordsAreAFailureOfTLS() throws {
    let (client, server) = try makeRaw()
    let bytes: [UInt8] = [0x17, 3, 3, 0, 32] + [UInt8](repeating: 9, count: 32)
    _ = bytes.withUnsafeBytes { write(server.socket.raw, $0.baseAddress, $0.count) }
    let error = transportError { _ = try client.read(atMost: 10) }
    guard case .tlsFailed = error else {
      Issue.record("\(String(describing: error))")
      return
    }
    let later = transportError { try client.write([1]) }
    guard case .tlsFailed = later else {
      Issue.record("\(String(describing: later))")
      return
    }
  }

  @Test func abortEndsAcceptAndConnect() throws {
    let wakeup = try Wakeup()
    let listener = try Listener(on: Endpoint(parsing: "127.0.0.1:0"), wakeup: wakeup)
    let accepting = Thread("accepting") {
      transportError { _ = try listener.accept(wakeup: Wakeup()) }
    }
    listener.abort()
    expectCancelled(try accepting.join())
    expectCancelled(
      transportError {
        _ = try Connection.connect(
          to: Endpoint(host: "192.0.2.1", port: 9), timeouts: StreamTimeouts(), wakeup: wakeup)
      })
  }

  private struct RawServer {
    let stream: TLSStream
    let socket: SharedDescriptor
  }

  /// A connection with the server's bare socket.
  private func makeRaw() throws -> (TLSStream, RawServer) {
    let keys = try keyRing("a:\(keyHex("01"))")
    let listener = try Listener(on: Endpoint(parsing: "127.0.0.1:0"), wakeup: Wakeup())
    let serving = Thread("server") {
      let connection = try listener.accept(wakeup: Wakeup())
      return RawServer(
        stream: try TLSStream(connection, context: .server(keys)), socket: connection.socket)
    }
    let client = try connect(port: listener.boundPort, key: keys.clientKey())
    return (client, try serving.join())
  }

  private func expectCancelled(
    _ error: TransportError?, sourceLocation: SourceLocation = #_sourceLocation
  ) {
    guard case .cancelled = error else {
      Issue.record("\(String(describing: error))", sourceLocation: sourceLocation)
      return
    }
  }
}
