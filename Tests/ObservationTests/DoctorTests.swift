import Control
import Observation
import Platform
import Testing

@Suite("Doctor: what is judged")
struct DoctorTests {
  private let now = WallTime(seconds: 2_000_000_000)

  private func judge(
    isPaused: Bool = false, hasDaemon: Bool = true, _ change: (inout ReplicationStatus) -> Void
  ) -> HealthCheck {
    var status = ReplicationStatus()
    change(&status)
    return ScheduleCheck(status, isPaused: isPaused, hasDaemon: hasDaemon).judge("rs/a", at: now)
  }

  private func ago(_ seconds: Int64) -> WallTime { WallTime(seconds: now.seconds - seconds) }

  @Test("A due run that did not start, a run that was cut short, failures, a guard")
  func schedules() {
    #expect(judge { _ in }.level == .warn)
    #expect(judge(isPaused: true) { $0.lastSyncTime = ago(9) }.level == .warn)
    let good = judge {
      $0.lastSyncTime = ago(60)
      $0.nextSyncTime = ago(-60)
    }
    #expect(good.level == .ok && good.found.contains("the next at"))
    let late = judge {
      $0.lastSyncTime = ago(9000)
      $0.nextSyncTime = ago(301)
    }
    #expect(late.level == .fail && late.found.contains("due 301 s ago"))
    #expect(
      judge {
        $0.lastSyncTime = ago(9000)
        $0.nextSyncTime = ago(300)
      }.level == .ok)
    #expect(judge { $0.lastSyncStartTime = ago(5) }.level == .ok)
    let cut = judge(hasDaemon: false) { $0.lastSyncStartTime = ago(5) }
    #expect(cut.level == .fail && cut.advice == "Start the daemon.")
    let failed = judge { $0.failedRuns = FailedRuns(count: 3, lastTime: ago(1)) }
    #expect(failed.level == .fail && failed.found == "the last 3 runs have failed")
    let trip = judge { $0.guardTrip = GuardTrip(.massDeletion, "too much", since: ago(1)) }
    #expect(trip.level == .fail && trip.found == "too much")
    let wrong = judge { $0.condition = SyncCondition(.error, message: "no volume", at: ago(1)) }
    #expect(wrong.level == .fail && wrong.found == "no volume")
  }

  @Test("Room: bytes, inodes, shares")
  func room() {
    func level(_ free: UInt64, _ total: UInt64, _ inodes: (UInt64, UInt64)) -> HealthCheck.Level {
      HostChecks.judge("s", "/x", free: free, total: total, inodes: inodes).level
    }
    let gib: UInt64 = 1 << 30
    #expect(level(50 * gib, 100 * gib, (0, 0)) == .ok)
    #expect(level(4 * gib, 100 * gib, (9_999, 10_000)) == .warn)
    #expect(level(63 << 20, 100 * gib, (0, 0)) == .fail)
    #expect(level(50 * gib, 100 * gib, (999, 10_000)) == .fail)
    #expect(level(0, 0, (0, 0)) == .fail)
  }

  @Test("A clock of the past, or one that is behind its own records")
  func clock() {
    #expect(HostChecks(now: WallTime(seconds: 5)).clock(newest: nil).level == .fail)
    let checks = HostChecks(now: now)
    #expect(checks.clock(newest: nil).level == .ok)
    #expect(checks.clock(newest: WallTime(seconds: now.seconds + 60)).level == .ok)
    #expect(checks.clock(newest: WallTime(seconds: now.seconds + 61)).level == .fail)
  }

  @Test("One line a check, without control characters; JSON with the same words")
  func lines() {
    let check = HealthCheck(.warn, "rs/a key", "odd \u{1b}[2J\nname", advice: "Look")
    #expect(!check.line.contains("\n") && !check.line.contains("\u{1b}"))
    #expect(check.line.hasPrefix("warn  rs/a key: odd"))
    #expect(check.document["level"] == .string("warn"))
    #expect(HealthCheck(.ok, "a", "b").line == "ok    a: b")
  }
}
