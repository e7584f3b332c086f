import Control
import Manifests
import Platform
import StateStore

/// The times of a schedule at which no run could start.
struct MissedTimes {
  /// So many are counted at once; more are "at least" as many.
  static let countMax = 10_000

  private let end: RunEnd
  private let machine: StateMachine

  init(_ end: RunEnd, _ machine: StateMachine) {
    self.end = end
    self.machine = machine
  }

  /// A record of those before a run that comes late, and of those during one that is over; `status`
  /// is that of before the step. `lastTold` is the time up to which an earlier process has told.
  func record(
    from was: SyncState, to isNow: SyncState, _ status: ReplicationStatus, at now: WallTime,
    lastTold: () -> WallTime?
  ) -> RunRecord? {
    guard end.spec.trigger.manual == nil, end.spec.trigger.schedule != nil else { return nil }
    var from: WallTime?
    if was != .synchronizing, isNow == .synchronizing { from = status.nextSyncTime }
    if was == .synchronizing, isNow != .synchronizing { from = status.lastSyncStartTime }
    guard var from, from < now else { return nil }
    var times = machine.dueTimes(after: from, through: now, countMax: 1)
    guard !times.isEmpty else { return nil }
    // A process that was killed may have told already.
    if let told = lastTold(), told > from { from = told }
    times = machine.dueTimes(after: from, through: now, countMax: MissedTimes.countMax)
    guard let first = times.first, let last = times.last else { return nil }
    var record = RunRecord(
      mover: end.job.section, cause: "schedule", started: first, ended: last, outcome: .missed)
    record.missedCount = Int64(times.count)
    record.message =
      "\(times.count == MissedTimes.countMax ? "at least " : "")\(times.count) "
      + (times.count == 1 ? "time" : "times") + " of the schedule passed without a run"
    return record
  }
}
