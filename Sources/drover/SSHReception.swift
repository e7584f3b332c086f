import Platform
import Replication
import Transport

/// Takes logins of an sshd of ours and finds out what they speak.
final class SSHReception: PeerReception, @unchecked Sendable {
  /// Logins that may be under way at once; further ones wait.
  private static let pendingCountMax = 16
  private static let requestSeconds = 30.0

  private let server: SSHServer
  private let timeouts: StreamTimeouts
  private let refused: @Sendable (TransportError) -> Void

  private let lock = Lock()
  private let changed: Condition
  // The following are guarded by `lock`.
  private var ready: [(stream: any ByteStream, peer: Result<RecognizedPeer, any Error>)] = []
  private var pending: [UInt64: DescriptorStream] = [:]
  private var threads: [UInt64: Thread<Void>] = [:]
  private var endedThreads: [UInt64] = []
  private var failure: TransportError?
  private var hasNote = false
  private var isStopped = false

  private var accepting: Thread<Void>?

  /// Starts accepting. `refused` is told of logins that are no session of ours.
  init(
    _ server: SSHServer, timeouts: StreamTimeouts,
    refused: @escaping @Sendable (TransportError) -> Void
  ) {
    self.server = server
    self.timeouts = timeouts
    self.refused = refused
    changed = Condition(lock)
    accepting = Thread("accept") { [unowned self] in self.acceptAll() }
  }

  func next() throws(TransportError) -> ReceptionEvent {
    lock.lock()
    defer { lock.unlock() }
    while true {
      if isStopped { throw .cancelled }
      if !ready.isEmpty {
        changed.broadcast()
        let first = ready.removeFirst()
        return .peer(first.stream, first.peer)
      }
      if hasNote {
        hasNote = false
        return .note
      }
      if let failure { throw failure }
      changed.wait()
    }
  }

  func notify() {
    lock.withLock {
      hasNote = true
      changed.broadcast()
    }
  }

  func cancel() {
    let streams = lock.withLock {
      isStopped = true
      changed.broadcast()
      return Array(pending.values) + ready.compactMap { $0.stream as? DescriptorStream }
    }
    server.cancel()
    for stream in streams { stream.abort() }
  }

  /// Cancels and waits for all threads and for sshd. Once, at the end.
  func stop() {
    cancel()
    let all = [accepting].compactMap { $0 } + lock.withLock { Array(threads.values) }
    // Their bodies keep failures to themselves.
    for thread in all { try? thread.join() }
    server.stop()
  }

  private func acceptAll() {
    var number: UInt64 = 0
    while waitForRoom() {
      do throws(TransportError) {
        let stream = try server.accept(timeouts: timeouts)
        number += 1
        start(number, stream)
      } catch {
        return lock.withLock {
          failure = error
          changed.broadcast()
        }
      }
    }
  }

  private func waitForRoom() -> Bool {
    let ended: [Thread<Void>]? = lock.withLock {
      while !isStopped, pending.count + ready.count >= SSHReception.pendingCountMax {
        changed.wait()
      }
      defer { endedThreads = [] }
      return isStopped ? nil : endedThreads.compactMap { threads.removeValue(forKey: $0) }
    }
    guard let ended else { return false }
    // Their bodies keep failures to themselves.
    for thread in ended { try? thread.join() }
    return true
  }

  private func start(_ number: UInt64, _ stream: DescriptorStream) {
    lock.withLock {
      pending[number] = stream
      if isStopped { stream.abort() }
      threads[number] = Thread("login") { [unowned self] in self.receive(number, stream) }
    }
  }

  private func receive(_ number: UInt64, _ stream: DescriptorStream) {
    var peer: Result<RecognizedPeer, any Error>?
    do {
      let request = try RelayRequest.receive(from: stream)
      if request.isOfStockMover {
        try RelayRequest.refuse(stream, RelayRequest.stockText)
        refused(.commandFailed(peer: "ssh", code: 1, said: RelayRequest.stockText))
      } else {
        try RelayRequest.accept(stream)
        peer = Result { try PeerProtocol.recognize(stream) }
      }
    } catch {
      let failure = error as? TransportError
      if let failure, failure.kind != .cancelled { refused(failure) }
      stream.abort()
    }
    lock.withLock {
      pending[number] = nil
      endedThreads.append(number)
      if let peer, !isStopped { ready.append((stream, peer)) }
      changed.broadcast()
    }
  }
}
