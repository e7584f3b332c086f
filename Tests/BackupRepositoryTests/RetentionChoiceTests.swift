import Platform
import Testing

@testable import BackupRepository

@Suite struct RetentionChoiceTests {
  let snapshots: [RetentionSnapshot]

  init() throws {
    snapshots = try [
      snapshot(0x1234_5678, "2020-01-01T00:00:00Z", host: "a", tags: ["x", "y"]),
      snapshot(0x1234_9999, "2020-01-03T00:00:00Z", host: "b", paths: ["/data", "/etc"]),
      snapshot(0xabcd_0000, "2020-01-02T00:00:00Z", host: "a", tags: ["x"]),
      snapshot(0xabcd_0001, "2020-01-03T02:00:00+02:00", host: "a"),
    ]
  }

  private func numbers(_ filter: SnapshotFilter) -> [Int] {
    snapshots.indices.filter { filter.matches(snapshots[$0]) }
  }

  @Test func filtersFit() {
    #expect(numbers(SnapshotFilter()) == [0, 1, 2, 3])
    #expect(numbers(SnapshotFilter(hosts: ["a"])) == [0, 2, 3])
    #expect(numbers(SnapshotFilter(hosts: ["a", "b"])) == [0, 1, 2, 3])
    #expect(numbers(SnapshotFilter(tags: [TagList(parsing: "x,y")])) == [0])
    #expect(numbers(SnapshotFilter(tags: [TagList(parsing: "x , y"), TagList(["x"])])) == [0, 2])
    #expect(numbers(SnapshotFilter(tags: [TagList([""])])) == [1, 3])
    #expect(numbers(SnapshotFilter(paths: ["/etc"])) == [1])
    #expect(numbers(SnapshotFilter(paths: ["/etc", "/data"])) == [1])
    #expect(numbers(SnapshotFilter(hosts: ["a"], paths: ["/etc"])) == [])
  }

  private func find(_ text: String, _ filter: SnapshotFilter = SnapshotFilter()) throws -> Int? {
    let found = try SnapshotChoice.find(
      SnapshotReference(parsing: text), in: snapshots, filter: filter)
    return snapshots.firstIndex(of: found)
  }

  @Test func referencesAreFound() throws {
    #expect(try find("latest") == 3, "of one time the last in the list")
    #expect(try find("latest", SnapshotFilter(hosts: ["b"])) == 1)
    #expect(try find("latest~2") == 2)
    #expect(try find("12345") == 0)
    #expect(try find("12345", SnapshotFilter(hosts: ["b"])) == 0, "only latest is filtered")
    #expect(try find(snapshots[1].id.hex) == 1)
    #expect(try SnapshotReference(parsing: "latest:/srv/a:b").subfolder == "/srv/a:b")
    #expect(try SnapshotReference(parsing: "1234:").subfolder == nil)
  }

  @Test func referencesThatMeanNothingAreRefused() throws {
    let both = RetentionError.ambiguous(prefix: "1234", candidates: ["12345678", "12349999"])
    #expect(throws: both) { try find("1234") }
    #expect(throws: RetentionError.noSnapshot(reference: "ff")) { try find("ff") }
    for text in ["", ":x", "ABCD", "latest~x", "latest~-1", "12 34", "latestt"] {
      #expect(throws: RetentionError.self) { try find(text) }
    }
    let none = #expect(throws: RetentionError.self) { try find("latest~4") }
    #expect(none?.kind == .notFound)
  }

  private func restorePoint(
    _ filter: SnapshotFilter = SnapshotFilter(), asOf: String? = nil, previous: Int = 0
  ) throws -> UInt64 {
    try SnapshotChoice.restorePoint(
      in: snapshots, filter: filter, asOf: asOf.map(time), previous: previous
    ).id.words.3
  }

  @Test func restorePointsAreChosenByTime() throws {
    let onlyA = SnapshotFilter(hosts: ["a"])
    #expect(try restorePoint(onlyA) == 0xabcd_0001)
    #expect(try restorePoint(onlyA, asOf: "2020-01-02T23:59:59Z") == 0xabcd_0000)
    #expect(try restorePoint(onlyA, asOf: "2020-01-03T00:00:00Z") == 0xabcd_0001)
    #expect(try restorePoint(onlyA, asOf: "2020-01-03T00:00:00Z", previous: 1) == 0xabcd_0000)
    #expect(try restorePoint(onlyA, previous: -3) == 0xabcd_0001)
    #expect(try restorePoint(previous: 3) == 0x1234_5678)
  }

  @Test func aFractionOfASecondDoesNotHideASnapshot() throws {
    var late = snapshots[0]
    late.time = CivilTime(seconds: late.time.seconds, nanoseconds: 900_000_000)
    let found = try SnapshotChoice.restorePoint(
      in: [late], filter: SnapshotFilter(), asOf: time("2020-01-01T00:00:00Z"))
    #expect(found == late)
  }

  @Test func nothingToRestoreListsWhatThereIs() throws {
    let error = #expect(throws: RetentionError.self) {
      try restorePoint(SnapshotFilter(hosts: ["c"]), asOf: "2020-01-02T00:00:00+01:00")
    }
    let message = error?.message ?? ""
    #expect(message.contains("host c, not after 2020-01-02 00:00:00 +01:00"))
    #expect(message.contains("12349999 of 2020-01-03 00:00:00, host b, paths [/data, /etc]"))
    #expect(throws: RetentionError.self) { try restorePoint(previous: 4) }
  }

  @Test func parentsAreNotNewerThanTheBackup() throws {
    let filter = SnapshotFilter(hosts: ["a"], paths: ["/data"])
    let limit = try time("2020-01-02T12:00:00Z")
    let parent = SnapshotChoice.latest(in: snapshots, filter: filter, notAfter: limit)
    #expect(parent == snapshots[2])
    #expect(SnapshotChoice.latest(in: [], filter: filter) == nil)
  }
}
