package import Transport

/// Keeps sources out that a promotion of the destination has put out of force.
///
/// A relationship has a generation that only grows. Both ends keep theirs; a source tells it in its
/// greeting, and one of an older generation than the destination's is refused.
package protocol GenerationFence: Sendable {
  /// Returns when a source of this generation may be received, and the generation is kept for good.
  ///
  /// - Throws: ``ReplicationError/fenced(generation:text:)``, or why it cannot be kept.
  func admit(_ generation: UInt64) throws

  /// A session begins to change the root. `isRevertible` when an undo journal is kept of all of it.
  func begin(isRevertible: Bool) throws

  /// What was begun is committed.
  func end() throws
}

extension ReplicationSession {
  /// Tells an authenticated sender that nothing is received now, whatever it speaks. Blocks until
  /// it has been told; closes the stream.
  ///
  /// `fence` comes first: who is fenced is told that.
  package static func decline(
    _ stream: any ByteStream, fence: (any GenerationFence)?, because error: ReplicationError
  ) {
    do {
      let peer = try PeerProtocol.recognize(stream)
      guard case .drover = peer.speaks else {
        return StockReceiver.refuse(peer.stream, because: error)
      }
      let greeting = try SenderGreeting(decoding: try Greeting.receive(from: peer.stream))
      var reason: any Error = error
      do { try fence?.admit(greeting.generation) } catch { reason = error }
      let nonce = [UInt8](repeating: 0, count: Greeting.nonceSize)
      try Greeting.send(ReceiverGreeting(nonce: nonce, .of(reason)).encoded(), over: peer.stream)
    } catch {
      // Whoever has left, or talks nonsense, needs no answer.
    }
    stream.close()
  }
}

extension ReceiverGreeting.Answer {
  /// How a failure of the receiver is told.
  static func of(_ error: any Error) -> ReceiverGreeting.Answer {
    switch error {
    case ReplicationError.notReady(let seconds, let reason):
      .notReady(seconds: UInt32(clamping: seconds), reason: reason)
    case ReplicationError.fenced(let generation, let text):
      .fenced(generation: generation, text: text)
    default: .refused(AbortMessage(error))
    }
  }
}
