import BackupRepository
package import Platform
import Synchronization

/// The work of the section `restic`: a job for the repository engine.
package final class ResticWork: ChildWork {
  private let isCancelled = Atomic(false)
  private let programVersion: String

  /// `programVersion` is what new snapshots name as their maker.
  package init(programVersion: String) { self.programVersion = programVersion }

  package func run(
    _ job: JSONObject, events: @escaping @Sendable (MoverEvent) -> Void
  ) throws -> MoverSummary {
    let job = try ResticJob(job)
    let access = ResticAccess(job, isCancelled: { [self] in isCancelled.load(ordering: .relaxed) })
    {
      events($0)
    }
    switch job.work {
    case .backup(let backup):
      let run = ResticBackupRun(
        access, job.root, backup, sourceGuard: job.guards.source, programVersion: programVersion)
      return .restic(try run.run())
    case .restore(let restore):
      return .restic(try ResticRestoreRun(access, job.root, restore).run())
    }
  }

  package func cancel() { isCancelled.store(true, ordering: .relaxed) }
}
