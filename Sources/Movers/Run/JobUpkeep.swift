import Control
import Manifests
import Platform

/// What of a job, and of the fields of a status, hangs on earlier runs and on the time. A value, so
/// that an end can be compared with what it was.
package enum JobUpkeep: Sendable, Equatable {
  case backup(Backup)
  /// Of a source with several remotes, each of which has its own last run.
  case remotes

  /// When a repository is pruned and unlocked.
  package struct Backup: Sendable, Equatable {
    var pruneIntervalDays: Int64?
    var unlock: String?
    var created: WallTime
  }

  /// The job of a run that starts now.
  func job(_ job: RunJob, _ fields: JSONObject, at now: WallTime) -> RunJob {
    switch (self, job) {
    case (.backup(let upkeep), .restic(var job)):
      guard case .backup(var backup) = job.work else { return .restic(job) }
      let due = ResticUpkeep(
        pruneIntervalDays: upkeep.pruneIntervalDays, unlock: upkeep.unlock,
        status: ResticStatus(fields: fields), created: upkeep.created, at: now)
      backup.prunes = due.prunes
      backup.unlock = due.unlock
      job.work = .backup(backup)
      return .restic(job)
    case (.remotes, .rclone(var job)):
      let times = RcloneSummary.Remote.lastSyncTimes(in: fields)
      for index in job.remotes.indices {
        job.remotes[index].lastSyncTime = times[job.remotes[index].address]
      }
      return .rclone(job)
    default: return job
    }
  }

  /// What of the fields that an older spec has left stays in force.
  func carried(_ fields: JSONObject) -> JSONObject {
    switch self {
    case .backup(let upkeep):
      ResticUpkeep.carried(ResticStatus(fields: fields), unlock: upkeep.unlock).fields
    case .remotes: fields
    }
  }
}
