/// A reliable, ordered stream of bytes to one peer: TLS over a socket, or standard input and
/// output.
///
/// One thread reads and one thread writes at a time; the two may run at once. All calls block.
package protocol ByteStream: AnyObject, Sendable {
  /// Reads at least one byte, or 0 at the peer's clean end (close_notify for TLS). A bare end of
  /// the connection without it is an error.
  func read(into buffer: UnsafeMutableRawBufferPointer) throws(TransportError) -> Int

  /// Writes all of `buffer`.
  func write(_ buffer: UnsafeRawBufferPointer) throws(TransportError)

  /// Ends the writing side cleanly; reading goes on.
  func finish() throws(TransportError)

  /// Ends the stream without losing what is under way to the peer: finishes the writing side, then
  /// reads and drops what still comes until the peer's end or for a few seconds, then closes. Never
  /// fails: the success of a session is an acknowledgement of its own. Called once nothing reads or
  /// writes any more.
  func close()

  /// Closes at once, from any thread; calls under way fail with `.cancelled`.
  func abort()

  /// Address and, where known, key identity of the peer, for messages.
  var peerDescription: String { get }

  /// Bytes that crossed the connection so far, the tunnel's own included. Any thread.
  var wireBytes: WireBytes { get }

  /// Seconds that writing was held back by a peer that reads slowly, rather than by the link; 0
  /// when that is not known.
  var receiverLimitedSeconds: Double { get }
}

/// Bytes of one connection in both directions.
package struct WireBytes: Sendable, Equatable {
  package var sent: Int64
  package var received: Int64

  package init(sent: Int64 = 0, received: Int64 = 0) {
    self.sent = sent
    self.received = received
  }
}

extension ByteStream {
  package func close() { abort() }
  package var wireBytes: WireBytes { WireBytes() }
  package var receiverLimitedSeconds: Double { 0 }
}

/// The time limits of a connection.
package struct StreamTimeouts: Sendable {
  /// For all addresses of a host together.
  package var connectSeconds: Double = 20
  /// For the whole handshake, so that a silent peer cannot occupy a listener for long.
  package var handshakeSeconds: Double = 15
  /// For a read during which nothing moves in either direction, and a write of which nothing
  /// leaves; nil waits for ever.
  package var idleSeconds: Double?

  /// `timeoutSeconds` is the idle time; it also bounds connect and handshake when it is shorter.
  package init(timeoutSeconds: Double? = 300) {
    idleSeconds = timeoutSeconds
    if let timeoutSeconds {
      connectSeconds = min(connectSeconds, timeoutSeconds)
      handshakeSeconds = min(handshakeSeconds, timeoutSeconds)
    }
  }
}
