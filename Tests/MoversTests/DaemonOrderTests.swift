import Control
import Manifests
import Platform
import StateStore
import TestSupport
import Testing

/// Random orders of what can happen to a daemon.
@Suite("Control daemon under random orders")
struct DaemonOrderTests {
  @Test(
    "No trigger is lost, nothing runs twice at once, nothing is stuck",
    arguments: 0..<SampledCounts.count(sampled: 3, full: 40))
  func randomOrders(seed: Int) throws {
    var generator = SeededGenerator(seed: UInt64(seed))
    let fixture = try DaemonFixture()
    fixture.script.workSeconds = 0.002
    fixture.script.outcome = { name, number in
      // Every third attempt fails, in one of the ways there are.
      let kinds: [FailureKind] = [.unreachable, .corrupt, .refused]
      return number % 3 == 0 ? serviceFailed(kinds[(number / 3) % 3]) : serviceDone
    }
    try fixture.start(slotCount: 2)
    try fixture.apply(DaemonFixture.secret)
    let names = ["a", "b", "c"]
    // What was asked for last of each; nil for one that is not there.
    var asked: [String: String] = [:]
    var paused: Set<String> = []
    for step in 0..<40 {
      let name = generator.pick(names)
      switch generator.below(7) {
      case 0, 1:
        paused.remove(name)
        let tag = "m\(step)"
        asked[name] = tag
        try fixture.apply(fixture.source(name, "manual: \(tag)"))
      case 2:
        if asked.removeValue(forKey: name) != nil {
          _ = try fixture.client.delete([fixture.key(name)])
          paused.remove(name)
        }
      case 3, 4:
        guard asked[name] != nil, !paused.contains(name) else { continue }
        let tag = "t\(step)"
        _ = try fixture.client.trigger(fixture.key(name), tag: tag)
        asked[name] = tag
      case 5:
        guard asked[name] != nil else { continue }
        let isPaused = !paused.contains(name)
        _ = try fixture.client.setPaused(fixture.key(name), isPaused)
        if isPaused { paused.insert(name) } else { paused.remove(name) }
      default:
        if generator.chance(0.3) {
          fixture.stop()
          try fixture.start(slotCount: 2)
        }
      }
      usleepBriefly(generator.below(6))
    }
    for name in paused { _ = try fixture.client.setPaused(fixture.key(name), false) }
    // A run that failed for good is over, too: its tag is asked for again under another name.
    for (name, tag) in asked {
      fixture.wait(for: "\(tag) of \(name), seed \(seed)") {
        let status = fixture.status(name)
        let failedTag = status?["drover"]?.objectValue?["failedManualTag"]?.stringValue
        return status?["lastSyncStartTime"] == nil
          && (status?["lastManualSync"] == .string(tag) || failedTag == tag)
      }
    }
    #expect(fixture.script.overlapCount == 0, "seed \(seed)")
    #expect(fixture.script.starts.allSatisfy { $0.runningCount <= 2 }, "seed \(seed)")
    for name in names where asked[name] == nil { #expect(fixture.status(name) == nil) }
  }

  private func usleepBriefly(_ milliseconds: Int) {
    SystemClock().sleep(seconds: Double(milliseconds) / 1000)
  }
}
