import Control
import Manifests
import Platform
import Testing
import Triggers

/// A schedule of every full hundred seconds.
private let everyHundred: NextTime = { time in
  WallTime(seconds: (time.seconds / 100 + 1) * 100)
}

/// Stands for any; ``everyHundred`` says when it is due. nil, were it not to be read, would show as
/// no trigger.
private let machineSchedule = try? CronSchedule("* * * * *")

private func machine(
  manual: String? = nil, schedule: Bool = false, paused: Bool = false
) -> StateMachine {
  let trigger = TriggerSpec(schedule: schedule ? machineSchedule : nil, manual: manual)
  return StateMachine(SyncSpec(trigger: trigger, isPaused: paused), next: everyHundred)
}

private func time(_ seconds: Int64, _ nanoseconds: Int32 = 0) -> WallTime {
  WallTime(seconds: seconds, nanoseconds: nanoseconds)
}

private func idle(at seconds: Int64, manual: String? = nil) -> ReplicationStatus {
  var status = ReplicationStatus()
  status.lastSyncTime = time(seconds)
  status.lastManualSync = manual
  return status
}

private let success = MoverReport.completed(logs: Array("ok\n".utf8), image: nil)

@Suite struct StateMachineTests {
  @Test(arguments: [
    machine(), machine(manual: "a"), machine(schedule: true), machine(manual: "a", schedule: true),
  ])
  func aNewReplicationStartsAtOnce(machine: StateMachine) {
    let step = machine.step(ReplicationStatus(), .nothing, at: time(50))
    #expect(step.actions == [.synchronize])
    #expect(SyncState(step.status) == .synchronizing)
    #expect(step.status.lastSyncStartTime == time(50))
    #expect(step.status.condition?.reason == .syncInProgress)
    #expect(step.status.condition?.message == "Synchronization in-progress")
  }

  @Test func aCompletedRunIsRecorded() {
    let machine = machine(manual: "tag")
    let started = machine.step(ReplicationStatus(), .nothing, at: time(50)).status
    let step = machine.step(started, success, at: time(160, 209_297_869))
    #expect(step.actions == [.recordDuration(nanoseconds: 110_209_297_869), .cleanUp])
    #expect(SyncState(step.status) == .cleaningUp)
    #expect(step.status.lastSyncTime == time(160, 209_297_869))
    #expect(step.status.lastSyncStartTime == nil)
    #expect(step.status.lastManualSync == "tag")
    #expect(step.status.latestMoverStatus?.result == .successful)
    #expect(step.status.document["lastSyncDuration"] == .string("1m50.209297869s"))
    #expect(step.status.condition?.reason == .cleaningUp)
    #expect(step.status.condition?.message == "Cleaning up")
    let waiting = machine.step(step.status, .cleanedUp, at: time(161))
    #expect(waiting.actions.isEmpty)
    #expect(waiting.status.condition?.reason == .waitingForManual)
    #expect(waiting.status.condition?.message == "Waiting for manual trigger")
    #expect(waiting.status.condition?.lastTransitionTime == time(160, 209_297_869))
  }

  @Test func aFailedRunGoesOnAndIsOnlySeenInTheMoverStatus() {
    let started = machine().step(ReplicationStatus(), .nothing, at: time(50)).status
    let step = machine().step(started, .failed(logs: Array("broken".utf8)), at: time(60))
    #expect(step.actions == [.synchronize])
    #expect(
      step.status.latestMoverStatus
        == LatestMoverStatus(result: .failed, logs: Array("broken".utf8)))
    #expect(step.status.condition?.isTrue == true)
    #expect(step.status.lastSyncStartTime == time(50))
    #expect(step.status.lastSyncTime == nil)
  }

  @Test func anErrorIsACondition() {
    let started = machine().step(ReplicationStatus(), .nothing, at: time(50)).status
    let step = machine().step(started, .error("no Secret \"key\""), at: time(55))
    #expect(step.actions.isEmpty)
    #expect(
      step.status.condition == SyncCondition(.error, message: "no Secret \"key\"", at: time(55)))
    let later = machine().step(step.status, .nothing, at: time(60))
    #expect(later.status.condition?.reason == .syncInProgress)
  }

  @Test(arguments: [
    // tag of the spec, tag done, starts
    ("b", "a", true), ("a", "a", false), ("a", nil, true),
  ])
  func aManualTagRunsOnce(tag: String, done: String?, starts: Bool) {
    let step = machine(manual: tag, schedule: true).step(
      idle(at: 50, manual: done), .cleanedUp, at: time(1000))
    #expect((step.actions == [.synchronize]) == starts)
    #expect(step.status.nextSyncTime == nil)
  }

  @Test(arguments: [(99, false), (100, false), (101, true), (5000, true)])
  func aScheduleStartsAfterItsTime(now: Int64, starts: Bool) {
    let step = machine(schedule: true).step(idle(at: 50), .cleanedUp, at: time(now))
    #expect(step.status.nextSyncTime == time(100))
    #expect((step.actions == [.synchronize]) == starts)
    if !starts {
      #expect(step.status.condition?.reason == .waitingForSchedule)
      #expect(step.status.condition?.message == "Waiting for next scheduled synchronization")
    }
  }

  @Test func withoutTriggerItRunsAgainAtOnce() {
    let step = machine().step(idle(at: 50), .cleanedUp, at: time(50))
    #expect(step.actions == [.synchronize])
  }

  @Test func nothingStartsBeforeTheCleanUpIsDone() {
    for report in [MoverReport.nothing, success, .failed(logs: [])] {
      let step = machine().step(idle(at: 50), report, at: time(60))
      #expect(step.actions == [.cleanUp])
      #expect(SyncState(step.status) == .cleaningUp)
    }
  }

  @Test(arguments: [(200, false), (201, true)])
  func aRunThatEndsAfterItsDeadlineIsMissed(now: Int64, missed: Bool) {
    var status = idle(at: 50)
    status.lastSyncStartTime = time(101)
    let step = machine(schedule: true).step(status, success, at: time(now))
    #expect(step.actions.contains(.countMissedInterval) == missed)
    #expect(step.status.nextSyncTime == time(300))
  }

  @Test func pausedDoesNotStartAndLeavesARunToItsEnd() {
    let paused = machine(schedule: true, paused: true)
    #expect(paused.step(ReplicationStatus(), .nothing, at: time(1)).actions.isEmpty)
    #expect(paused.step(idle(at: 50), .cleanedUp, at: time(5000)).actions.isEmpty)
    let running = machine().step(ReplicationStatus(), .nothing, at: time(50)).status
    #expect(paused.step(running, .nothing, at: time(60)).actions == [.synchronize])
  }

  @Test func aManualTagChangedDuringARunIsDoneByIt() {
    let started = machine(manual: "a").step(ReplicationStatus(), .nothing, at: time(1)).status
    let done = machine(manual: "b").step(started, success, at: time(2)).status
    #expect(done.lastManualSync == "b")
    #expect(machine(manual: "b").step(done, .cleanedUp, at: time(3)).actions.isEmpty)
  }

  @Test func aClockSetBackGivesNoNegativeDuration() {
    let started = machine().step(ReplicationStatus(), .nothing, at: time(50)).status
    let step = machine().step(started, success, at: time(10))
    #expect(step.status.lastSyncDurationNanoseconds == 0)
  }

  // MARK: Runs that are given up

  private func gaveUp(_ machine: StateMachine, at seconds: Int64) -> ReplicationStatus {
    let started = machine.step(ReplicationStatus(), .nothing, at: time(50)).status
    let step = machine.step(started, .gaveUp(logs: Array("broken".utf8)), at: time(seconds))
    #expect(step.actions == [.countFailedRun, .cleanUp])
    #expect(step.status.lastSyncStartTime == nil)
    #expect(step.status.lastSyncTime == nil)
    #expect(step.status.latestMoverStatus?.result == .failed)
    #expect(step.status.failedRuns?.count == 1)
    #expect(SyncState(step.status) == .cleaningUp)
    return step.status
  }

  @Test func aScheduledRunThatWasGivenUpWaitsForItsNextTime() {
    let machine = machine(schedule: true)
    let status = gaveUp(machine, at: 260)
    #expect(status.nextSyncTime == time(300))
    let idle = machine.step(status, .cleanedUp, at: time(261))
    #expect(idle.actions.isEmpty)
    #expect(idle.status.condition?.reason == .waitingForSchedule)
    #expect(machine.nextLook(idle.status) == time(300))
    let again = machine.step(idle.status, .cleanedUp, at: time(301))
    #expect(again.actions == [.synchronize])
    let done = machine.step(again.status, success, at: time(302)).status
    #expect(done.failedRuns == nil)
    #expect(done.latestMoverStatus?.result == .successful)
  }

  @Test func aManualRunThatWasGivenUpWaitsForAnotherTag() {
    let status = gaveUp(machine(manual: "a"), at: 60)
    #expect(status.lastManualSync == nil)
    #expect(machine(manual: "a").step(status, .cleanedUp, at: time(9000)).actions.isEmpty)
    #expect(machine(manual: "b").step(status, .cleanedUp, at: time(61)).actions == [.synchronize])
  }

  @Test func aContinuousRunThatWasGivenUpWaitsLongerEachTime() {
    var status = gaveUp(machine(), at: 60)
    var now: Int64 = 60
    for pause in [5, 10, 20, 40, 80, 160, 320, 640, 1280, 2560, 3600, 3600] as [Int64] {
      #expect(machine().nextLook(status) == time(now + pause))
      #expect(machine().step(status, .cleanedUp, at: time(now + pause)).actions.isEmpty)
      let again = machine().step(status, .cleanedUp, at: time(now + pause + 1))
      #expect(again.actions == [.synchronize])
      now += pause + 10
      status = machine().step(again.status, .gaveUp(logs: []), at: time(now)).status
    }
    // A clock set back by a day.
    #expect(machine().step(status, .cleanedUp, at: time(now - 86_400)).actions == [.synchronize])
  }

  @Test func theFirstRunMayWaitForTheSchedule() {
    let spec = SyncSpec(
      trigger: TriggerSpec(schedule: machineSchedule), waitsForSchedule: true, delaySeconds: 7)
    let machine = StateMachine(spec, next: everyHundred)
    let first = machine.step(ReplicationStatus(), .nothing, at: time(5050))
    #expect(first.actions.isEmpty)
    #expect(first.status.nextSyncTime == time(5107))
    #expect(first.status.condition?.reason == .waitingForSchedule)
    #expect(SyncState(first.status) == .initial)
    #expect(machine.step(first.status, .nothing, at: time(5107)).actions.isEmpty)
    #expect(machine.step(first.status, .nothing, at: time(5108)).actions == [.synchronize])
    // The clock was set back: not later than the schedule says now.
    let earlier = machine.step(first.status, .nothing, at: time(150))
    #expect(earlier.status.nextSyncTime == time(207))
  }

  @Test func aClockSetBackHoldsNothingUp() {
    let step = machine(schedule: true).step(idle(at: 90_000), .cleanedUp, at: time(350))
    #expect(step.status.nextSyncTime == time(400))
    #expect(step.actions.isEmpty)
    let later = machine(schedule: true).step(step.status, .cleanedUp, at: time(401))
    #expect(later.actions == [.synchronize])
  }

  /// A run of the future, a clock set back, and a run that is given up: the next one has its time.
  @Test func aClockSetBackMakesNoRowOfRuns() {
    var status = idle(at: 90_000)
    status.lastSyncStartTime = time(401)
    status.nextSyncTime = time(400)
    let failed = machine(schedule: true).step(status, .gaveUp(logs: []), at: time(410)).status
    #expect(failed.nextSyncTime == time(500))
    #expect(machine(schedule: true).step(failed, .cleanedUp, at: time(411)).actions.isEmpty)
  }

  /// A delay moves the times of the schedule, and passes over none of them.
  @Test(arguments: [0, 30, 80, 250] as [Int64])
  func aDelayLosesNoTime(delay: Int64) {
    let spec = SyncSpec(
      trigger: TriggerSpec(schedule: machineSchedule), delaySeconds: delay)
    let machine = StateMachine(spec, next: everyHundred)
    var status = idle(at: 1000 + delay)
    var starts: [Int64] = []
    for now in (1001 + delay)...(1600 + delay) {
      var step = machine.step(status, .cleanedUp, at: time(now))
      if step.actions == [.synchronize] {
        starts.append(now)
        step = machine.step(step.status, success, at: time(now))
        #expect(!step.actions.contains(.countMissedInterval))
      }
      status = step.status
    }
    #expect(starts == (1...5).map { 1001 + delay + $0 * 100 })
  }
}
