import Glibc
import Platform

/// A TCP relay on the loopback address that spoils connections on purpose.
package final class CuttingProxy: @unchecked Sendable {
  package enum Fault: Sendable {
    case none
    /// Ends both directions after that many bytes, both directions together, with a clean TCP end.
    case cut(afterBytes: Int)
    /// The same with a reset.
    case reset(afterBytes: Int)
    /// Passes nothing on after that many bytes, and keeps the connections open.
    case stall(afterBytes: Int)
    /// Holds each piece back for so long.
    case delay(seconds: Double)
  }

  /// Where the relay listens.
  package let port: UInt16
  private let listener: SharedDescriptor
  private let targetPort: UInt16
  private let lock = Lock()
  private let changed: Condition
  private var fault: Fault
  private var passed = 0
  private var connections: [SharedDescriptor] = []
  private var isStopped = false

  /// Starts to relay to `targetPort` of 127.0.0.1. The fault counts bytes of all connections
  /// together.
  package init(targetPort: UInt16, fault: Fault) throws {
    listener = SharedDescriptor(owning: socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0))
    guard listener.raw >= 0 else { throw PlatformError.last("socket") }
    try bindToLoopback(listener)
    guard listen(listener.raw, 16) == 0 else { throw PlatformError.last("listen") }
    port = try boundPort(listener)
    self.targetPort = targetPort
    self.fault = fault
    changed = Condition(lock)
    startBackgroundThread { [listener, weak self] in
      while true {
        let raw = accept(listener.raw, nil, nil)
        guard raw >= 0 else {
          if Glibc.errno == EINTR || Glibc.errno == ECONNABORTED { continue }
          return
        }
        guard let self else {
          close(raw)
          return
        }
        self.relay(SharedDescriptor(owning: raw))
      }
    }
  }

  deinit { stop() }

  /// Bytes passed on so far, both directions together.
  package var passedBytes: Int { lock.withLock { passed } }

  /// Changes the fault for the bytes to come; the count goes on.
  package func setFault(_ fault: Fault) {
    lock.withLock {
      self.fault = fault
      changed.broadcast()
    }
  }

  /// Ends all connections and listens no more.
  package func stop() {
    shutdown(listener.raw, Int32(SHUT_RDWR))
    lock.withLock {
      isStopped = true
      for connection in connections { shutdown(connection.raw, Int32(SHUT_RDWR)) }
      connections = []
      changed.broadcast()
    }
  }

  private func relay(_ client: SharedDescriptor) {
    let server = SharedDescriptor(owning: socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0))
    guard server.raw >= 0, connectToLoopback(server, port: targetPort) else { return }
    lock.withLock { connections += [client, server] }
    startBackgroundThread { self.pump(from: client, to: server) }
    startBackgroundThread { self.pump(from: server, to: client) }
  }

  private func pump(from source: SharedDescriptor, to target: SharedDescriptor) {
    var buffer = [UInt8](repeating: 0, count: 16 << 10)
    while true {
      let count = retryingOnInterrupt {
        buffer.withUnsafeMutableBytes { read(source.raw, $0.baseAddress, $0.count) }
      }
      guard count > 0 else { break }
      let allowed = admit(count)
      if allowed > 0, !send(buffer[..<allowed], to: target) { break }
      if allowed < count { return end(source, target) }
    }
    shutdown(target.raw, Int32(SHUT_WR))
  }

  /// How many of `count` bytes may pass; waits while the connection is delayed or stalled.
  private func admit(_ count: Int) -> Int {
    let admission = lock.withLock { () -> (allowed: Int, delay: Double) in
      while !isStopped {
        switch fault {
        case .none:
          passed += count
          return (count, 0)
        case .delay(let seconds):
          passed += count
          return (count, seconds)
        case .cut(let limit), .reset(let limit):
          let allowed = max(0, min(count, limit - passed))
          passed += allowed
          return (allowed, 0)
        case .stall(let limit):
          if passed + count <= limit {
            passed += count
            return (count, 0)
          }
          changed.wait()
        }
      }
      return (0, 0)
    }
    SystemClock().sleep(seconds: admission.delay)
    return admission.allowed
  }

  private func send(_ bytes: ArraySlice<UInt8>, to target: SharedDescriptor) -> Bool {
    var rest = bytes
    while !rest.isEmpty {
      let count = retryingOnInterrupt {
        rest.withUnsafeBytes {
          Glibc.send(target.raw, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL))
        }
      }
      guard count > 0 else { return false }
      rest = rest.dropFirst(count)
    }
    return true
  }

  private func end(_ source: SharedDescriptor, _ target: SharedDescriptor) {
    let isReset = lock.withLock { if case .reset = fault { true } else { false } }
    for connection in [source, target] {
      if isReset {
        // Connecting a stream socket to no address ends it with a reset at once.
        var none = sockaddr()
        none.sa_family = sa_family_t(AF_UNSPEC)
        _ = connect(connection.raw, &none, socklen_t(MemoryLayout<sockaddr>.size))
      }
      shutdown(connection.raw, Int32(SHUT_RDWR))
    }
  }
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

private func connectToLoopback(_ socket: SharedDescriptor, port: UInt16) -> Bool {
  var address = loopbackAddress(port: port)
  return withUnsafePointer(to: &address) {
    $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
      connect(socket.raw, $0, socklen_t(MemoryLayout<sockaddr_in>.size)) == 0
    }
  }
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

/// A port of 127.0.0.1 on which nobody listens.
package func freePort() throws -> UInt16 {
  let socket = SharedDescriptor(owning: socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0))
  try bindToLoopback(socket)
  return try boundPort(socket)
}
