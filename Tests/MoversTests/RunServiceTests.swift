import Control
import Glibc
import Manifests
import Movers
import Platform
import TestSupport
import Testing
import Triggers

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
    // One more may have begun when it is told to end.
    #expect([.done, .interrupted].contains(report.exitStatus))
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
    // It may be told to end when the last run is over and not yet cleaned up after.
    let reason = found["conditions"]?.arrayValue?.first?.objectValue?["reason"]?.stringValue
    #expect(["WaitingForSchedule", "CleaningUp"].contains(reason))
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
      case 1: serviceFailed(.corrupt)
      case 2, 3: serviceFailed(.unreachable)
      default: serviceDone
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
    script.outcome = { _, _ in serviceFailed(.refused) }
    let (report, status, _) = try serve(
      key + source("s", "schedule: '* * * * *'"), until: "three failures"
    ) { script.starts(of: "s").count >= 4 }
    // One more may have begun when it is told to end.
    #expect([.done, .interrupted].contains(report.exitStatus))
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
