package import Manifests
package import Platform

/// Where a replication stands; read off its status (VolSync reference 4.3).
package enum SyncState: Sendable, Equatable {
  case initial
  case synchronizing
  /// Also when idle: an idle replication is a finished clean-up.
  case cleaningUp

  package init(_ status: ReplicationStatus) {
    self =
      if status.lastSyncStartTime != nil {
        .synchronizing
      } else if status.lastSyncTime == nil, status.failedRuns == nil {
        .initial
      } else {
        .cleaningUp
      }
  }
}

/// What has been heard from the mover since the last step.
package enum MoverReport: Sendable, Equatable {
  case nothing
  case completed(logs: [UInt8], image: ImageReference?)
  /// The mover failed; it will be run again, and the condition stays as it is.
  case failed(logs: [UInt8])
  /// The mover failed and is not run again before the next trigger.
  case gaveUp(logs: [UInt8])
  case cleanedUp
  /// The work could not be set up or cleaned up: a bad Secret, a missing volume.
  case error(String)
}

/// What is to be done after a step.
package enum SyncAction: Sendable, Equatable {
  /// Run the mover, or leave it running; safe to repeat.
  case synchronize
  /// Remove what the run has left; safe to repeat.
  case cleanUp
  /// The run ended after its deadline.
  case countMissedInterval
  /// The run was given up.
  case countFailedRun
  case recordDuration(nanoseconds: Int64)
}

/// What the state machine needs of a spec.
package struct SyncSpec: Sendable, Equatable {
  package var trigger: TriggerSpec
  package var isPaused: Bool
  /// The first run waits for the schedule, too; without it, it starts at once, as VolSync's does.
  package var waitsForSchedule: Bool
  /// How much later than its schedule a run starts; of each object another, so that not all start
  /// in the same second.
  package var delaySeconds: Int64

  package init(
    trigger: TriggerSpec, isPaused: Bool = false, waitsForSchedule: Bool = false,
    delaySeconds: Int64 = 0
  ) {
    self.trigger = trigger
    self.isPaused = isPaused
    self.waitsForSchedule = waitsForSchedule
    self.delaySeconds = delaySeconds
  }
}

/// The first time of a schedule after a given one; nil when there is none.
package typealias NextTime = @Sendable (WallTime) -> WallTime?

/// One step: the status to store, then the actions to take.
package struct SyncStep: Sendable, Equatable {
  package var status: ReplicationStatus
  package var actions: [SyncAction]
}

/// The trigger machine of one replication: a pure function.
///
/// Where it differs from VolSync, it is safer; each difference stands in the table of this target's
/// page.
package struct StateMachine: Sendable {
  private let spec: SyncSpec
  private let next: NextTime

  /// `next` computes the schedule of the spec; it is asked only with a schedule trigger.
  package init(_ spec: SyncSpec, next: @escaping NextTime) {
    self.spec = spec
    self.next = next
  }

  private enum Trigger { case manual(String), schedule, none }

  private var trigger: Trigger {
    if let tag = spec.trigger.manual { return .manual(tag) }
    return spec.trigger.schedule == nil ? .none : .schedule
  }

  /// Takes one step at the time `now`. `requested` is the tag of a run that was asked for beside
  /// the trigger: of one that is to start or, while one goes on, of that.
  package func step(
    _ status: ReplicationStatus, _ report: MoverReport, at now: WallTime,
    requested: String? = nil
  ) -> SyncStep {
    if case .error(let text) = report {
      var status = status
      status.setCondition(.error, text, at: now)
      return SyncStep(status: status, actions: [])
    }
    return switch SyncState(status) {
    case .initial: begin(status, at: now, requested)
    case .synchronizing: synchronize(status, report, at: now, requested)
    case .cleaningUp: cleanUp(status, report, at: now, requested)
    }
  }

  /// The times after one and not after another when a run is due by the schedule, the first
  /// `countMax` of them.
  package func dueTimes(
    after time: WallTime, through last: WallTime, countMax: Int
  ) -> [WallTime] {
    guard case .schedule = trigger else { return [] }
    var times: [WallTime] = []
    var time = time
    while times.count < countMax, let due = dueTime(after: time), due <= last, due > time {
      times.append(due)
      time = due
    }
    return times
  }

  /// When an idle replication has to be looked at again; nil when only a change of its spec, or
  /// nothing, lets it start.
  package func nextLook(_ status: ReplicationStatus) -> WallTime? {
    if spec.isPaused { return nil }
    return switch trigger {
    case .manual: nil
    case .schedule: status.nextSyncTime
    case .none: status.failedRuns?.retryTime
    }
  }

  private func begin(
    _ status: ReplicationStatus, at now: WallTime, _ requested: String?
  ) -> SyncStep {
    var status = status
    if spec.isPaused || requested == nil && waitsForFirstTime(&status, at: now) {
      setWaiting(&status, at: now)
      return SyncStep(status: status, actions: [])
    }
    return start(status, at: now)
  }

  /// Whether the first run is to come at a time that has not come yet.
  private func waitsForFirstTime(_ status: inout ReplicationStatus, at now: WallTime) -> Bool {
    guard spec.waitsForSchedule, case .schedule = trigger else { return false }
    if let stored = status.nextSyncTime, stored < now { return false }
    // The schedule may have been changed to an earlier time meanwhile, and the clock set back.
    status.nextSyncTime = earliest(status.nextSyncTime, dueTime(after: now))
    return true
  }

  private func start(_ status: ReplicationStatus, at now: WallTime) -> SyncStep {
    var status = status
    status.lastSyncStartTime = now
    status.setCondition(.syncInProgress, at: now)
    return SyncStep(status: status, actions: [.synchronize])
  }

  private func synchronize(
    _ status: ReplicationStatus, _ report: MoverReport, at now: WallTime, _ requested: String?
  ) -> SyncStep {
    var status = status
    switch report {
    case .completed(let logs, let image):
      return complete(status, logs: logs, image: image, at: now, requested)
    case .gaveUp(let logs): return giveUp(status, logs: logs, at: now)
    case .failed(let logs):
      status.latestMoverStatus = LatestMoverStatus(result: .failed, logs: logs)
    case .nothing, .cleanedUp, .error: break
    }
    status.setCondition(.syncInProgress, at: now)
    return SyncStep(status: status, actions: [.synchronize])
  }

  private func complete(
    _ status: ReplicationStatus, logs: [UInt8], image: ImageReference?, at now: WallTime,
    _ requested: String?
  ) -> SyncStep {
    var status = status
    var actions: [SyncAction] = []
    if missedDeadline(since: status.lastSyncTime, now) { actions.append(.countMissedInterval) }
    if let started = status.lastSyncStartTime {
      // A wall clock that was set back must not give a negative duration.
      let nanoseconds = max(0, now.nanoseconds(since: started))
      status.lastSyncDurationNanoseconds = nanoseconds
      actions.append(.recordDuration(nanoseconds: nanoseconds))
    }
    status.lastSyncTime = now
    status.lastSyncStartTime = nil
    status.lastManualSync = spec.trigger.manual ?? requested
    status.latestMoverStatus = LatestMoverStatus(result: .successful, logs: logs)
    status.failedRuns = nil
    if let image { status.latestImage = image }
    status.nextSyncTime = nextSyncTime(status, at: now)
    status.setCondition(.cleaningUp, at: now)
    return SyncStep(status: status, actions: actions + [.cleanUp])
  }

  private func giveUp(
    _ status: ReplicationStatus, logs: [UInt8], at now: WallTime
  ) -> SyncStep {
    var status = status
    status.latestMoverStatus = LatestMoverStatus(result: .failed, logs: logs)
    status.lastSyncStartTime = nil
    var failed = FailedRuns(count: 1, lastTime: now)
    failed.count += status.failedRuns?.count ?? 0
    switch trigger {
    case .manual(let tag): failed.manualTag = tag
    case .schedule: break
    case .none: failed.retryTime = now.advanced(bySeconds: FailedRuns.pauseSeconds(failed.count))
    }
    status.failedRuns = failed
    status.nextSyncTime = nextSyncTime(status, at: now)
    status.setCondition(.cleaningUp, at: now)
    return SyncStep(status: status, actions: [.countFailedRun, .cleanUp])
  }

  private func cleanUp(
    _ status: ReplicationStatus, _ report: MoverReport, at now: WallTime, _ requested: String?
  ) -> SyncStep {
    var status = status
    guard report == .cleanedUp else {
      if status.condition?.reason == .error { status.setCondition(.cleaningUp, at: now) }
      return SyncStep(status: status, actions: [.cleanUp])
    }
    status.nextSyncTime = nextSyncTime(status, at: now)
    if !spec.isPaused, requested != nil || isDue(status, at: now) { return start(status, at: now) }
    setWaiting(&status, at: now)
    return SyncStep(status: status, actions: [])
  }

  private func isDue(_ status: ReplicationStatus, at now: WallTime) -> Bool {
    switch trigger {
    case .manual(let tag): tag != status.lastManualSync && tag != status.failedRuns?.manualTag
    case .schedule: status.nextSyncTime.map { $0 < now } ?? false
    // A clock that was set back must not make a pause longer than the longest.
    case .none:
      status.failedRuns?.retryTime.map {
        $0 < now || $0 > now.advanced(bySeconds: FailedRuns.pauseSecondsMax)
      } ?? true
    }
  }

  private func setWaiting(_ status: inout ReplicationStatus, at now: WallTime) {
    switch trigger {
    case .manual: status.setCondition(.waitingForManual, at: now)
    case .schedule: status.setCondition(.waitingForSchedule, at: now)
    // Continuous and idle: paused.
    case .none: status.setCondition(.cleaningUp, at: now)
    }
  }

  /// The first time of the schedule after the last run, whether it counted or was given up.
  private func nextSyncTime(_ status: ReplicationStatus, at now: WallTime) -> WallTime? {
    let times = [status.lastSyncTime, status.failedRuns?.lastTime].compactMap(\.self)
    guard case .schedule = trigger, !times.isEmpty else { return nil }
    // A run that ended in the future, before the clock was set back, holds nothing up.
    if let last = times.filter({ $0 <= now }).max() { return dueTime(after: last) }
    return earliest(status.nextSyncTime, dueTime(after: now))
  }

  private func earliest(_ stored: WallTime?, _ upcoming: WallTime?) -> WallTime? {
    guard let stored, let upcoming else { return upcoming }
    return min(stored, upcoming)
  }

  /// The first time after the given one when a run is due: a time of the schedule, and the delay.
  private func dueTime(after time: WallTime) -> WallTime? {
    next(time.advanced(bySeconds: -spec.delaySeconds))?.advanced(bySeconds: spec.delaySeconds)
  }

  /// By when a run that follows one of the given end must have ended; nil without a schedule.
  package func deadline(after last: WallTime) -> WallTime? {
    guard case .schedule = trigger else { return nil }
    return dueTime(after: last).flatMap(dueTime)
  }

  private func missedDeadline(since last: WallTime?, _ now: WallTime) -> Bool {
    last.flatMap(deadline).map { $0 < now } ?? false
  }
}

extension ReplicationStatus {
  /// The text that VolSync has for each reason but `Error`.
  private static func message(of reason: SyncCondition.Reason) -> String {
    switch reason {
    case .syncInProgress: "Synchronization in-progress"
    case .waitingForSchedule: "Waiting for next scheduled synchronization"
    case .waitingForManual: "Waiting for manual trigger"
    case .cleaningUp: "Cleaning up"
    case .error: "Error"
    }
  }

  /// Sets the condition; its time changes only when True becomes False or the reverse.
  fileprivate mutating func setCondition(
    _ reason: SyncCondition.Reason, _ message: String? = nil, at now: WallTime
  ) {
    var new = SyncCondition(
      reason, message: message ?? ReplicationStatus.message(of: reason), at: now)
    if let condition, condition.isTrue == new.isTrue {
      new.lastTransitionTime = condition.lastTransitionTime
    }
    condition = new
  }
}

extension WallTime {
  fileprivate func advanced(bySeconds count: Int64) -> WallTime {
    let (seconds, overflow) = seconds.addingReportingOverflow(count)
    return WallTime(seconds: overflow ? .max : seconds, nanoseconds: nanoseconds)
  }

  /// Nanoseconds from `earlier` to this point, at most the range of `Int64`.
  package func nanoseconds(since earlier: WallTime) -> Int64 {
    let (seconds, overflow) = (self.seconds - earlier.seconds).multipliedReportingOverflow(
      by: 1_000_000_000)
    if overflow { return self < earlier ? .min : .max }
    return seconds + Int64(nanoseconds) - Int64(earlier.nanoseconds)
  }
}
