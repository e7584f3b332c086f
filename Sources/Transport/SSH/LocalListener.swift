import Glibc
package import Platform

/// A listening socket of this machine, named by a path in a directory of ours.
package final class LocalListener: Sendable {
  private static let backlogCount: Int32 = 16

  private let socket: SharedDescriptor
  private let wakeup: Wakeup
  package let path: String

  /// Makes the socket at `path`. `wakeup` ends ``accept(timeouts:)`` as `.cancelled`.
  ///
  /// - Throws: `TransportError.cannotListen`, `.invalidEndpoint` for a path that is too long.
  package init(at path: String, wakeup: Wakeup) throws(TransportError) {
    self.path = path
    self.wakeup = wakeup
    let address = try SocketAddress.local(path)
    socket = try LocalSocket.make()
    let raw = socket.raw
    guard unsafe address.withPointer({ unsafe bind(raw, $0, $1) }) == 0,
      listen(raw, LocalListener.backlogCount) == 0
    else { throw .cannotListen(.last("bind"), address: path) }
  }

  /// Waits for a connection.
  ///
  /// - Throws: `TransportError.cancelled`, `.cannotListen`.
  package func accept(timeouts: StreamTimeouts) throws(TransportError) -> DescriptorStream {
    while true {
      if case .woken = try waitTranslated(wakeup, socket.raw, .reading, nil) { throw .cancelled }
      let raw = Glibc.accept(socket.raw, nil, nil)
      guard raw >= 0 else {
        if [EAGAIN, EINTR, ECONNABORTED].contains(Glibc.errno) { continue }
        throw .cannotListen(.last("accept"), address: path)
      }
      _ = fcntl(raw, F_SETFD, FD_CLOEXEC)
      let accepted = SharedDescriptor(owning: raw)
      return try DescriptorStream(
        reading: accepted, writing: accepted, peerDescription: "ssh", timeouts: timeouts)
    }
  }
}

/// Connections to a ``LocalListener``.
package enum LocalSocket {
  static func make() throws(TransportError) -> SharedDescriptor {
    let raw = socket(AF_UNIX, Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue), 0)
    guard raw >= 0 else { throw .system(.last("socket")) }
    return SharedDescriptor(owning: raw)
  }

  /// Connects to the socket at `path`.
  ///
  /// - Throws: `TransportError.unreachable`.
  package static func connect(_ path: String) throws(TransportError) -> DescriptorStream {
    let address = try SocketAddress.local(path)
    let descriptor = try make()
    let raw = descriptor.raw
    guard unsafe address.withPointer({ unsafe Glibc.connect(raw, $0, $1) }) == 0 else {
      throw .unreachable(address: path, cause: .last("connect"))
    }
    return try DescriptorStream(
      reading: descriptor, writing: descriptor, peerDescription: path,
      timeouts: StreamTimeouts(timeoutSeconds: nil))
  }
}

extension SocketAddress {
  /// A `sockaddr_un`: the family, then the path and a NUL (unix(7)).
  fileprivate static func local(_ path: String) throws(TransportError) -> SocketAddress {
    let name = Array(path.utf8)
    guard name.count < 108 else {
      throw .invalidEndpoint(path, problem: "a socket's path has at most 107 bytes; set TMPDIR")
    }
    let family = UInt16(AF_UNIX)
    return SocketAddress(bytes: [UInt8(family & 0xff), UInt8(family >> 8)] + name + [0])
  }
}
