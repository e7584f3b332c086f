package import Platform
import Synchronization

/// The work of the section `rclone`: a job for the mirror engine.
package final class RcloneWork: ChildWork {
  private let isCancelled = Atomic(false)

  package init() {}

  package func run(
    _ job: JSONObject, events: @escaping @Sendable (MoverEvent) -> Void
  ) throws -> MoverSummary {
    let job = try RcloneJob(job)
    let access = try RcloneAccess(
      job, isCancelled: { [self] in isCancelled.load(ordering: .relaxed) }
    ) {
      events($0)
    }
    switch job.direction {
    case .source: return .rclone(try RcloneSourceRun(access).run())
    case .destination: return .rclone(try RcloneDestinationRun(access).run())
    }
  }

  package func cancel() { isCancelled.store(true, ordering: .relaxed) }
}
