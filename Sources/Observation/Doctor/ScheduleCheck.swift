package import Control
package import Platform

/// Whether a replication does what its trigger asks for: a pure function of its status.
package struct ScheduleCheck: Sendable {
  /// A run that is due starts within a second; one that waits for a slot may take its time.
  package static let lateSecondsMax: Int64 = 300
  /// A run that goes on for longer is worth a look.
  package static let runSecondsMax: Int64 = 86_400

  package var status: ReplicationStatus
  package var isPaused: Bool
  package var hasDaemon: Bool

  package init(_ status: ReplicationStatus, isPaused: Bool, hasDaemon: Bool) {
    self.status = status
    self.isPaused = isPaused
    self.hasDaemon = hasDaemon
  }

  /// `subject` names the replication.
  package func judge(_ subject: String, at now: WallTime) -> HealthCheck {
    if isPaused { return HealthCheck(.warn, subject, "it is paused", advice: "drover resume") }
    if let trip = status.guardTrip {
      return HealthCheck(
        .fail, subject, trip.message,
        advice: trip.name.isReleasable
          ? "Look at it, then: drover release" : "It ends when what it waits for is there")
    }
    if let condition = status.condition, condition.reason == .error {
      return HealthCheck(.fail, subject, condition.message)
    }
    if let started = status.lastSyncStartTime {
      let seconds = now.seconds - started.seconds
      if !hasDaemon {
        return HealthCheck(
          .fail, subject, "a run was cut short \(seconds) s ago", advice: "Start the daemon.")
      }
      if seconds > ScheduleCheck.runSecondsMax, status.lastSyncTime == nil {
        return HealthCheck(.warn, subject, "its first run goes on since \(seconds) s")
      }
      return failures(subject) ?? HealthCheck(.ok, subject, "a run goes on since \(seconds) s")
    }
    if let due = status.nextSyncTime, now.seconds - due.seconds > ScheduleCheck.lateSecondsMax {
      return HealthCheck(
        .fail, subject,
        "a run was due \(now.seconds - due.seconds) s ago, at \(due.rfc3339), and has not started",
        advice: hasDaemon ? "See drover describe and the log of the daemon." : "Start the daemon.")
    }
    return failures(subject) ?? lastRun(subject, at: now)
  }

  private func failures(_ subject: String) -> HealthCheck? {
    guard let failed = status.failedRuns, failed.count > 0 else { return nil }
    let count = failed.count == 1 ? "the last run has" : "the last \(failed.count) runs have"
    return HealthCheck(.fail, subject, "\(count) failed", advice: "See drover history.")
  }

  private func lastRun(_ subject: String, at now: WallTime) -> HealthCheck {
    guard let last = status.lastSyncTime else {
      return HealthCheck(.warn, subject, "it has not run yet")
    }
    let next = status.nextSyncTime.map { ", the next at \($0.rfc3339)" } ?? ""
    return HealthCheck(.ok, subject, "the last run that counts ended at \(last.rfc3339)\(next)")
  }
}
