import FileTree
import Manifests
import Movers
import Platform
import Replication
import Transport

/// The engine that movers run: replication over the tunnel.
func makeReplicationEngine() -> any ReplicationEngine { TunnelEngine() }

/// Replication over TLS with a pre-shared key, for one job of a mover's child.
final class TunnelEngine: ReplicationEngine {
  private let interruption = Interruption()
  private let timeouts = StreamTimeouts()

  func cancel() { interruption.interrupt() }

  func send(
    _ job: RsyncTLSJob, events: @escaping @Sendable (SessionEvent) -> Void
  ) throws -> SessionSummary {
    var options = job.sendOptions
    options.filter = try FilterRules(commandLine: job.excludes.map(FilterOption.exclude))
    let sending = TunnelSending(
      to: Endpoint(host: job.host, port: job.port),
      key: try keys(of: job).clientKey(identity: job.identity), timeouts: timeouts,
      interruption: interruption)
    return try sending.run(options, events: events)
  }

  func receive(
    _ job: RsyncTLSJob, events: @escaping @Sendable (SessionEvent) -> Void,
    listening: @escaping @Sendable (HostPort) -> Void
  ) throws -> SessionSummary {
    let reception = try Reception(
      source(of: job, listening), keys: keys(of: job), timeouts: timeouts,
      declinesWhenBusy: job.isHanded
    ) {
      events(.warning(path: [], message: $0.description))
    }
    defer { reception.stop() }
    let sessions = ReceiverLoop(
      reception, options: job.receiveOptions, interruption: interruption, events: events)
    defer { sessions.stop() }
    return try interruption.cancelling(by: { reception.cancel() }) {
      while true {
        let outcome = try sessions.next()
        do {
          let summary = try outcome.get()
          guard job.isOnce else { continue }
          if job.isHanded { reception.declineWaiting() }
          return summary
        } catch let error where !interruption.isInterrupted && TunnelEngine.isOfPeer(error) {
          events(.warning(path: [], message: "\(error)"))
        }
      }
    }
  }

  private func source(
    of job: RsyncTLSJob, _ listening: (HostPort) -> Void
  ) throws -> any ConnectionSource {
    if job.isHanded { return HandedConnections(wakeup: try Wakeup()) }
    let listener = try Listener(on: Endpoint(host: job.host, port: job.port), wakeup: Wakeup())
    listening(HostPort(host: job.host, port: listener.boundPort))
    return listener
  }

  /// Whether a failed session leaves hope for the next one: the peer or the way to it failed, not
  /// the volume.
  static func isOfPeer(_ error: any Error) -> Bool {
    switch error {
    case is TransportError: true
    case ReplicationError.peer, ReplicationError.violation, ReplicationError.version,
      ReplicationError.peerLeft, ReplicationError.peerGone, ReplicationError.stalled,
      ReplicationError.fenced, ReplicationError.notReady:
      true
    default: false
    }
  }

  private func keys(of job: RsyncTLSJob) throws -> KeyRing {
    try job.key.withUnsafeBytes { try KeyRing(parsing: $0, source: "psk.txt") }
  }
}
