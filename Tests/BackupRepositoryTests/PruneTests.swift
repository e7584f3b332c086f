import Glibc
import ObjectStorage
import Platform
import TestSupport
import Testing

@testable import BackupRepository

/// Pruning real repositories, judged by the real program.
@Suite struct PruneTests {
  private static var exact: PruneRunOptions {
    var options = PruneRunOptions()
    options.plan.maxUnused = .bytes(0)
    return options
  }

  /// Keeps the newest snapshot of all.
  private static func forget(_ repository: Repository) throws {
    var policy = RetentionPolicy()
    policy.last = .atMost(1)
    _ = try Forget(repository, ForgetOptions(.policy(policy, grouping: []))).run()
  }

  @Test(arguments: [1, 2])
  func resticFindsAPrunedRepositorySoundAndPrunesOn(version: Int) throws {
    let bench = try ResticBench(version: version)
    try bench.fill()
    let repository = try bench.open()
    let sizeBefore = try bench.totalPackBytes()
    try Self.forget(repository)
    var dry = Self.exact
    dry.isDryRun = true
    let planned = try Prune(repository, dry).run()
    #expect(try bench.totalPackBytes() == sizeBefore)
    let report = try RepositoryLock.holding(repository, .exclusive) {
      repository throws(RepositoryError) in try Prune(repository, Self.exact).run()
    }
    #expect(report.statistics == planned.statistics)
    #expect(report.newPackCount > 0 && report.removedPackCount > 0)
    #expect(try bench.totalPackBytes() < sizeBefore)
    let shown = try bench.restic(["check", "--read-data"])
    #expect(shown.contains("no errors were found"), "\(shown)")
    #expect(!shown.contains("unused"), "\(shown)")
    try bench.restic(["restore", "latest", "--target", bench.directory.path("restored")])
    try runChecked("diff", ["-r", bench.source, bench.directory.path("restored") + bench.source])
    // Nothing is left to do, for either program.
    #expect(try Prune(repository, Self.exact).run().removedPackCount == 0)
    let again = try bench.restic(["prune", "--max-unused", "0"])
    #expect(again.contains("to repack:             0 blobs"), "\(again)")

    // The reverse: what restic prunes, Drover finds sound.
    try bench.fill(seed: 9)
    try bench.restic(["forget", "--keep-last", "1", "--prune", "--max-unused", "0"])
    var options = CheckOptions()
    options.reading = .all
    let checked = try Check(repository, options).run()
    #expect(checked.isSound, "\(checked.findings)")
    #expect(checked.unusedBlobCount == 0)
  }

  @Test func compressesWhatAnUpgradeHasLeft() throws {
    let bench = try ResticBench(version: 1)
    try bench.fill()
    try bench.restic(["migrate", "upgrade_repo_v2"])
    let repository = try bench.open()
    let before = try bench.totalPackBytes()
    var options = Self.exact
    options.plan.repacksUncompressed = true
    _ = try Prune(repository, options).run()
    #expect(try bench.totalPackBytes() < before)
    var uncompressed = 0
    try repository.loadIndex().forEachEntry(.tree) { _, copy in
      if copy.plaintextLength == 0 { uncompressed += 1 }
    }
    #expect(uncompressed == 0)
    #expect(try bench.restic(["check", "--read-data"]).contains("no errors were found"))
  }

  @Test func waitsForABackupOfRestic() throws {
    let bench = try ResticBench()
    try bench.fill()
    let repository = try bench.open()
    let child = try bench.startHolding()
    var options = LockOptions()
    #expect(throws: RepositoryError.self) {
      try RepositoryLock.holding(repository, .exclusive) {
        repository throws(RepositoryError) in try Prune(repository, Self.exact).run()
      }
    }
    options.retrySeconds = 300
    options.observe = { event in
      guard case .waiting = event else { return }
      child.writeInput(Array("what a running backup has read".utf8))
      child.closeInput()
    }
    _ = try RepositoryLock.holding(repository, .exclusive, options: options) {
      repository throws(RepositoryError) in try Prune(repository, Self.exact).run()
    }
    #expect(child.wait() == 0)
    #expect(try bench.restic(["check", "--read-data"]).contains("no errors were found"))
    let dump = try bench.restic(["dump", "--path", "/stdin", "latest", "/stdin"])
    #expect(dump == "what a running backup has read")
  }

  @Test func refusesWhatItCannotKnow() throws {
    // A damaged snapshot, tree or index, a missing or shortened pack: nothing is removed.
    let damages: [(MaintainedFixture) throws -> Void] = [
      { fixture in
        let id = try #require(try fixture.repository.list(SnapshotID.self).first)
        try fixture.change(try fixture.repository.path(id)) { $0[60] ^= 1 }
      },
      { fixture in
        let id = try #require(try fixture.repository.list(IndexID.self).first)
        try fixture.change(try fixture.repository.path(id)) { $0[60] ^= 1 }
      },
      { fixture in
        let pack = try fixture.pack(.tree)
        try fixture.change(try fixture.key(pack.id)) { $0[60] ^= 1 }
      },
      { try $0.store.delete($0.key($0.pack(.data).id)) },
      { fixture in
        try fixture.change(try fixture.key(fixture.pack(.data).id)) { $0.removeLast() }
      },
      { fixture in
        let tree = #"{"nodes":[{"name":"..","type":"file","content":[]}]}"#
        try fixture.addSnapshot(tree: Array(tree.utf8))
      },
    ]
    for (number, damage) in damages.enumerated() {
      let fixture = try MaintainedFixture()
      try Self.forget(fixture.repository)
      try damage(fixture)
      let store = FaultInjectingStore(fixture.store)
      do {
        _ = try Prune(fixture.repository.behind(store), Self.exact).run()
        Issue.record("pruned in spite of damage \(number)")
      } catch {
        #expect(error.kind == .corrupt || error.kind == .notFound, "\(number): \(error)")
      }
      #expect(!store.calls.contains { $0.operation == .delete || $0.operation == .put })
    }
  }

  @Test func aDamagedBlobIsTakenFromAnotherCopyOrEndsThePrune() throws {
    let fixture = try MaintainedFixture()
    try Self.forget(fixture.repository)
    let plan = try Prune(fixture.repository, Self.exact).run()
    #expect(plan.newPackCount > 0, "the fixture has something to repack")
    let damaged = try MaintainedFixture()
    try Self.forget(damaged.repository)
    let index = try damaged.repository.loadIndex()
    var packs: [PackID] = []
    try index.forEachPack { packs.append($0.id) }
    for pack in packs { try damaged.change(try damaged.key(pack)) { $0[40] ^= 1 } }
    #expect(throws: RepositoryError.self) {
      try Prune(damaged.repository, Self.exact).run()
    }
    for pack in packs { _ = try damaged.store.stat(try damaged.key(pack)) }
  }

  @Test func packsThatAnotherToolHasMarkedStayUntilTheirTime() throws {
    let fixture = try MaintainedFixture()
    try Self.forget(fixture.repository)
    _ = try Prune(fixture.repository, Self.exact).run()
    // A pack of its own that only a mark names.
    let codec = try fixture.repository.makeCodec()
    let before = Set(try fixture.repository.list(PackID.self))
    let indexBefore = Set(try fixture.repository.list(IndexID.self))
    try fixture.addSnapshot(tree: Array("{\"nodes\":[]}\n".utf8))
    let added = try #require(
      try fixture.repository.list(PackID.self).first { !before.contains($0) })
    let indexFile = try #require(
      try fixture.repository.list(IndexID.self).first { !indexBefore.contains($0) })
    let snapshots = try fixture.repository.snapshots(codec) { _, _ in }
    try fixture.repository.remove(try #require(snapshots.first).id)
    let entries = try PackHeaderReader.read(
      fixture.repository, added, sizeBytes: fixture.store.stat(fixture.key(added)).sizeBytes,
      codec)
    let now = WallTime.now()
    var writer = IndexFileWriter()
    writer.append(marked: added, since: GoTime(seconds: now.seconds - 3600), entries)
    try fixture.repository.save(writer.finish(), as: IndexID.self, codec)
    try fixture.repository.remove(indexFile)

    #expect(try fixture.check(.all).isSound)
    #expect(try Prune(fixture.repository, Self.exact).run().removedPackCount == 0)
    _ = try fixture.store.stat(fixture.key(added))
    var later = Self.exact
    later.clock = TurnedClock(offset: 86_400)
    #expect(try Prune(fixture.repository, later).run().removedPackCount == 1)
    #expect(throws: ObjectStoreError.self) { try fixture.store.stat(fixture.key(added)) }
    #expect(try fixture.check(.all).isSound)
  }
}

extension ResticBench {
  func totalPackBytes() throws -> Int64 {
    var sum: Int64 = 0
    try open().list(PackID.self) { sum += $1 }
    return sum
  }
}
