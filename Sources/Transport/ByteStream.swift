/// A reliable, ordered stream of bytes to one peer: TLS over a socket, or standard input and output.
///
/// One thread reads and one thread writes at a time; the two may run at once. All calls block.
package protocol ByteStream: AnyObject, Sendable {
  /// Reads at least one byte, or 0 at the peer's clean end (close_notify for TLS). A bare end of the
  /// connection without it is an error.
  func read(into buffer: UnsafeMutableRawBufferPointer) throws(TransportError) -> Int

  /// Writes all of `buffer`.
  func write(_ buffer: UnsafeRawBufferPointer) throws(TransportError)

  /// Ends the writing side cleanly; reading goes on.
  func finish() throws(TransportError)

  /// Closes at once, from any thread; calls under way fail with `.cancelled`.
  func abort()

  /// Address and, where known, key identity of the peer, for messages.
  var peerDescription: String { get }
}
