import Platform
import Replication
import Transport

/// One run to a receiver behind the tunnel, whatever protocol it speaks.
struct TunnelSending {
  /// How long a peer that had left without a word is listened to.
  private static let listenSeconds = 5.0

  private let endpoint: Endpoint
  private let key: PreSharedKey
  private let timeouts: StreamTimeouts
  private let interruption: Interruption

  init(
    to endpoint: Endpoint, key: PreSharedKey, timeouts: StreamTimeouts, interruption: Interruption
  ) {
    self.endpoint = endpoint
    self.key = key
    self.timeouts = timeouts
    self.interruption = interruption
  }

  /// Sends; blocks. `connected` is told of the peer, and again when it has turned out to speak
  /// rsync's protocol: a stock daemon greets with it, whatever we have said, and then gets
  /// connections of its own.
  func run(
    _ options: SendOptions, events: @escaping @Sendable (SessionEvent) -> Void,
    connected: (TLSStream, PeerProtocol) -> Void = { _, _ in }
  ) throws -> SessionSummary {
    let stream = try connect(timeouts)
    connected(stream, .drover)
    do {
      return try interruption.cancelling(by: { stream.abort() }) {
        try ReplicationSession.send(over: stream, options: options, events: events)
      }
    } catch let error as ReplicationError {
      guard try isStock(error) else { throw error }
      connected(stream, .rsync)
    }
    let sender = try StockSender(options: options, events: events) { [self] in
      try connect(timeouts)
    }
    return try interruption.cancelling(by: { sender.cancel() }) { try sender.run() }
  }

  /// Whether the failure means that the peer is a stock mover. One that left without a word may be
  /// one; it is asked once more, by listening to it.
  private func isStock(_ error: ReplicationError) throws -> Bool {
    switch error {
    case .rsyncPeer: return true
    case .peerLeft, .unanswered:
      guard !interruption.isInterrupted else { return false }
      let limit = TunnelSending.listenSeconds
      let seconds = timeouts.idleSeconds.map { min($0, limit) } ?? limit
      // A peer that cannot be reached any more is told by the first failure.
      guard let stream = try? connect(StreamTimeouts(timeoutSeconds: seconds)) else { return false }
      return interruption.cancelling(by: { stream.abort() }) {
        PeerProtocol.greetsAsRsync(stream)
      }
    default: return false
    }
  }

  private func connect(_ timeouts: StreamTimeouts) throws -> TLSStream {
    let context = try TLSContext.client(key)
    let wakeup = try Wakeup()
    return try interruption.cancelling(by: { wakeup.signal() }) {
      let connection = try Connection.connect(to: endpoint, timeouts: timeouts, wakeup: wakeup)
      return try TLSStream(connection, context: context, timeouts: timeouts)
    }
  }
}
