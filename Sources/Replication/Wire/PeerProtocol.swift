package import Transport

/// What the other end of a connection speaks.
package enum PeerProtocol: Sendable {
  case drover
  /// The protocol of rsync's daemon: a stock mover of VolSync behind the same tunnel.
  case rsync

  /// How rsync's greeting begins in both roles: `@RSYNCD: 32.0 sha512 …`.
  static let rsyncMagic = Array("@RSYNCD:".utf8)
  /// Both greetings are told apart by as many bytes.
  static let magicSize = WireLimits.magic.count
}

/// A connected peer that has said which protocol it speaks.
package struct RecognizedPeer: Sendable {
  package let speaks: PeerProtocol
  /// Gives again what was read to tell.
  package let stream: any ByteStream
}

extension PeerProtocol {
  /// Reads the first bytes of a peer that has connected to a receiver.
  ///
  /// Whoever connects speaks first in both protocols, and at once, so nothing is waited for that
  /// would not come: a sender's greeting, or that of rsync as a client, which does not wait for the
  /// daemon's.
  ///
  /// - Throws: `ReplicationError.peerLeft`, `.violation`, `TransportError`; the stream is closed.
  package static func recognize(_ stream: any ByteStream) throws -> RecognizedPeer {
    var head = [UInt8](repeating: 0, count: magicSize)
    do {
      let input = RecordInput(stream: stream)
      guard try head.withUnsafeMutableBytes({ try input.fill($0, orEnd: true) }) else {
        throw ReplicationError.peerLeft
      }
      let replaying = ReplayingStream(head, then: stream)
      if head == WireLimits.magic { return RecognizedPeer(speaks: .drover, stream: replaying) }
      if head == rsyncMagic { return RecognizedPeer(speaks: .rsync, stream: replaying) }
      throw ReplicationError.violation("no Drover greeting")
    } catch {
      stream.close()
      throw error
    }
  }
}

extension PeerProtocol {
  /// Whether the peer that a sender has connected to greets first, as rsync's daemon does, whatever
  /// is said to it.
  ///
  /// For a peer that has left without a word: a stock daemon ends at once when it does not
  /// understand the first line, and its tunnel may then drop what the daemon had said. Reads until
  /// the stream's own time runs out, and closes it.
  package static func greetsAsRsync(_ stream: any ByteStream) -> Bool {
    defer { stream.abort() }
    var head = [UInt8](repeating: 0, count: magicSize)
    do {
      try head.withUnsafeMutableBytes { _ = try RecordInput(stream: stream).fill($0) }
      return head == rsyncMagic
    } catch {
      // Whoever says nothing is no daemon of rsync's.
      return false
    }
  }
}

/// A stream of which some bytes were read before, and come again. Reading belongs to one thread.
final class ReplayingStream: ByteStream, @unchecked Sendable {
  private let base: any ByteStream
  // Of the reading thread alone.
  private var head: ArraySlice<UInt8>

  init(_ head: [UInt8], then base: any ByteStream) {
    self.head = head[...]
    self.base = base
  }

  func read(into buffer: UnsafeMutableRawBufferPointer) throws(TransportError) -> Int {
    if head.isEmpty { return try base.read(into: buffer) }
    let count = min(buffer.count, head.count)
    buffer.copyBytes(from: head.prefix(count))
    head = head.dropFirst(count)
    return count
  }

  func write(_ buffer: UnsafeRawBufferPointer) throws(TransportError) { try base.write(buffer) }
  func finish() throws(TransportError) { try base.finish() }
  func close() { base.close() }
  func abort() { base.abort() }
  var peerDescription: String { base.peerDescription }
  var wireBytes: WireBytes { base.wireBytes }
  var receiverLimitedSeconds: Double { base.receiverLimitedSeconds }
}
