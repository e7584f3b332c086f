import Platform
import Replication
import Transport

/// The sessions of a listening end, one after the other, whatever protocol the peers speak.
///
/// A peer of our own protocol is one connection and one session. A stock source comes in several
/// connections, and its session is over when it says so; a broken connection ends nothing, because
/// it begins again by itself.
final class ReceiverLoop {
  private let reception: any PeerReception
  private let options: ReceiveOptions
  private let interruption: Interruption
  private let events: @Sendable (SessionEvent) -> Void
  private let connected: (any ByteStream, PeerProtocol) -> Void
  private var stock: StockReceiver?

  /// `connected` is told of each peer, on the thread of ``next()``.
  init(
    _ reception: any PeerReception, options: ReceiveOptions, interruption: Interruption,
    events: @escaping @Sendable (SessionEvent) -> Void,
    connected: @escaping (any ByteStream, PeerProtocol) -> Void = { _, _ in }
  ) {
    self.reception = reception
    self.options = options
    self.interruption = interruption
    self.events = events
    self.connected = connected
  }

  /// Waits for the next session and serves it; its outcome or failure.
  ///
  /// - Throws: `TransportError` when there can be no further session.
  func next() throws(TransportError) -> Result<SessionSummary, any Error> {
    while true {
      let event = try reception.next()
      do {
        if let summary = try handle(event) { return .success(summary) }
      } catch {
        return .failure(error)
      }
    }
  }

  /// Ends what a stock source has under way. Once, at the end.
  func stop() { stock?.stop() }

  /// The summary of a session that has come to its end.
  private func handle(_ event: ReceptionEvent) throws -> SessionSummary? {
    guard case .peer(let stream, let result) = event else {
      let summary = try stock?.takeCompletion()
      if summary != nil { try options.fence?.end() }
      return summary
    }
    let peer = try result.get()
    connected(stream, peer.speaks)
    switch peer.speaks {
    case .drover:
      stock?.abandon()
      reception.setBusy(true)
      defer { reception.setBusy(false) }
      return try interruption.cancelling(by: { stream.abort() }) {
        try ReplicationSession.receive(over: peer.stream, options: options, events: events)
      }
    case .rsync:
      do {
        // It knows nothing of generations: it is of the first one.
        try options.fence?.admit(1)
        try options.fence?.begin(isRevertible: false)
        try stockReceiver().serve(peer.stream)
      } catch {
        StockReceiver.refuse(peer.stream, because: error)
        throw error
      }
      return nil
    }
  }

  private func stockReceiver() throws -> StockReceiver {
    if let stock { return stock }
    let made = try StockReceiver(options: options, events: events) { [reception] in
      reception.notify()
    }
    stock = made
    return made
  }
}
