import Glibc
package import Platform

/// A listening TCP socket.
package final class Listener: Sendable {
  /// Connections waiting to be accepted; the kernel cuts it to its own limit (somaxconn, 4096).
  private static let backlogCount: Int32 = 64

  private let socket: SharedDescriptor
  private let wakeup: Wakeup
  /// The address in use, with the port that was picked for port 0.
  package let boundAddress: SocketAddress

  package var boundPort: UInt16 { boundAddress.port }

  /// Readable when somebody connects: for a `poll` over several descriptors.
  package var descriptor: Int32 { socket.raw }

  /// Listens on `endpoint`: with an empty host on all IPv6 and IPv4 addresses (IPv4 alone where the
  /// machine has no IPv6), else on the first address of the host that can be bound. Port 0 picks a
  /// free one. `wakeup` ends ``accept(wakeup:until:)`` as `.cancelled`.
  ///
  /// - Throws: `TransportError.addressInUse`, `.cannotListen`, `.unresolved`.
  package init(on endpoint: Endpoint, wakeup: Wakeup) throws(TransportError) {
    self.wakeup = wakeup
    socket = try Listener.open(endpoint)
    let raw = socket.raw
    guard let bound = unsafe SocketAddress.reading({ unsafe getsockname(raw, $0, $1) }) else {
      throw .cannotListen(.last("getsockname"), address: endpoint.description)
    }
    boundAddress = bound
  }

  deinit {
    // The address is free again from here on, also while a child that another thread is just
    // starting has a copy of the descriptor.
    shutdown(socket.raw, Int32(SHUT_RDWR))
  }

  private static func open(_ endpoint: Endpoint) throws(TransportError) -> SharedDescriptor {
    var addresses = try SocketAddress.resolve(endpoint, purpose: .listen)
    if endpoint.host.isEmpty {
      // The IPv6 wildcard socket serves both families.
      let (first, second) = (AF_INET6, AF_INET)
      addresses =
        addresses.filter { $0.family == first } + addresses.filter { $0.family == second }
    }
    var failure: TransportError?
    for address in addresses {
      do throws(TransportError) {
        return try open(address, named: endpoint)
      } catch {
        // In use on one family is not cured by taking the other one alone.
        if case .addressInUse = error { throw error }
        failure = failure ?? error
      }
    }
    throw failure ?? .unresolved(host: endpoint.host, reason: "no address")
  }

  private static func open(
    _ address: SocketAddress, named endpoint: Endpoint
  ) throws(TransportError) -> SharedDescriptor {
    let type = SOCK_STREAM.rawValue | SOCK_NONBLOCK.rawValue | SOCK_CLOEXEC.rawValue
    let raw = Glibc.socket(address.family, Int32(type), 0)
    guard raw >= 0 else {
      throw .cannotListen(.last("socket"), address: endpoint.description)
    }
    let socket = SharedDescriptor(owning: raw)
    setOption(raw, SOL_SOCKET, SO_REUSEADDR, 1)
    if address.family == AF_INET6 {
      setOption(raw, Int32(IPPROTO_IPV6), IPV6_V6ONLY, endpoint.host.isEmpty ? 0 : 1)
    }
    guard unsafe address.withPointer({ unsafe bind(raw, $0, $1) }) == 0,
      listen(raw, backlogCount) == 0
    else {
      let error = PlatformError.last("bind")
      if error.errno == EADDRINUSE { throw .addressInUse(endpoint.description) }
      throw .cannotListen(error, address: endpoint.description)
    }
    return socket
  }

  /// Waits for a connection, until `deadline` or, when it is nil, for ever. `wakeup` goes with the
  /// connection and ends waits on it.
  ///
  /// - Throws: `TransportError.cancelled` after ``abort()``, `.timedOut`, `.cannotListen`.
  package func accept(
    wakeup connectionWakeup: Wakeup, until deadline: MonotonicTime? = nil
  ) throws(TransportError) -> Connection {
    let began = MonotonicTime.now()
    while true {
      switch try waitTranslated(wakeup, socket.raw, .reading, deadline) {
      case .woken: throw .cancelled
      case .timedOut:
        throw .timedOut(
          .accept, peer: boundAddress.description,
          seconds: MonotonicTime.now().seconds(since: began))
      case .ready: break
      }
      var raw: Int32 = -1
      let peer = unsafe SocketAddress.reading { address, length in
        unsafe raw = Glibc.accept(socket.raw, address, length)
        return raw < 0 ? -1 : 0
      }
      guard let peer else {
        let error = PlatformError.last("accept")
        if Listener.isTransient(error.errno) { continue }
        throw .cannotListen(error, address: boundAddress.description)
      }
      let accepted = SharedDescriptor(owning: raw)
      _ = fcntl(raw, F_SETFD, FD_CLOEXEC)
      _ = fcntl(raw, F_SETFL, O_NONBLOCK)
      return Connection(socket: accepted, peer: peer, wakeup: connectionWakeup)
    }
  }

  /// Takes the next connection when there is one, without waiting: a socket that does not block.
  ///
  /// - Throws: `TransportError.cannotListen`, also when descriptors or memory have run out.
  package func acceptNow() throws(TransportError) -> SharedDescriptor? {
    while true {
      let raw = Glibc.accept(socket.raw, nil, nil)
      if raw >= 0 {
        _ = fcntl(raw, F_SETFD, FD_CLOEXEC)
        _ = fcntl(raw, F_SETFL, O_NONBLOCK)
        return SharedDescriptor(owning: raw)
      }
      let error = PlatformError.last("accept")
      if error.errno == EAGAIN { return nil }
      guard Listener.isTransient(error.errno) else {
        throw .cannotListen(error, address: boundAddress.description)
      }
    }
  }

  /// Ends ``accept(wakeup:until:)``, now and later. Any thread.
  package func abort() { wakeup.signal() }

  /// Errors of a connection that was gone before it was accepted (accept(2), "Error handling").
  private static func isTransient(_ code: Int32) -> Bool {
    [
      EAGAIN, EINTR, ECONNABORTED, EPROTO, ENETDOWN, ENOPROTOOPT, EHOSTDOWN, ENONET, EHOSTUNREACH,
      EOPNOTSUPP, ENETUNREACH,
    ].contains(code)
  }
}
