package import Manifests
package import Replication

/// The engine behind the section `rsyncTLS`; runs in a mover's child, one job at a time.
package protocol ReplicationEngine: Sendable {
  /// Connects to `job.host:job.port` with the key of the job and sends. Blocks.
  ///
  /// Failures are of `DroverError`; their kind decides about a retry and about the exit code. A
  /// run that left out entries comes to its end and says so in `warningCount`.
  func send(
    _ job: RsyncTLSJob, events: @escaping @Sendable (SessionEvent) -> Void
  ) throws -> SessionSummary

  /// Listens on `job.host:job.port`, tells the address with the port it got, and receives. Blocks.
  ///
  /// A peer that fails to authenticate, or a session that breaks, does not end the call: the
  /// sender tries again. With `job.isOnce` the first completed session ends it; a failure of the
  /// volume itself ends it always.
  func receive(
    _ job: RsyncTLSJob, events: @escaping @Sendable (SessionEvent) -> Void,
    listening: @escaping @Sendable (HostPort) -> Void
  ) throws -> SessionSummary

  /// Ends the call under way soon, with an error of kind `cancelled`; from any thread, also before
  /// it.
  func cancel()
}
