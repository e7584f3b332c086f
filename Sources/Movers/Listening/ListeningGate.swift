package import Manifests
package import Platform
package import Replication
import Transport

/// Listens for all destinations over the tunnel, during their runs and between them.
///
/// One thread accepts on all addresses. Before a byte of a connection is taken it looks at the
/// peer's first message, which names an identity and proves that the peer holds its key: that tells
/// the destination, also where several have keys of one name. The connection itself then goes to
/// the mover of that destination, which does the handshake; while there is none, the peer is told
/// over the tunnel when to try again. Who sends garbage, nothing or a wrong key costs a place in a
/// bounded table for a bounded time, and meets no mover.
package final class ListeningGate: Sendable {
  /// Why a destination does not receive just now, and when it may be asked again.
  package struct Absence: Sendable, Equatable {
    package var reason: String
    package var seconds: Int

    package init(_ reason: String, seconds: Int) {
      self.reason = reason
      self.seconds = seconds
    }
  }

  /// What stands ready for the peers of a destination.
  package enum Readiness: Sendable {
    case none
    /// A run waits for its peer.
    case waiting
    /// A mover is at work.
    case atWork
  }

  /// A destination that is listened for.
  package struct Entry: Sendable {
    package var key: ObjectKey
    package var address: HostPort
    /// The content of `psk.txt`.
    package var keyFile: [UInt8]
    package var fence: (any GenerationFence)?
  }

  /// Nil when it receives now.
  package typealias Ask = @Sendable (ObjectKey, Readiness) -> Absence?
  /// Told of peers that were refused, in a line each.
  package typealias Refused = @Sendable (String) -> Void

  let table: GateTable
  private let loop: GateLoop

  /// Its thread starts when there is something to serve, so that signals are blocked by then.
  package init(refused: @escaping Refused) throws(PlatformError) {
    table = GateTable()
    loop = try GateLoop(table, refused: refused)
  }

  /// Listens for these from now on, and for nobody else. An address that cannot be listened on is
  /// tried again, and told to the run that waits there.
  package func serve(_ entries: [Entry], ask: @escaping Ask) {
    table.set(entries, ask: ask)
    loop.start()
    loop.lookAgain()
  }

  /// Lets a run of a destination have its peers from now on.
  ///
  /// - Throws: `TransportError` when nobody can listen there.
  func open(_ key: ObjectKey) throws -> GateSeat {
    let seat = try table.open(key)
    loop.lookAgain()
    return seat
  }

  /// Ends a run's share: who has come and was not taken is asked in again.
  func close(_ seat: GateSeat) {
    for connection in table.close(seat) { loop.arrive(connection, at: seat.placeName) }
    loop.lookAgain()
  }

  /// Where a destination is listened for; nil when it is not.
  func address(of key: ObjectKey) -> HostPort? { table.address(of: key) }

  func lookAgain() { loop.lookAgain() }

  /// Ends listening; called once, when no run is left.
  package func stop() { loop.stop() }
}
