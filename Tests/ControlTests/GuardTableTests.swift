import Control
import Manifests
import Platform
import Testing

struct LossCase: Sendable, CustomTestStringConvertible {
  var what: String
  var before: SourceTotals
  var now: SourceTotals
  var trips: Bool

  init(_ what: String, _ before: (Int64, Int64), _ now: (Int64, Int64), trips: Bool) {
    self.what = what
    self.before = SourceTotals(fileCount: before.0, sizeBytes: before.1)
    self.now = SourceTotals(fileCount: now.0, sizeBytes: now.1)
    self.trips = trips
  }

  var testDescription: String { what }
}

/// The thresholds of the guards: what trips them, and the everyday events that must not.
@Suite("Guards: the thresholds")
struct GuardTableTests {
  private static let gib: Int64 = 1 << 30

  /// A source before and after something that happens every day somewhere.
  static let everydayCases: [LossCase] = [
    LossCase("logs are rotated: the oldest of 14 go", (420, 3 * gib), (392, 2 * gib), trips: false),
    LossCase(
      "the first rotation compresses a log of 12 GiB to 0.7", (40, 12 * gib), (41, gib * 7 / 10),
      trips: false),
    LossCase(
      "a package upgrade replaces 3000 of 90,000 files", (90_000, 6 * gib), (89_400, 6 * gib),
      trips: false),
    LossCase(
      "a distribution upgrade removes old kernels and headers", (240_000, 15 * gib),
      (171_000, 11 * gib), trips: false),
    LossCase(
      "the caches in a home directory are wiped", (58_000, 30 * gib), (31_000, 22 * gib),
      trips: false),
    LossCase(
      "a container cache is pruned", (400_000, 180 * gib), (210_000, 60 * gib), trips: false),
    LossCase("a build directory is cleaned", (9_000, 4 * gib), (4_600, gib), trips: false),
    LossCase("a small volume loses 3 of its 4 files", (4, 4096), (1, 100), trips: false),
    LossCase("99 letters of a mail queue are delivered", (99, 9_000_000), (1, 1000), trips: false),
    LossCase(
      "the larger one of two machine images goes", (2, 60 * gib), (1, 20 * gib), trips: false),
    LossCase("a database is compacted", (80, 90 * gib), (80, 30 * gib), trips: false),
    LossCase("dumps are rotated", (8, 70 * gib), (7, 61 * gib), trips: false),
    LossCase("nothing was there before", (0, 0), (10, 10), trips: false),
    LossCase("it grows", (1000, gib), (100_000, 900 * gib), trips: false),
  ]

  static let lossCases: [LossCase] = [
    LossCase("all but the mount point's own file", (500, gib), (1, 10), trips: true),
    LossCase("100 of 100, and one is new", (101, gib), (1, 0), trips: true),
    LossCase("over half of many", (10_000, gib), (4_999, gib), trips: true),
    LossCase("exactly half of many", (10_000, gib), (5_000, gib), trips: false),
    LossCase("999 of 1500", (1500, gib), (501, gib), trips: false),
    LossCase("1000 of 1500", (1500, gib), (500, gib), trips: true),
    LossCase("exactly nine of ten", (1000, gib), (100, gib), trips: false),
    LossCase(
      "contents are cut off: 96 % of 20 GiB", (9000, 20 * gib), (9000, gib / 2), trips: true),
    LossCase("96 % of 8 GiB", (9000, 8 * gib), (9000, gib / 4), trips: false),
    LossCase("everything of an enormous source", (.max, .max), (0, 0), trips: true),
  ]

  private func trips(_ given: LossCase, _ setting: GuardSetting = GuardSetting()) -> Bool {
    var sourceGuard = GuardTable.limits(setting).sourceGuard
    sourceGuard?.last = given.before
    return sourceGuard?.loss(in: given.now) != nil
  }

  @Test("Everyday events pass", arguments: everydayCases)
  func everydayEvents(_ given: LossCase) { #expect(!trips(given)) }

  @Test("Losses trip, up to their limits", arguments: lossCases)
  func losses(_ given: LossCase) { #expect(trips(given) == given.trips) }

  @Test(
    "Deletions at a destination",
    arguments: [
      // A release directory of an application is replaced by the next one.
      (planned: 900, kept: 10, trips: true), (planned: 900, kept: 101, trips: false),
      (planned: 99, kept: 0, trips: false), (planned: 100, kept: 0, trips: true),
      (planned: 1000, kept: 999, trips: true), (planned: 1000, kept: 1000, trips: false),
      (planned: 5_000, kept: 60_000, trips: false), (planned: 0, kept: 0, trips: false),
    ])
  func deletions(planned: Int64, kept: Int64, trips: Bool) {
    #expect(GuardTable.deletions.isExceeded(lost: planned, of: planned + kept) == trips)
  }

  @Test(
    "The annotation sets shares or turns guards off",
    arguments: [
      ("on", true), ("off", false), ("lost-files=80%", false), ("lost-files=70%", true),
      ("deletions=off", true), ("lost-files=off", false), ("lost-files=off,lost-bytes=60%", true),
      ("lost-files = 99% , lost-bytes=off", false),
    ])
  func settings(text: String, tripsExpected: Bool) throws {
    // Three quarters of the files and of the bytes are gone.
    let given = LossCase(
      "", (4000, 40 * GuardTableTests.gib), (1000, 10 * GuardTableTests.gib), trips: true)
    #expect(trips(given, try #require(GuardSetting(text))) == tripsExpected)
  }

  @Test(
    "What is no setting is none",
    arguments: [
      "", "true", "strict", "lost-files", "lost-files=", "lost-files=0%", "lost-files=100%",
      "lost-files=50", "files=50%", "on,off", "lost-files=50%,", "lost-files=-5%",
    ])
  func badSettings(text: String) { #expect(GuardSetting(text) == nil) }

  @Test("Every guard stands in the table once")
  func table() {
    #expect(GuardTable.rows.map(\.name) == GuardName.allCases)
  }

  @Test("A trip is a condition, and survives in the status")
  func status() throws {
    var status = ReplicationStatus()
    status.guardTrip = GuardTrip(.massDeletion, "9 of 9", since: WallTime(seconds: 60))
    status.source = SourceTotals(fileCount: 5, sizeBytes: 7)
    status.failedRuns = FailedRuns(count: 2, lastTime: WallTime(seconds: 60))
    let document = status.document
    let condition = document["conditions"]?.arrayValue?.first?.objectValue
    #expect(condition?["type"] == .string("GuardTripped"))
    #expect(condition?["reason"] == .string("MassDeletion"))
    let read = ReplicationStatus(document: document, section: nil)
    #expect(read.guardTrip == status.guardTrip)
    #expect(read.source == status.source)
    #expect(read.failedRuns == status.failedRuns)
    #expect(read.condition == nil)
  }
}
