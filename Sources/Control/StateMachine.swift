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
      } else if status.lastSyncTime == nil {
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
  case recordDuration(nanoseconds: Int64)
}

/// What the state machine needs of a spec.
package struct SyncSpec: Sendable {
  package var trigger: TriggerSpec
  package var isPaused: Bool

  package init(trigger: TriggerSpec, isPaused: Bool = false) {
    self.trigger = trigger
    self.isPaused = isPaused
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
/// Differences from VolSync, each safer: a paused replication does not start, where VolSync takes
/// the copy and starts a job of no pods; a run under way is left to end.
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

  /// Takes one step at the time `now`.
  package func step(
    _ status: ReplicationStatus, _ report: MoverReport, at now: WallTime
  ) -> SyncStep {
    if case .error(let text) = report {
      var status = status
      status.setCondition(.error, text, at: now)
      return SyncStep(status: status, actions: [])
    }
    return switch SyncState(status) {
    case .initial: start(status, at: now)
    case .synchronizing: synchronize(status, report, at: now)
    case .cleaningUp: cleanUp(status, report, at: now)
    }
  }

  private func start(_ status: ReplicationStatus, at now: WallTime) -> SyncStep {
    var status = status
    if spec.isPaused {
      setWaiting(&status, at: now)
      return SyncStep(status: status, actions: [])
    }
    status.lastSyncStartTime = now
    status.setCondition(.syncInProgress, at: now)
    return SyncStep(status: status, actions: [.synchronize])
  }

  private func synchronize(
    _ status: ReplicationStatus, _ report: MoverReport, at now: WallTime
  ) -> SyncStep {
    var status = status
    switch report {
    case .completed(let logs, let image):
      return complete(status, logs: logs, image: image, at: now)
    case .failed(let logs):
      status.latestMoverStatus = LatestMoverStatus(result: .failed, logs: logs)
    case .nothing, .cleanedUp, .error: break
    }
    status.setCondition(.syncInProgress, at: now)
    return SyncStep(status: status, actions: [.synchronize])
  }

  private func complete(
    _ status: ReplicationStatus, logs: [UInt8], image: ImageReference?, at now: WallTime
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
    status.lastManualSync = spec.trigger.manual
    status.latestMoverStatus = LatestMoverStatus(result: .successful, logs: logs)
    if let image { status.latestImage = image }
    status.nextSyncTime = nextSyncTime(after: now)
    status.setCondition(.cleaningUp, at: now)
    return SyncStep(status: status, actions: actions + [.cleanUp])
  }

  private func cleanUp(
    _ status: ReplicationStatus, _ report: MoverReport, at now: WallTime
  ) -> SyncStep {
    var status = status
    guard report == .cleanedUp else {
      if status.condition?.reason == .error { status.setCondition(.cleaningUp, at: now) }
      return SyncStep(status: status, actions: [.cleanUp])
    }
    status.nextSyncTime = status.lastSyncTime.flatMap(nextSyncTime)
    if !spec.isPaused, isDue(status, at: now) { return start(status, at: now) }
    setWaiting(&status, at: now)
    return SyncStep(status: status, actions: [])
  }

  private func isDue(_ status: ReplicationStatus, at now: WallTime) -> Bool {
    switch trigger {
    case .manual(let tag): tag != status.lastManualSync
    case .schedule: status.nextSyncTime.map { $0 < now } ?? false
    case .none: true
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

  private func nextSyncTime(after time: WallTime) -> WallTime? {
    if case .schedule = trigger { next(time) } else { nil }
  }

  private func missedDeadline(since last: WallTime?, _ now: WallTime) -> Bool {
    guard case .schedule = trigger, let last, let due = next(last), let deadline = next(due) else {
      return false
    }
    return deadline < now
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
  /// Nanoseconds from `earlier` to this point, at most the range of `Int64`.
  package func nanoseconds(since earlier: WallTime) -> Int64 {
    let (seconds, overflow) = (self.seconds - earlier.seconds).multipliedReportingOverflow(
      by: 1_000_000_000)
    if overflow { return self < earlier ? .min : .max }
    return seconds + Int64(nanoseconds) - Int64(earlier.nanoseconds)
  }
}
