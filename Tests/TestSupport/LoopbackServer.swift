import Glibc
import Platform

/// Accepts connections on a free port of 127.0.0.1 and serves each on a thread of its own, until
/// the last holder lets go.
final class LoopbackServer: Sendable {
  let port: UInt16
  let connections: OpenConnections
  private let listener: SharedDescriptor

  /// `serve` has the connection until it returns. It must not hold this object.
  init(_ serve: @escaping @Sendable (SharedDescriptor, OpenConnections) -> Void) throws {
    (listener, port) = try listenOnLoopback()
    connections = OpenConnections()
    startBackgroundThread { [listener, connections] in
      while let connection = acceptConnection(listener) {
        guard connections.add(connection, isAccepted: true) else { return }
        startBackgroundThread {
          serve(connection, connections)
          connections.remove(connection)
        }
      }
    }
  }

  deinit { stop() }

  /// Ends all connections and listens no more.
  func stop() {
    shutdown(listener.raw, Int32(SHUT_RDWR))
    connections.stop()
  }
}

/// The connections of a server, so that they can be ended from outside.
final class OpenConnections: @unchecked Sendable {
  private let lock = Lock()
  private var open: [ObjectIdentifier: SharedDescriptor] = [:]
  private var stopped = false
  private var accepted = 0

  /// Connections accepted so far.
  var acceptedCount: Int { lock.withLock { accepted } }
  var isStopped: Bool { lock.withLock { stopped } }

  /// False when everything has been stopped; the connection is then not served.
  func add(_ connection: SharedDescriptor, isAccepted: Bool = false) -> Bool {
    lock.withLock {
      if stopped { return false }
      open[ObjectIdentifier(connection)] = connection
      if isAccepted { accepted += 1 }
      return true
    }
  }

  func remove(_ connection: SharedDescriptor) {
    // Both ends may be held elsewhere for a moment more; the other side shall not wait for that.
    shutdown(connection.raw, Int32(SHUT_RDWR))
    _ = lock.withLock { open.removeValue(forKey: ObjectIdentifier(connection)) }
  }

  func stop() {
    lock.withLock {
      stopped = true
      for connection in open.values { shutdown(connection.raw, Int32(SHUT_RDWR)) }
    }
  }
}
