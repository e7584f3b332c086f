import Glibc
import Platform
import Replication
import Transport

/// What a listening end is told.
enum ReceptionEvent: Sendable {
  /// An authenticated peer that has said what it speaks, or why it has not.
  case peer(any ByteStream, Result<RecognizedPeer, any Error>)
  /// Something has changed that was announced by ``Reception/notify()``.
  case note
}

/// Where the peers of a listening end come from.
protocol PeerReception: AnyObject, Sendable {
  /// Waits for the next authenticated peer, or for a note.
  ///
  /// - Throws: `TransportError.cancelled` after ``cancel()``, or why no more can be accepted.
  func next() throws(TransportError) -> ReceptionEvent

  /// Ends ``next()`` with a note, now or the next time. Any thread.
  func notify()

  /// Ends ``next()`` and everything behind it. Any thread.
  func cancel()

  func setBusy(_ isBusy: Bool)
}

extension PeerReception {
  /// Tells whether a session is under way, during which other senders are asked to come later.
  func setBusy(_ isBusy: Bool) {}
}

/// Where connections come from.
protocol ConnectionSource: Sendable {
  /// Waits for the next one; `wakeup` goes with it.
  ///
  /// - Throws: `TransportError.cancelled` after ``abort()`` and at the end of all connections.
  func accept(_ wakeup: Wakeup) throws(TransportError) -> Connection

  /// Ends ``accept(_:)``, now and later. Any thread.
  func abort()
}

extension Listener: ConnectionSource {
  func accept(_ wakeup: Wakeup) throws(TransportError) -> Connection {
    try accept(wakeup: wakeup, until: nil)
  }
}

/// Accepts connections and authenticates them, several at a time, so that a peer that is silent or
/// has a wrong key does not keep the right one waiting.
final class Reception: PeerReception, @unchecked Sendable {
  /// Handshakes and authenticated peers that may wait at once; further ones wait in the kernel.
  private static let pendingCountMax = 16

  private static let busySeconds = 5

  private let listener: any ConnectionSource
  private let declinesWhenBusy: Bool
  private let context: TLSContext
  private let timeouts: StreamTimeouts
  private let refused: @Sendable (TransportError) -> Void

  private let lock = Lock()
  private let changed: Condition
  // The following are guarded by `lock`.
  private var handshakes: [UInt64: Wakeup] = [:]
  private var endedThreads: [UInt64] = []
  private var ready: [(stream: TLSStream, peer: Result<RecognizedPeer, any Error>)] = []
  private var hasNote = false
  private var failure: TransportError?
  private var isStopped = false
  private var isBusy = false

  // Touched by the accepting thread, and by `stop` after that one has ended.
  private var threads: [UInt64: Thread<Void>] = [:]
  private var accepting: Thread<Void>?

  /// Starts accepting. `refused` is called, from several threads, for each peer that has not come
  /// through the handshake. With `declinesWhenBusy` a sender that comes during another's session is
  /// asked to come later; without it, it waits.
  init(
    _ listener: any ConnectionSource, keys: KeyRing, timeouts: StreamTimeouts,
    declinesWhenBusy: Bool = false, refused: @escaping @Sendable (TransportError) -> Void
  ) throws(TransportError) {
    self.listener = listener
    self.timeouts = timeouts
    self.refused = refused
    self.declinesWhenBusy = declinesWhenBusy
    context = try .server(keys)
    changed = Condition(lock)
    accepting = Thread("accept") { [unowned self] in self.acceptAll() }
  }

  /// Ends ``next()`` with a note, now or the next time. Any thread.
  func notify() {
    lock.withLock {
      hasNote = true
      changed.broadcast()
    }
  }

  /// Waits for the next authenticated peer, or for a note.
  ///
  /// - Throws: `TransportError.cancelled` after ``cancel()``, or why no more can be accepted.
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

  func setBusy(_ isBusy: Bool) { lock.withLock { self.isBusy = isBusy } }

  /// Ends ``next()`` and everything behind it. Any thread.
  func cancel() {
    let (wakeups, streams) = lock.withLock {
      isStopped = true
      changed.broadcast()
      let result = (Array(handshakes.values), ready.map(\.stream))
      ready = []
      return result
    }
    listener.abort()
    for wakeup in wakeups { wakeup.signal() }
    for stream in streams { stream.abort() }
  }

  /// Cancels and waits for all threads; called exactly once, at the end.
  func stop() {
    cancel()
    join(accepting)
    for thread in threads.values { join(thread) }
    accepting = nil
    threads = [:]
  }

  private func acceptAll() {
    var number: UInt64 = 0
    while waitForRoom() {
      do {
        let wakeup = try Wakeup()
        let connection = try listener.accept(wakeup)
        number += 1
        start(number, connection)
      } catch {
        if isExhaustion(error) {
          // Out of descriptors or memory: handshakes under way will give some back.
          SystemClock().sleep(seconds: 0.1)
          continue
        }
        lock.withLock {
          failure = error as? TransportError ?? .cancelled
          changed.broadcast()
        }
        return
      }
    }
  }

  /// Joins ended handshakes and waits until there may be one more; false after a cancellation.
  private func waitForRoom() -> Bool {
    let ended: [UInt64]? = lock.withLock {
      while !isStopped, handshakes.count + ready.count >= Reception.pendingCountMax {
        changed.wait()
      }
      defer { endedThreads = [] }
      return isStopped ? nil : endedThreads
    }
    guard let ended else { return false }
    for number in ended { join(threads.removeValue(forKey: number)) }
    return true
  }

  private func start(_ number: UInt64, _ connection: Connection) {
    let isRefused = lock.withLock {
      handshakes[number] = connection.wakeup
      return isStopped
    }
    if isRefused { connection.wakeup.signal() }
    threads[number] = Thread("handshake") { [unowned self] in
      self.shakeHands(number, connection)
    }
  }

  private func shakeHands(_ number: UInt64, _ connection: Connection) {
    var arrival: (TLSStream, Result<RecognizedPeer, any Error>)?
    do throws(TransportError) {
      let stream = try TLSStream(connection, context: context, timeouts: timeouts)
      if declinesWhenBusy, lock.withLock({ isBusy }) {
        decline(stream)
      } else {
        arrival = (stream, Result { try PeerProtocol.recognize(stream) })
      }
    } catch {
      if error.kind != .cancelled { refused(error) }
    }
    lock.withLock {
      handshakes[number] = nil
      endedThreads.append(number)
      if let arrival, !isStopped { ready.append(arrival) }
      changed.broadcast()
    }
  }

  /// Asks those who wait for a session to come later, when there will be none.
  func declineWaiting() {
    let waiting = lock.withLock {
      isBusy = true
      defer { ready = [] }
      return ready
    }
    for (stream, peer) in waiting {
      // One that has said nothing sensible is not answered.
      if let peer = try? peer.get() { decline(peer.stream) } else { stream.abort() }
    }
  }

  private func decline(_ stream: any ByteStream) {
    let reason = "another sync of it is under way"
    ReplicationSession.decline(
      stream, fence: nil, because: .notReady(seconds: Reception.busySeconds, reason: reason))
  }

  private func isExhaustion(_ error: any Error) -> Bool {
    let errno: Int32? =
      switch error {
      case TransportError.cannotListen(let error, _): error.errno
      case let error as PlatformError: error.errno
      default: nil
      }
    return errno.map { [EMFILE, ENFILE, ENOBUFS, ENOMEM].contains($0) } ?? false
  }

  private func join(_ thread: Thread<Void>?) {
    // These threads keep their failures to themselves: there is none to be had.
    try? thread?.join()
  }
}
