import Control
import Manifests
import Platform
import TestSupport
import Testing
import Triggers

/// A replication and its mover under a random row of events, judged after each step.
private struct RandomLife {
  private var random: SeededGenerator
  private var now = WallTime(seconds: 1_767_225_600)
  private var spec: SyncSpec
  private(set) var status = ReplicationStatus()
  /// The mover was started and has not told its end.
  private(set) var isRunning = false
  /// What has ended was not cleaned up yet.
  private(set) var isLeft = false
  private(set) var startCount = 0
  private(set) var trail: [String] = []
  private let cron: CronSchedule
  private var tag = 0

  init(seed: UInt64) throws {
    random = SeededGenerator(seed: seed)
    cron = try CronSchedule("*/7 * * * *")
    spec = SyncSpec(trigger: TriggerSpec())
    spec = randomSpec()
  }

  private mutating func randomSpec() -> SyncSpec {
    let kind = random.below(3)
    if kind == 0 { tag += random.below(2) }
    return SyncSpec(
      trigger: TriggerSpec(
        schedule: kind == 1 ? cron : nil, manual: kind == 0 ? "tag \(tag)" : nil),
      isPaused: random.below(5) == 0, waitsForSchedule: random.below(2) == 0,
      delaySeconds: Int64(random.below(3) * 20))
  }

  private var machine: StateMachine {
    StateMachine(spec) { [cron] in cron.next(after: $0, in: .utc) }
  }

  private mutating func take(_ report: MoverReport, _ name: String) {
    let before = status
    let step = machine.step(status, report, at: now)
    trail.append("\(now.rfc3339) \(name) -> \(step.actions)")
    // What is stored is what is gone on with.
    status = ReplicationStatus(document: step.status.document, section: nil)
    judge(before, step)
    for action in step.actions {
      switch action {
      case .synchronize where !isRunning:
        startCount += 1
        isRunning = true
      case .cleanUp: isLeft = true
      default: break
      }
    }
  }

  private func judge(_ before: ReplicationStatus, _ step: SyncStep) {
    let starts = step.actions.contains(.synchronize)
    if starts, isLeft {
      Issue.record("a run starts before the last one was cleaned up: \(trail.suffix(12))")
    }
    if starts, spec.isPaused, !isRunning {
      Issue.record("a run starts while paused: \(trail.suffix(12))")
    }
    if starts != (step.status.lastSyncStartTime != nil), step.status.condition?.reason != .error {
      Issue.record("the status does not say what is done: \(trail.suffix(12))")
    }
    if starts, step.actions.contains(.cleanUp) {
      Issue.record("a run starts and is cleaned up in one step: \(trail.suffix(12))")
    }
  }

  /// One event that may happen now.
  mutating func live() {
    now.seconds += Int64(random.below(400))
    if random.below(60) == 0 { now.seconds -= 86_400 }
    if random.below(12) == 0 { spec = randomSpec() }
    if isRunning {
      switch random.below(5) {
      case 0: end(.gaveUp(logs: []), "gave up")
      case 1: take(.failed(logs: []), "failed")
      case 2: take(.nothing, "nothing")
      default: end(.completed(logs: [], image: nil), "completed")
      }
    } else if isLeft {
      if random.below(4) == 0 {
        take(random.below(2) == 0 ? .nothing : .error("broken"), "not cleaned up")
      } else {
        isLeft = false
        take(.cleanedUp, "cleaned up")
      }
    } else {
      look()
    }
  }

  private mutating func end(_ report: MoverReport, _ name: String) {
    isRunning = false
    take(report, name)
  }

  /// What its driver does with an idle one: a clean-up of nothing.
  private mutating func look() {
    take(SyncState(status) == .initial ? .nothing : .cleanedUp, "look")
  }

  /// From wherever it stands, with a mover that succeeds and a clock that runs: to the next start
  /// of the trigger, which must come.
  mutating func comesToARun() -> Bool {
    spec.isPaused = false
    if spec.trigger.manual != nil {
      tag += 1
      spec.trigger = TriggerSpec(manual: "tag \(tag)")
    }
    // A tag that changes during a run is done by that run.
    if isRunning { end(.completed(logs: [], image: nil), "completed") }
    if spec.trigger.manual != nil { spec.trigger = TriggerSpec(manual: "tag \(tag)!") }
    let count = startCount
    for _ in 0..<8 {
      if isLeft {
        isLeft = false
        take(.cleanedUp, "cleaned up")
      } else {
        look()
      }
      if startCount > count { return true }
      if let next = machine.nextLook(status), next >= now {
        now = WallTime(seconds: next.seconds + 1)
      }
    }
    return false
  }
}

/// The state machine over random rows of events, and over a year.
@Suite struct StateMachinePropertyTests {
  @Test func noRowOfEventsLosesATriggerOrRunsTwice() throws {
    for seed in 0..<UInt64(SampledCounts.count(sampled: 300, full: 5000)) {
      var life = try RandomLife(seed: seed)
      for _ in 0..<120 { life.live() }
      let trail = life.trail
      if !life.comesToARun() {
        Issue.record(
          "seed \(seed): no run comes any more: \(trail.suffix(6)) \(life.trail.suffix(9))")
        return
      }
    }
  }

  /// Runs a replication by its schedule with a mover that takes `duration` seconds; gives its
  /// starts and how many intervals were missed.
  private func year(
    _ text: String, _ zone: TimeZone, durationSeconds: (Int) -> Int64
  ) throws -> (starts: [Int64], missed: Int) {
    let cron = try CronSchedule(text)
    let spec = SyncSpec(trigger: TriggerSpec(schedule: cron), waitsForSchedule: true)
    let machine = StateMachine(spec) { cron.next(after: $0, in: zone) }
    var now = WallTime(seconds: 1_767_225_600)
    let end = now.seconds + 365 * 86_400
    var status = ReplicationStatus()
    var starts: [Int64] = []
    var missed = 0
    var report = MoverReport.nothing
    while now.seconds < end {
      let step = machine.step(status, report, at: now)
      status = step.status
      report = .nothing
      if step.actions.contains(.countMissedInterval) { missed += 1 }
      if step.actions.contains(.synchronize) {
        starts.append(now.seconds)
        now.seconds += durationSeconds(starts.count)
        report = .completed(logs: [], image: nil)
      } else if step.actions.contains(.cleanUp) {
        report = .cleanedUp
      } else {
        let next = try #require(machine.nextLook(status))
        now = WallTime(seconds: max(next.seconds, now.seconds), nanoseconds: 1)
        report = SyncState(status) == .initial ? .nothing : .cleanedUp
      }
    }
    return (starts, missed)
  }

  private func due(_ text: String, _ zone: TimeZone) throws -> [Int64] {
    let cron = try CronSchedule(text)
    var times: [Int64] = []
    var time = WallTime(seconds: 1_767_225_600)
    while let next = cron.next(after: time, in: zone), next.seconds < time.seconds + 366 * 86_400,
      next.seconds < 1_767_225_600 + 365 * 86_400
    {
      times.append(next.seconds)
      time = next
    }
    return times
  }

  @Test(arguments: [
    ("*/3 * * * *", "Europe/Berlin"), ("30 2 * * *", "America/New_York"),
    ("0 */4 * * MON-FRI", "Australia/Lord_Howe"), ("15 1-3 28-31 * *", "Europe/Berlin"),
  ])
  func aYearOfShortRunsStartsAtEachTime(text: String, zoneName: String) throws {
    let zone = try TimeZone.named(zoneName)
    let (starts, missed) = try year(text, zone) { _ in 40 }
    #expect(starts == (try due(text, zone)))
    #expect(missed == 0)
  }

  /// Every run but each tenth is short; a long one passes over the times that come meanwhile, and
  /// one late run follows at once.
  @Test func aLongRunPassesOverTimesAndIsCounted() throws {
    let zone = TimeZone.utc
    let (starts, missed) = try year("*/10 * * * *", zone) { $0.isMultiple(of: 10) ? 1810 : 60 }
    let times = Set(try due("*/10 * * * *", zone))
    var expected: [Int64] = []
    var time = WallTime(seconds: 1_767_225_600)
    let cron = try CronSchedule("*/10 * * * *")
    while let next = cron.next(after: time, in: zone), next.seconds < 1_767_225_600 + 365 * 86_400 {
      expected.append(next.seconds)
      let isLong = expected.count.isMultiple(of: 10)
      time = WallTime(seconds: next.seconds + (isLong ? 1810 : 60))
    }
    #expect(starts == expected)
    #expect(starts.allSatisfy(times.contains))
    #expect(missed == starts.count / 10)
  }
}
