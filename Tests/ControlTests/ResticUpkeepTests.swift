import Control
import Platform
import Testing

private let day: Int64 = 86_400
private func at(_ seconds: Int64) -> WallTime { WallTime(seconds: 1_000_000_000 + seconds) }

/// When a backup prunes and unlocks (VolSync reference 8.2).
@Suite struct ResticUpkeepTests {
  @Test(
    arguments: [
      // interval, last prune, now (both after the creation), due
      (nil, nil, 7 * day, false), (nil, nil, 7 * day + 1, true),
      (14, nil, 14 * day, false), (14, nil, 14 * day + 1, true),
      (14, 10 * day, 24 * day, false), (14, 10 * day, 24 * day + 1, true),
      (0, nil, 0, true), (0, 5, 5, true), (1, 10 * day, 3 * day, false),
      (Int64(Int32.max), nil, 400 * day, false),
    ] as [(Int64?, Int64?, Int64, Bool)])
  func pruneIsDue(interval: Int64?, pruned: Int64?, now: Int64, isDue: Bool) {
    let upkeep = ResticUpkeep(
      pruneIntervalDays: interval, unlock: nil,
      status: ResticStatus(lastPruned: pruned.map(at)), created: at(0), at: at(now))
    #expect(upkeep.prunes == isDue)
  }

  @Test(
    arguments: [
      (nil, nil, nil), ("", nil, nil), ("", "a", nil), ("a", nil, "a"), ("a", "a", nil),
      ("b", "a", "b"),
    ] as [(String?, String?, String?)])
  func unlockIsDueOncePerValue(wanted: String?, last: String?, due: String?) {
    let upkeep = ResticUpkeep(
      pruneIntervalDays: nil, unlock: wanted, status: ResticStatus(lastUnlocked: last),
      created: at(0), at: at(0))
    #expect(upkeep.unlock == due)
  }

  @Test func theStatusFollowsWhatWasDone() {
    let before = ResticStatus(lastPruned: at(1), lastUnlocked: "a")
    #expect(ResticUpkeep.carried(before, unlock: "b") == before)
    #expect(ResticUpkeep.carried(before, unlock: "").lastUnlocked == nil)
    #expect(ResticUpkeep.carried(before, unlock: nil) == ResticStatus(lastPruned: at(1)))
    let upkeep = ResticUpkeep(prunes: true, unlock: "b")
    #expect(
      upkeep.completed(before, prunedAt: at(9))
        == ResticStatus(lastPruned: at(9), lastUnlocked: "b"))
    // A prune that failed is due again.
    #expect(upkeep.completed(before, prunedAt: nil).lastPruned == at(1))
    #expect(ResticUpkeep(prunes: false).completed(before, prunedAt: nil) == before)
  }

  @Test func theFieldsAreThoseOfVolSync() throws {
    let status = ResticStatus(lastPruned: WallTime(seconds: 1_700_000_000), lastUnlocked: "now")
    #expect(
      status.fields
        == ["lastPruned": .string("2023-11-14T22:13:20Z"), "lastUnlocked": .string("now")])
    #expect(ResticStatus(fields: status.fields) == status)
    #expect(ResticStatus(fields: ["lastPruned": .string("yesterday")]) == ResticStatus())
    #expect(ResticStatus().fields.members.isEmpty)
  }
}
