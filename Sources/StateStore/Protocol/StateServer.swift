import Glibc
import Manifests
import Platform

/// Answers on the socket of a state directory: a thread for each connection, of which there are
/// few. Whatever comes in ends its own connection at the worst.
package final class StateServer: @unchecked Sendable {
  /// How often a watch looks whether anybody still listens.
  private static let watchLookSeconds = 5.0

  private let service: StateService
  private let listener: SharedDescriptor
  private let ending: Wakeup
  private let lock = Lock()
  private let condition: Condition
  private var connections: [Int32: SharedDescriptor] = [:]
  private var watchers: [ObjectIdentifier: ChangeFeed.Watcher] = [:]
  private var shallEnd = false
  private var acceptor: Thread<Void>?

  /// Starts to listen.
  package init(_ service: StateService) throws(StateError) {
    self.service = service
    condition = Condition(lock)
    do throws(PlatformError) {
      listener = try StateSocket.listen(service.directory.path)
      ending = try Wakeup()
    } catch {
      throw .directory(error)
    }
    acceptor = Thread("socket") { [unowned self] in accept() }
  }

  /// Ends all connections, waits for their threads, and removes the socket. Once.
  package func stop() {
    lock.withLock {
      shallEnd = true
      for connection in connections.values { shutdown(connection.raw, Int32(SHUT_RDWR)) }
      for watcher in watchers.values { watcher.close() }
    }
    ending.signal()
    // Its body does not throw.
    try? acceptor?.join()
    acceptor = nil
    lock.withLock {
      while !connections.isEmpty { condition.wait() }
    }
    unlink("\(service.directory.path)/\(StateSocket.name)")
  }

  private func accept() {
    while true {
      // What cannot be waited for any more ends the listening, and commands say so.
      guard let outcome = try? ending.wait(for: listener.raw, .reading, until: nil),
        case .ready = outcome
      else { return }
      let raw = Glibc.accept(listener.raw, nil, nil)
      guard raw >= 0 else {
        // Out of descriptors: those that are in use come free.
        if errno == EMFILE || errno == ENFILE { SystemClock().sleep(seconds: 0.1) }
        continue
      }
      _ = fcntl(raw, F_SETFD, FD_CLOEXEC)
      begin(SharedDescriptor(owning: raw))
    }
  }

  private func begin(_ connection: SharedDescriptor) {
    let isTaken = lock.withLock {
      guard !shallEnd, connections.count < StateLimits.connectionCountMax else { return false }
      connections[connection.raw] = connection
      return true
    }
    guard isTaken else { return }
    StateSocket.setTimeout(connection.raw, seconds: StateLimits.connectionSeconds)
    // Its end is waited for by the count of connections.
    startDetachedThread("connection") { [self] in
      serve(connection)
      lock.withLock {
        connections[connection.raw] = nil
        condition.broadcast()
      }
    }
  }

  private func serve(_ descriptor: SharedDescriptor) {
    var connection = LineConnection(
      descriptor, lineSizeBytesMax: StateLimits.requestSizeBytesMax)
    do throws(StateError) {
      while let message = try connection.receive() {
        let request: StateRequest
        do {
          request = try StateRequest(message)
        } catch {
          try connection.send(StateAnswer(error).document)
          continue
        }
        if case .watch(let kind, let namespace) = request {
          return try watch(kind, namespace, connection)
        }
        try connection.send(service.answer(request).document)
      }
    } catch .badMessage(let reason) {
      // Told when it can be; where a line ends is not known any more.
      try? connection.send(StateAnswer(.badMessage(reason)).document)
    } catch {
      // The other side is gone or too slow, which is its own matter.
      return
    }
  }

  private func watch(
    _ kind: String?, _ namespace: String?, _ connection: borrowing LineConnection
  ) throws(StateError) {
    let watcher = service.directory.changes.watch()
    let id = ObjectIdentifier(watcher)
    let shallEnd = lock.withLock {
      watchers[id] = watcher
      return self.shallEnd
    }
    defer {
      lock.withLock { watchers[id] = nil }
      watcher.close()
    }
    if shallEnd { return }
    var state = WatchState(kind: kind, namespace: namespace)
    for notice in try state.look(service) {
      try connection.send(StateAnswer.notice(notice).document)
    }
    try connection.send(StateAnswer.watching.document)
    while let keys = watcher.next(seconds: StateServer.watchLookSeconds) {
      if connection.hasEnded { return }
      guard !keys.isEmpty else { continue }
      for notice in try state.look(service) {
        try connection.send(StateAnswer.notice(notice).document)
      }
    }
  }
}
