import ObjectStorage
import Platform
import TestSupport
import Testing

@testable import BackupRepository

/// Forgetting snapshots of real repositories.
@Suite struct ForgetTests {
  private static func last(_ count: Int) -> RetentionPolicy {
    var policy = RetentionPolicy()
    policy.last = .atMost(count)
    return policy
  }

  @Test func removesWhatResticWouldRemove() throws {
    let bench = try ResticBench()
    for (host, tag) in [("a", "x"), ("a", "y"), ("b", "x"), ("b", "x"), ("b", "z")] {
      try bench.write("file", Array("\(host)\(tag)".utf8))
      try bench.restic(["backup", "--host", host, "--tag", tag, bench.source])
    }
    let shown = try bench.restic(["forget", "--dry-run", "--json", "--keep-last", "1"])
    let groups = try JSONValue(parsing: Array(shown.utf8)).arrayValue ?? []
    let expected = groups.flatMap { $0.objectValue?["remove"]?.arrayValue ?? [] }
      .compactMap { $0.objectValue?["id"]?.stringValue }.sorted()
    #expect(expected.count == 3)

    let repository = try bench.open()
    var options = ForgetOptions(.policy(Self.last(1)))
    options.isDryRun = true
    #expect(try Forget(repository, options).run().removed.map(\.hex).sorted() == expected)
    #expect(try repository.list(SnapshotID.self).count == 5)

    options.isDryRun = false
    options.filter = SnapshotFilter(hosts: ["b"], tags: [TagList(["x"])])
    let report = try Forget(repository, options).run()
    #expect(report.removed.count == 1 && expected.contains(report.removed[0].hex))
    options.filter = SnapshotFilter()
    _ = try Forget(repository, options).run()
    #expect(try repository.list(SnapshotID.self).count == 2)
    #expect(try bench.restic(["snapshots", "--json"]).contains("\"hostname\":\"a\""))
    try bench.restic(["check"])
  }

  @Test func theLastSnapshotGoesOnlyWhenItIsNamed() throws {
    let fixture = try MaintainedFixture()
    let all = try fixture.repository.list(SnapshotID.self)
    var policy = RetentionPolicy()
    policy.tags = [TagList(["no such tag"])]
    do {
      _ = try Forget(fixture.repository, ForgetOptions(.policy(policy))).run()
      Issue.record("removed everything")
    } catch {
      #expect(error.kind == .refused)
    }
    let empty = ForgetOptions(.policy(RetentionPolicy()))
    #expect(try Forget(fixture.repository, empty).run().removed.isEmpty)
    var removing = ForgetOptions(
      .policy(RetentionPolicy(), emptyPolicy: .removeEverything))
    #expect(throws: RepositoryError.self) { try Forget(fixture.repository, removing).run() }
    #expect(try fixture.repository.list(SnapshotID.self) == all)
    removing.filter = SnapshotFilter(hosts: ["nobody"])
    #expect(try Forget(fixture.repository, removing).run().removed.isEmpty)
    #expect(throws: RepositoryError.self) {
      try Forget(
        fixture.repository,
        ForgetOptions(.named([all[0], SnapshotID(words: (1, 2, 3, 4))]))
      ).run()
    }
    #expect(try fixture.repository.list(SnapshotID.self) == all, "one name is wrong: nothing goes")
    let report = try Forget(fixture.repository, ForgetOptions(.named(all + all))).run()
    #expect(report.removed == all)
    #expect(try fixture.repository.list(SnapshotID.self).isEmpty)
  }

  @Test func damagedSnapshotsAreToldAndLeftAlone() throws {
    let fixture = try MaintainedFixture()
    let all = try fixture.repository.list(SnapshotID.self)
    try fixture.change(try fixture.repository.path(all[0])) { $0[50] ^= 1 }
    let options = ForgetOptions(.policy(Self.last(1), grouping: []))
    let report = try Forget(fixture.repository, options).run()
    #expect(report.damaged.map(\.id) == [all[0]])
    #expect(report.removed.count == all.count - 2)
    #expect(try fixture.repository.list(SnapshotID.self).contains(all[0]))
    #expect(
      try Forget(fixture.repository, ForgetOptions(.named([all[0]]))).run().removed == [all[0]])
  }

  @Test func snapshotsThatTheCallerHasReadAreNotReadAgain() throws {
    let fixture = try MaintainedFixture()
    let all = try fixture.repository.snapshots(try fixture.repository.makeCodec()) { _, _ in }
    let store = FaultInjectingStore(fixture.store)
    let options = ForgetOptions(.policy(Self.last(1), grouping: []))
    let report = try Forget(fixture.repository.behind(store), options, snapshots: all).run()
    #expect(Set(report.removed) == Set(all.dropLast().map(\.id)))
    #expect(Set(store.calls.map(\.operation)) == [.delete, .synchronize])
  }

  @Test func interruptedAtEveryOperationItRemovesNothingElse() throws {
    for number in 1... {
      let fixture = try MaintainedFixture()
      let codec = try fixture.repository.makeCodec()
      let newest = try #require(try fixture.repository.snapshots(codec) { _, _ in }.last)
      let store = FaultInjectingStore(fixture.store, .at(number, .killAfter))
      let options = ForgetOptions(.policy(Self.last(1), grouping: []))
      do { _ = try Forget(fixture.repository.behind(store), options).run() } catch {
        #expect(store.isKilled)
      }
      #expect(try fixture.check(.none).isSound)
      #expect(try fixture.repository.list(SnapshotID.self).contains(newest.id))
      _ = try Forget(fixture.repository, options).run()
      #expect(try fixture.repository.list(SnapshotID.self) == [newest.id])
      guard store.hasStruck else { return }
    }
  }
}
