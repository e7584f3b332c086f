import CPlatform
import Glibc
import Platform

/// A stream socket that is not handed on to programs started later.
private func makeStreamSocket() throws -> SharedDescriptor {
  let type = Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue)
  let descriptor = SharedDescriptor(owning: socket(AF_INET, type, 0))
  guard descriptor.raw >= 0 else { throw PlatformError.last("socket") }
  return descriptor
}

private func loopbackAddress(port: UInt16) -> sockaddr_in {
  var address = sockaddr_in()
  address.sin_family = sa_family_t(AF_INET)
  address.sin_port = port.bigEndian
  address.sin_addr.s_addr = UInt32(0x7f00_0001).bigEndian
  return address
}

private func bindToLoopback(_ socket: SharedDescriptor) throws {
  var address = loopbackAddress(port: 0)
  let code = withUnsafePointer(to: &address) {
    $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
      bind(socket.raw, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
    }
  }
  guard code == 0 else { throw PlatformError.last("bind", "127.0.0.1") }
}

private func boundPort(_ socket: SharedDescriptor) throws -> UInt16 {
  var address = sockaddr_in()
  var size = socklen_t(MemoryLayout<sockaddr_in>.size)
  let code = withUnsafeMutablePointer(to: &address) {
    $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { getsockname(socket.raw, $0, &size) }
  }
  guard code == 0 else { throw PlatformError.last("getsockname") }
  return UInt16(bigEndian: address.sin_port)
}

/// A socket that listens on a free port of 127.0.0.1, and that port.
package func listenOnLoopback() throws -> (SharedDescriptor, UInt16) {
  let listener = try makeStreamSocket()
  try bindToLoopback(listener)
  guard listen(listener.raw, 1024) == 0 else { throw PlatformError.last("listen") }
  return (listener, try boundPort(listener))
}

/// The next connection; nil once the listener has been shut down. Small writes are sent at once.
func acceptConnection(_ listener: SharedDescriptor) -> SharedDescriptor? {
  while true {
    let raw = accept(listener.raw, nil, nil)
    if raw >= 0 {
      _ = drover_set_cloexec(raw, 1)
      return withoutDelay(SharedDescriptor(owning: raw))
    }
    if Glibc.errno != EINTR, Glibc.errno != ECONNABORTED { return nil }
  }
}

/// A connection to a port of 127.0.0.1; nil when nobody listens.
package func connectToLoopback(port: UInt16) -> SharedDescriptor? {
  // No socket is the same as no listener: the caller drops the connection it would have served.
  guard let socket = try? makeStreamSocket() else { return nil }
  var address = loopbackAddress(port: port)
  let code = withUnsafePointer(to: &address) {
    $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
      connect(socket.raw, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
    }
  }
  return code == 0 ? withoutDelay(socket) : nil
}

private func withoutDelay(_ socket: SharedDescriptor) -> SharedDescriptor {
  var on: Int32 = 1
  setsockopt(socket.raw, Int32(IPPROTO_TCP), TCP_NODELAY, &on, socklen_t(MemoryLayout<Int32>.size))
  return socket
}

/// Sends all of `bytes`; false when the other end is gone.
package func sendAll(_ bytes: ArraySlice<UInt8>, to target: SharedDescriptor) -> Bool {
  bytes.withUnsafeBytes { buffer in
    var offset = 0
    while offset < buffer.count {
      let count = retryingOnInterrupt {
        Glibc.send(
          target.raw, buffer.baseAddress?.advanced(by: offset), buffer.count - offset,
          Int32(MSG_NOSIGNAL))
      }
      guard count > 0 else { return false }
      offset += count
    }
    return true
  }
}

/// Ends a connection with a reset at once: what connecting a stream socket to no address does.
func resetConnection(_ connection: SharedDescriptor) {
  var none = sockaddr()
  none.sa_family = sa_family_t(AF_UNSPEC)
  _ = connect(connection.raw, &none, socklen_t(MemoryLayout<sockaddr>.size))
}

/// A port of 127.0.0.1 on which nobody listens.
package func freePort() throws -> UInt16 {
  let socket = try makeStreamSocket()
  try bindToLoopback(socket)
  return try boundPort(socket)
}
