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
    (listener, port) = try listenOnLoopback()
    self.targetPort = targetPort
    self.fault = fault
    changed = Condition(lock)
    startBackgroundThread { [listener, weak self] in
      while let connection = acceptConnection(listener) {
        guard let self else { return }
        self.relay(connection)
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
    guard let server = connectToLoopback(port: targetPort) else { return }
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
      if allowed > 0, !sendAll(buffer[..<allowed], to: target) { break }
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

  private func end(_ source: SharedDescriptor, _ target: SharedDescriptor) {
    let isReset = lock.withLock { if case .reset = fault { true } else { false } }
    for connection in [source, target] {
      if isReset { resetConnection(connection) }
      shutdown(connection.raw, Int32(SHUT_RDWR))
    }
  }
}
