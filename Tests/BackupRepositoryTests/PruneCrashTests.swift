import ObjectStorage
import Platform
import TestSupport
import Testing

@testable import BackupRepository

/// Prune and `repair index`, interrupted at every operation of the store: nothing is ever lost, and
/// the next run completes the work.
@Suite struct PruneCrashTests {
  private static func prune(_ repository: Repository) throws(RepositoryError) {
    var options = PruneRunOptions()
    options.plan.maxUnused = .bytes(0)
    options.plan.packSizeBytes = 4 << 20
    _ = try Prune(repository, options).run()
  }

  /// Two index files and more packs than one, of which a part is not used any more.
  private static func makeBase() throws -> (store: MemoryStore, repository: Repository) {
    let bench = try ResticBench()
    try bench.fill(files: 4, rounds: 2)
    let store = try bench.memoryCopy()
    // An unreferenced pack as well.
    let stray = [UInt8](repeating: 7, count: 1000)
    try store.put(try ObjectKey("data/00/" + String(repeating: "0", count: 64)), stray)
    let repository = try Repository.open(store, password: Array(ResticBench.password.utf8))
    let snapshots = try repository.snapshots(try repository.makeCodec()) { _, _ in }
    try repository.remove(snapshots[0].id)
    return (store, repository)
  }

  private static func expectSound(
    _ repository: Repository, blobs: Int, _ comment: String
  ) throws {
    var options = CheckOptions()
    options.reading = .all
    let report = try Check(repository, options).run()
    #expect(report.isSound, "\(comment): \(report.findings)")
    #expect(report.snapshotCount == 1 && report.usedBlobCount == blobs, "\(comment)")
  }

  private func sweep(
    _ fault: StoreFault, counting: Set<StoreOperation>, local: Bool = false
  ) throws {
    let base = try Self.makeBase()
    let used = try Check(base.repository).run().usedBlobCount
    let strange = local ? try TemporaryDirectory() : nil
    for number in 1...500 {
      let copy: any ObjectStore
      if let strange {
        let target = try LocalStore.create(at: strange.path("\(number)"))
        copy = try ResticBench.copy(of: base.store, into: target)
      } else {
        copy = try ResticBench.copy(of: base.store, into: MemoryStore())
      }
      let store = FaultInjectingStore(copy, .at(number, fault), counting: counting)
      do throws(RepositoryError) { try Self.prune(base.repository.behind(store)) } catch {
        #expect(store.hasStruck, "\(error)")
      }
      let name = "\(fault) at \(number): \(store.calls.last?.description ?? "")"
      try Self.expectSound(base.repository.behind(copy), blobs: used, name)
      try Self.prune(base.repository.behind(copy))
      try Self.expectSound(base.repository.behind(copy), blobs: used, "again after \(name)")
      let report = try Check(base.repository.behind(copy)).run()
      #expect(report.unusedBlobCount == 0 && report.hintCount == 0, "\(report.findings)")
      guard store.hasStruck else {
        #expect(number > 5, "the sweep has met \(number) operations")
        return
      }
    }
    Issue.record("more than 500 operations")
  }

  @Test func everyOperationFails() throws {
    try sweep(.fail(), counting: Set(StoreOperation.allCases))
  }

  @Test(arguments: [StoreFault.killBefore, .killAfter, .loseAnswer()])
  func theProcessDiesAtEveryChange(fault: StoreFault) throws {
    try sweep(fault, counting: [.put, .delete, .synchronize])
  }

  @Test func theProcessDiesWithinEveryChangeOfADirectory() throws {
    try sweep(.killWithin, counting: [.put, .delete, .synchronize], local: true)
  }

  @Test(arguments: [StoreFault.killBefore, .killAfter])
  func repairIndexDiesAtEveryChange(fault: StoreFault) throws {
    for number in 1...200 {
      let fixture = try MaintainedFixture()
      try fixture.damageIndexes()
      let store = FaultInjectingStore(
        fixture.store, .at(number, fault), counting: [.put, .delete, .synchronize])
      do throws(RepositoryError) {
        _ = try RepairIndex(fixture.repository.behind(store)).run()
      } catch {
        #expect(store.isKilled, "\(error)")
      }
      _ = try RepairIndex(fixture.repository).run()
      let report = try fixture.check(.all)
      #expect(report.isSound, "\(number): \(report.findings)")
      guard store.hasStruck else { return }
    }
    Issue.record("more than 200 operations")
  }
}

extension MaintainedFixture {
  /// One index file damaged, one that places blobs wrongly, one pack in none.
  func damageIndexes() throws {
    let codec = try repository.makeCodec()
    let data = try pack(.data)
    let tree = try pack(.tree)
    let files = try repository.list(IndexID.self)
    try change(try repository.path(files[0])) { $0[70] ^= 1 }
    for id in files.dropFirst() { try repository.remove(id) }
    try repository.saveIndex(
      [StoredPack(id: data.id, blobs: Array(data.blobs.dropFirst())), tree], codec)
    let gone = StoredPack(id: PackID(words: (9, 9, 9, 9)), blobs: data.blobs)
    try repository.saveIndex([gone], codec)
  }
}
