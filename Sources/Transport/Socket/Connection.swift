import Glibc
package import Platform

/// A connected, non-blocking TCP socket and the signal that ends waits on it.
package struct Connection: Sendable {
  package let socket: SharedDescriptor
  package let peer: SocketAddress
  package let wakeup: Wakeup

  init(socket: SharedDescriptor, peer: SocketAddress, wakeup: Wakeup) {
    self.socket = socket
    self.peer = peer
    self.wakeup = wakeup
    let raw = socket.raw
    setOption(raw, Int32(IPPROTO_TCP), TCP_NODELAY, 1)
    setOption(raw, SOL_SOCKET, SO_KEEPALIVE, 1)
    // VolSync's tunnel uses 180 s for the first probe (volsync.md 7.1): a dead one is found in 3
    // min.
    setOption(raw, Int32(IPPROTO_TCP), TCP_KEEPIDLE, 60)
    setOption(raw, Int32(IPPROTO_TCP), TCP_KEEPINTVL, 30)
    setOption(raw, Int32(IPPROTO_TCP), TCP_KEEPCNT, 4)
  }

  /// A connection that was accepted elsewhere.
  ///
  /// - Throws: `TransportError.connectionLost` when the peer has left.
  package static func adopting(
    _ socket: SharedDescriptor, wakeup: Wakeup
  ) throws(TransportError) -> Connection {
    let raw = socket.raw
    guard let peer = unsafe SocketAddress.reading({ unsafe getpeername(raw, $0, $1) }) else {
      throw .connectionLost(.last("getpeername"), during: .accept, peer: "a peer")
    }
    _ = fcntl(raw, F_SETFL, O_NONBLOCK)
    return Connection(socket: socket, peer: peer, wakeup: wakeup)
  }

  /// What a peer has said, while it stays in the buffer of the socket.
  package enum Peeked: Sendable {
    case hello(ClientHello)
    /// No TLS, or none that is as short as that of our peers.
    case garbage
    /// So many bytes have to be there for another look.
    case incomplete(sizeBytesWanted: Int)
    case gone
  }

  /// Looks at what a peer has said first, into a buffer that is good for one look. Calls `recv`
  /// with `MSG_PEEK`; does not wait.
  package static func peek(
    _ socket: SharedDescriptor, _ buffer: UnsafeMutableRawBufferPointer
  ) -> Peeked {
    guard let base = buffer.baseAddress else { return .garbage }
    let count = unsafe recv(
      socket.raw, base, buffer.count, Int32(MSG_PEEK) | Int32(MSG_DONTWAIT))
    if count < 0 { return Glibc.errno == EAGAIN ? .incomplete(sizeBytesWanted: 1) : .gone }
    if count == 0 { return .gone }
    switch unsafe ClientHello.read(UnsafeRawBufferPointer(rebasing: buffer[..<count])) {
    case .complete(let hello): return .hello(hello)
    case .notTLS: return .garbage
    case .incomplete(let wanted):
      return wanted <= buffer.count ? .incomplete(sizeBytesWanted: wanted) : .garbage
    }
  }

  /// Lets `poll` find a socket readable with so many bytes and not before; its end shows always.
  package static func setReadableSize(_ socket: SharedDescriptor, _ sizeBytes: Int) {
    setOption(socket.raw, SOL_SOCKET, SO_RCVLOWAT, Int32(clamping: max(1, sizeBytes)))
  }

  /// Connects to the first address of `endpoint` that answers. Blocks. `wakeup` ends the attempt,
  /// and later every wait on the connection, as `.cancelled`.
  ///
  /// - Throws: `TransportError.unresolved`, `.unreachable`, `.timedOut`, `.cancelled`.
  package static func connect(
    to endpoint: Endpoint, timeouts: StreamTimeouts = StreamTimeouts(), wakeup: Wakeup
  ) throws(TransportError) -> Connection {
    guard !endpoint.host.isEmpty else {
      throw .invalidEndpoint(endpoint.description, problem: "a host to connect to is missing")
    }
    guard endpoint.port != 0 else {
      throw .invalidEndpoint(endpoint.description, problem: "port 0 is for listening only")
    }
    let addresses = try SocketAddress.resolve(endpoint, purpose: .connect)
    let end = MonotonicTime.now().advanced(bySeconds: timeouts.connectSeconds)
    var failure = TransportError.unresolved(host: endpoint.host, reason: "no address")
    for (index, address) in addresses.enumerated() {
      let rest = max(0, end.seconds(since: .now()))
      let deadline = MonotonicTime.now().advanced(
        bySeconds: rest / Double(addresses.count - index))
      do throws(TransportError) {
        let socket = try open(address, until: deadline, timeouts: timeouts, wakeup: wakeup)
        return Connection(socket: socket, peer: address, wakeup: wakeup)
      } catch .cancelled {
        throw .cancelled
      } catch {
        failure = error
      }
    }
    throw failure
  }

  private static func open(
    _ address: SocketAddress, until deadline: MonotonicTime, timeouts: StreamTimeouts,
    wakeup: Wakeup
  ) throws(TransportError) -> SharedDescriptor {
    let type = SOCK_STREAM.rawValue | SOCK_NONBLOCK.rawValue | SOCK_CLOEXEC.rawValue
    let raw = Glibc.socket(address.family, Int32(type), 0)
    guard raw >= 0 else {
      throw .unreachable(address: address.description, cause: .last("socket"))
    }
    let socket = SharedDescriptor(owning: raw)
    if unsafe address.withPointer({ unsafe Glibc.connect(raw, $0, $1) }) == 0 { return socket }
    guard Glibc.errno == EINPROGRESS || Glibc.errno == EINTR else {
      throw .unreachable(address: address.description, cause: .last("connect"))
    }
    let outcome = try waitTranslated(wakeup, raw, .writing, deadline)
    switch outcome {
    case .woken: throw .cancelled
    case .timedOut:
      throw .timedOut(.connect, peer: address.description, seconds: timeouts.connectSeconds)
    case .ready: break
    }
    var code: Int32 = 0
    var size = socklen_t(MemoryLayout<Int32>.size)
    guard unsafe getsockopt(raw, SOL_SOCKET, SO_ERROR, &code, &size) == 0, code == 0 else {
      let cause = PlatformError("connect", "", errno: code == 0 ? Glibc.errno : code)
      throw .unreachable(address: address.description, cause: cause)
    }
    return socket
  }
}

/// Sets an integer option; a failure only costs speed or comfort and is ignored.
func setOption(_ socket: Int32, _ level: Int32, _ name: Int32, _ value: Int32) {
  var value = value
  _ = unsafe setsockopt(socket, level, name, &value, socklen_t(MemoryLayout<Int32>.size))
}

func waitTranslated(
  _ wakeup: Wakeup, _ descriptor: Int32, _ interest: Wakeup.Interest, _ deadline: MonotonicTime?
) throws(TransportError) -> Wakeup.Outcome {
  do throws(PlatformError) {
    return try wakeup.wait(for: descriptor, interest, until: deadline)
  } catch {
    throw .system(error)
  }
}
