import Control
import Glibc
import Manifests
import Movers
import Platform
import TestSupport
import Testing

/// A wall clock that runs many times as fast as the world.
private struct FastClock: Clock {
  static let speed: Double = 600
  private let start = MonotonicTime.now()
  /// A quarter of a minute before a full one.
  private let origin = WallTime(seconds: 1_767_225_645)

  func wallTime() -> WallTime {
    let passed = MonotonicTime.now().seconds(since: start) * FastClock.speed
    let seconds = Int64(passed)
    return WallTime(
      seconds: origin.seconds + seconds, nanoseconds: Int32((passed - Double(seconds)) * 1e9))
  }

  func monotonicTime() -> MonotonicTime { .now() }
  func sleep(seconds: Double) { SystemClock().sleep(seconds: seconds / FastClock.speed) }
}

/// What the movers of a service do, and what they were seen doing.
private final class ServiceScript: @unchecked Sendable {
  struct Start {
    var name: String
    var job: RunJob
    var time: WallTime
    var runningCount: Int
  }

  let clock = FastClock()
  private let lock = Lock()
  private var started: [Start] = []
  private var running = 0
  /// Sessions that senders have made and no receiver has taken.
  private var sessionCount = 0
  private var port: UInt16 = 4000
  /// How a sender's or backup's attempt ends, by its number from 1.
  var outcome: @Sendable (_ name: String, _ number: Int) -> MoverOutcome = { _, _ in done }
  var workSeconds = 0.0

  var starts: [Start] { lock.withLock { started } }
  func starts(of name: String) -> [Start] { starts.filter { $0.name == name } }

  var registry: MoverRegistry<MoverRequest> {
    var registry = MoverRegistry<MoverRequest>()
    for section in ["rsyncTLS", "restic"] {
      registry.register(section: section) { ServiceMover($0, self) }
    }
    return registry
  }

  func begin(_ request: MoverRequest) -> Int {
    lock.withLock {
      running += 1
      started.append(
        Start(
          name: request.end.key.name, job: request.job, time: clock.wallTime(),
          runningCount: running))
      return started.filter { $0.name == request.end.key.name }.count
    }
  }

  func end() { lock.withLock { running -= 1 } }

  func freshPort() -> UInt16 {
    lock.withLock {
      port += 1
      return port
    }
  }

  /// Makes a session and waits until a receiver has taken it; false when the mover was cancelled.
  func makeSession(unless isCancelled: () -> Bool) -> Bool {
    lock.withLock { sessionCount += 1 }
    while lock.withLock({ sessionCount > 0 }) {
      if isCancelled() { return false }
      usleep(500)
    }
    return true
  }

  /// False when there was none and the mover was cancelled.
  func takeSession(unless isCancelled: () -> Bool) -> Bool {
    while !isCancelled() {
      let took = lock.withLock {
        guard sessionCount > 0 else { return false }
        sessionCount -= 1
        return true
      }
      if took { return true }
      usleep(500)
    }
    return false
  }

  /// Waits until a condition holds; records an issue when it does not come to.
  func wait(for what: String, _ holds: () -> Bool) {
    let deadline = MonotonicTime.now().advanced(bySeconds: 60)
    while !holds() {
      guard MonotonicTime.now() < deadline else {
        Issue.record("\(what) does not come; starts: \(starts.map(\.name))")
        return
      }
      usleep(1000)
    }
  }
}

private let done = MoverOutcome.completed(MoverCompletion(logs: Array("ok".utf8)))
private func failed(_ kind: FailureKind) -> MoverOutcome {
  .failed(MoverFailure(kind, "\(kind)", logs: Array("\(kind)\n".utf8)))
}

private final class ServiceMover: Mover, @unchecked Sendable {
  let name = "scripted"
  private let request: MoverRequest
  private let script: ServiceScript
  private let lock = Lock()
  private var isCancelled = false

  init(_ request: MoverRequest, _ script: ServiceScript) {
    self.request = request
    self.script = script
  }

  private var shallEnd: Bool { lock.withLock { isCancelled } }

  func synchronize() -> MoverOutcome {
    let number = script.begin(request)
    defer { script.end() }
    if request.job.rsyncTLS?.direction == .receive {
      request.onEvent(.listening(HostPort(host: "127.0.0.1", port: script.freshPort())))
      guard script.takeSession(unless: { shallEnd }) else { return failed(.cancelled) }
      return done
    }
    let end = MonotonicTime.now().advanced(bySeconds: script.workSeconds)
    while MonotonicTime.now() < end {
      if shallEnd { return failed(.cancelled) }
      usleep(500)
    }
    let outcome = script.outcome(request.end.key.name, number)
    if case .completed = outcome, request.end.peer != nil {
      guard script.makeSession(unless: { shallEnd }) else { return failed(.cancelled) }
    }
    return outcome
  }

  func cleanUp() throws {}
  func cancel() { lock.withLock { isCancelled = true } }
}

/// Replications that are served by their triggers.
@Suite struct RunServiceTests {
  private let files: PlanFiles
  private let script = ServiceScript()
  init() throws { files = try PlanFiles() }

  /// Serves the files until `holds`, then ends the service; gives its report and what it told.
  private func serve(
    _ text: String, slotCount: Int = 4, until what: String, _ holds: () -> Bool
  ) throws -> (report: RunReport, status: [String: JSONObject], notices: [String]) {
    let plan = try files.plan(text)
    let notices = Collected<String>()
    let service = RunService(
      plan, movers: script.registry, stateDirectory: nil, clock: script.clock,
      retry: RetryPolicy(attemptCountMax: 2, firstDelaySeconds: 0.01), slotCount: slotCount,
      lookSecondsMax: 0.002
    ) { key, notice in
      switch notice {
      case .failed(let failure): notices.add("\(key.name) failed: \(failure.message)")
      case .retrying: notices.add("\(key.name) retries")
      case .completed: notices.add("\(key.name) done")
      default: break
      }
    }
    let thread = Thread("service") { Result { try service.run() } }
    script.wait(for: what, holds)
    service.cancel()
    let report = try thread.join().get()
    var status: [String: JSONObject] = [:]
    for object in report.objects.compactMap(\.objectValue) {
      let name = object["metadata"]?.objectValue?["name"]?.stringValue ?? ""
      status[name] = object["status"]?.objectValue
    }
    return (report, status, notices.values)
  }

  private func source(
    _ name: String, _ trigger: String, annotations: String = "", port: Int = 9000
  ) -> String {
    files.source(
      name, annotations: annotations, spec: "trigger: {\(trigger)}",
      section: ", address: example.org, port: \(port), keySecret: k")
  }

  private var key: String { files.key("k") }

  private func minutes(_ starts: [ServiceScript.Start]) -> [Int64] {
    starts.map { $0.time.seconds / 60 }
  }

  @Test func aScheduleRunsAtOnceAndThenOnceAtEachTime() throws {
    let (report, status, _) = try serve(
      key + source("s", "schedule: '* * * * *'"), until: "six runs"
    ) { script.starts(of: "s").count >= 6 }
    #expect(report.exitStatus == .done)
    let times = minutes(script.starts(of: "s"))
    #expect(Set(times).count == times.count)
    // A busy machine may come late, and must not come early.
    for (start, minute) in zip(script.starts(of: "s"), times).dropFirst() {
      #expect(start.time >= WallTime(seconds: minute * 60))
    }
    let found = try #require(status["s"])
    #expect(found["lastSyncTime"] != nil)
    #expect(found["nextSyncTime"] != nil)
    #expect(found["lastSyncStartTime"] == nil)
    #expect(
      found["conditions"]?.arrayValue?.first?.objectValue?["reason"]
        == .string("WaitingForSchedule"))
  }

  @Test func theFirstRunWaitsWhenAskedTo() throws {
    let text =
      key
      + source(
        "s", "schedule: '* * * * *'", annotations: "drover.internal/wait-for-schedule: 'true'")
    let first = script.clock.wallTime().seconds / 60
    _ = try serve(text, until: "a run") { !script.starts.isEmpty }
    #expect(try #require(script.starts.first).time.seconds / 60 > first)
  }

  @Test func whatEarlierRunsLeftInTheStatusCounts() throws {
    let last = WallTime(seconds: script.clock.wallTime().seconds / 60 * 60)
    let text =
      key
      + source("s", "schedule: '*/10 * * * *'")
      .replacing("\nspec:", with: "\nstatus: {lastSyncTime: '\(last.rfc3339)'}\nspec:")
    _ = try serve(text, until: "a run") { !script.starts.isEmpty }
    #expect(try #require(script.starts.first).time.seconds / 600 > last.seconds / 600)
  }

  @Test func aPairGoesOnWithoutTriggers() throws {
    let (report, status, _) = try serve(
      files.destination("d") + files.source("s"), until: "five sessions"
    ) { script.starts(of: "s").count > 5 }
    #expect(report.exitStatus != .failed)
    let sends = script.starts(of: "s").compactMap(\.job.rsyncTLS)
    #expect(sends.allSatisfy { $0.host == "127.0.0.1" && $0.port > 4000 })
    // Each to the place where the other listened at that time.
    #expect(Set(sends.map(\.port)).count >= 5)
    #expect(status["d"]?["lastSyncTime"] != nil)
    #expect(status["s"]?["lastSyncTime"] != nil)
  }

  @Test func aRunThatFailsIsGivenUpUntilItsNextTime() throws {
    // The first run fails for good, the second after a retry, the third is well.
    script.outcome = { _, number in
      switch number {
      case 1: failed(.corrupt)
      case 2, 3: failed(.unreachable)
      default: done
      }
    }
    let (_, status, notices) = try serve(
      key + source("s", "schedule: '* * * * *'"), until: "a run that counts"
    ) { script.starts(of: "s").count >= 5 }
    #expect(
      notices.prefix(4) == ["s failed: corrupt", "s retries", "s failed: unreachable", "s done"])
    let times = minutes(script.starts(of: "s"))
    #expect(times[1] > times[0])
    #expect(times[3] > times[2])
    #expect(status["s"]?["drover"] == nil)
  }

  @Test func failuresAreCountedInTheStatus() throws {
    script.outcome = { _, _ in failed(.refused) }
    let (report, status, _) = try serve(
      key + source("s", "schedule: '* * * * *'"), until: "three failures"
    ) { script.starts(of: "s").count >= 4 }
    #expect(report.exitStatus == .done)
    let found = try #require(status["s"])
    #expect((found["drover"]?.objectValue?["failedRuns"]?.integerValue ?? 0) >= 3)
    #expect(found["latestMoverStatus"]?.objectValue?["result"] == .string("Failed"))
    #expect(found["lastSyncTime"] == nil)
  }

  @Test func noMoreWorkAtOnceThanThereAreSlots() throws {
    script.workSeconds = 0.02
    let names = ["a", "b", "c", "e"]
    let text = key + names.map { source($0, "schedule: '* * * * *'") }.joined()
    _ = try serve(text, slotCount: 2, until: "three runs of each") {
      names.allSatisfy { script.starts(of: $0).count >= 3 }
    }
    #expect(script.starts.map(\.runningCount).max() == 2)
  }

  @Test func aRunThatIsCutShortShowsInTheExitCode() throws {
    script.workSeconds = 60
    let (report, status, _) = try serve(
      key + source("s", "schedule: '* * * * *'"), until: "a start"
    ) { !script.starts.isEmpty }
    #expect(report.exitStatus == .interrupted)
    // So that the next service goes on with it.
    #expect(status["s"]?["lastSyncStartTime"] != nil)
  }

  @Test func pausedEndsAreLeftAsTheyWere() throws {
    let paused =
      source("p", "schedule: '* * * * *'").replacing("spec:", with: "spec:\n  paused: true")
      .replacing(
        "\nspec:",
        with: "\nstatus: {lastSyncTime: '2026-01-01T00:00:00Z', lastSyncStartTime: "
          + "'2026-01-01T00:00:10Z', lastManualSync: t}\nspec:")
    let (_, status, _) = try serve(
      key + paused + source("s", "schedule: '* * * * *'"), until: "three runs"
    ) { script.starts(of: "s").count >= 3 }
    #expect(script.starts(of: "p").isEmpty)
    #expect(status["p"]?["lastSyncStartTime"] == nil)
    #expect(status["p"]?["lastSyncTime"] == .string("2026-01-01T00:00:00Z"))
    #expect(
      status["p"]?["conditions"]?.arrayValue?.first?.objectValue?["reason"]
        == .string("WaitingForSchedule"))
  }

  @Test func whereADestinationListensStandsInItsStatus() throws {
    let (_, status, _) = try serve(
      files.destination("d") + files.source("s"), until: "two sessions"
    ) { script.starts(of: "s").count > 2 }
    #expect(status["d"]?["rsyncTLS"]?.objectValue?["address"] == .string("127.0.0.1"))
    #expect((status["d"]?["rsyncTLS"]?.objectValue?["port"]?.integerValue ?? 0) > 4000)
  }

  @Test func aJitterIsTheSameEachTimeAndOfEachObjectAnother() throws {
    func delays() throws -> [Int64] {
      let text =
        key
        + (0..<20).map {
          source("s\($0)", "schedule: '@hourly'", annotations: "drover.internal/jitter: 10m")
        }.joined()
      return try files.plan(text).sources.map(\.spec.delaySeconds)
    }
    let first = try delays()
    #expect(try delays() == first)
    #expect(Set(first).count > 15)
    #expect(first.allSatisfy { (0...600).contains($0) })
  }

  @Test func zonesAreOfTheScheduleThenOfTheObject() throws {
    let zone = "drover.internal/time-zone: Asia/Tokyo"
    let text =
      key + source("a", "schedule: 'CRON_TZ=Europe/Berlin 0 3 * * *'", annotations: zone)
      + source("b", "schedule: '0 3 * * *'", annotations: zone)
    #expect(try files.plan(text).sources.map(\.zone.name) == ["Europe/Berlin", "Asia/Tokyo"])
    for (annotation, expected) in [
      ("time-zone: Mars", "is not known here"), ("jitter: often", "no duration from 0s to 24h"),
      ("jitter: 25h", "no duration"), ("wait-for-schedule: maybe", "must be \"true\" or \"false\""),
    ] {
      #expect {
        try files.plan(key + source("a", "", annotations: "drover.internal/\(annotation)"))
      } throws: { "\($0)".contains(expected) }
    }
  }
}
