package import Platform

/// The work of the section `rsyncTLS`: a job for the replication engine.
package struct RsyncTLSWork: ChildWork {
  private let engine: any ReplicationEngine

  package init(engine: any ReplicationEngine) { self.engine = engine }

  package func run(
    _ job: JSONObject, events: @escaping @Sendable (MoverEvent) -> Void
  ) throws -> MoverSummary {
    let job = try RsyncTLSJob(job)
    let summary =
      switch job.direction {
      case .send: try engine.send(job) { events(MoverEvent($0)) }
      case .receive:
        try engine.receive(job, events: { events(MoverEvent($0)) }) { events(.listening($0)) }
      }
    return .session(summary)
  }

  package func cancel() { engine.cancel() }
}
