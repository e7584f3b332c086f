import ObjectStorage
import Platform
import TestSupport
import Testing

@testable import BackupRepository

/// `repair index` on damaged repositories.
@Suite struct RepairTests {
  @Test(arguments: ["repo-v1", "repo-v2", "repo-v2-r014"])
  func makesLostIndexesAnew(name: String) throws {
    let fixture = try MaintainedFixture(name)
    let used = try fixture.check(.none).usedBlobCount
    for id in try fixture.repository.list(IndexID.self) { try fixture.repository.remove(id) }
    let report = try RepairIndex(fixture.repository).run()
    #expect(report.readPackCount >= 4 && report.unreadablePacks.isEmpty)
    let checked = try fixture.check(.all)
    #expect(checked.isSound && checked.hintCount <= 1, "\(checked.findings)")
    #expect(checked.usedBlobCount == used)
    #expect(try RepairIndex(fixture.repository).run().isUnchanged)
  }

  @Test func resticFindsARepairedRepositorySound() throws {
    let bench = try ResticBench()
    try bench.fill()
    let repository = try bench.open()
    let files = try repository.list(IndexID.self)
    try repository.remove(files[0])
    let path = "\(bench.path)/index/\(files[1].hex)"
    try ByteFiles.setMode(Array(path.utf8), 0o600)
    try ByteFiles.overwrite(Array(path.utf8), [1, 2, 3], at: 50)
    #expect(try bench.tryRestic(["check"]).status != 0)
    let report = try RepositoryLock.holding(repository, .exclusive) {
      repository throws(RepositoryError) in try RepairIndex(repository).run()
    }
    #expect(report.damagedIndexFiles == [files[1]])
    #expect(try bench.restic(["check", "--read-data"]).contains("no errors were found"))
  }

  @Test func wrongEntriesAreReadAnewAndMissingPacksDropped() throws {
    for readsAll in [false, true] {
      let fixture = try MaintainedFixture()
      try fixture.damageIndexes()
      #expect(try !fixture.check(.none).isSound)
      var options = RepairIndexOptions()
      options.readsAllPacks = readsAll
      let report = try RepairIndex(fixture.repository, options).run()
      #expect(report.damagedIndexFiles.count == 1)
      #expect(report.missingPacks == [PackID(words: (9, 9, 9, 9))])
      let checked = try fixture.check(.all)
      #expect(checked.isSound, "\(checked.findings)")
    }
  }

  @Test func packsWithoutAReadableHeaderAreToldAndNotListed() throws {
    let fixture = try MaintainedFixture()
    let pack = try fixture.pack(.data)
    try fixture.change(try fixture.key(pack.id)) { $0.removeLast(10) }
    let report = try RepairIndex(fixture.repository).run()
    #expect(report.unreadablePacks == [pack.id])
    var listed = 0
    try fixture.repository.loadIndex().forEachPack { if $0.id == pack.id { listed += 1 } }
    #expect(listed == 0)
    _ = try fixture.store.stat(fixture.key(pack.id))
  }

  @Test func whatIsReadableOfDamagedPacksIsSaved() throws {
    let base = try MaintainedFixture()
    let pack = try base.pack(.data)
    let size = Int(try base.store.stat(base.key(pack.id)).sizeBytes)
    let middle = pack.blobs[pack.blobs.count / 2]
    let last = try #require(pack.blobs.last)
    let damages: [(lost: Int, (inout [UInt8]) -> Void)] = [
      (0, { $0[size - 6] ^= 1 }), (1, { $0[Int(middle.offset) + 20] ^= 1 }),
      (1, { $0.removeLast(size - Int(last.offset) - 10) }),
    ]
    for (lost, damage) in damages {
      let fixture = try MaintainedFixture()
      try fixture.change(try fixture.key(pack.id), damage)
      #expect(try !fixture.check(.all).isSound)
      let report = try RepairPacks(fixture.repository, [pack.id]).run()
      #expect(report.lostBlobs.count == lost)
      #expect(report.savedBlobCount == pack.blobs.count - lost)
      let checked = try fixture.check(.all)
      // What is lost is told by its name; everything else is as it should be.
      let wrong = checked.findings.filter { $0.severity == .error }.map(\.place)
      #expect(wrong == report.lostBlobs.map(\.id.short))
      #expect(try !fixture.repository.list(PackID.self).contains(pack.id))
    }
    let nothing = PackID(words: (1, 1, 1, 1))
    #expect(throws: RepositoryError.self) { try RepairPacks(base.repository, [nothing]).run() }
  }
}
