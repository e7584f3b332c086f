import Glibc
import ObjectStorage
import Platform
import TestSupport
import Testing

@testable import BackupRepository

/// Backup, forget, prune and repair, with every single operation of the store going wrong once in
/// every way, those of the locks included: every snapshot that nobody asked to forget restores at
/// once, the lock of the dead is in nobody's way, and the next run completes.
@Suite struct FaultSweepTests {
  static let faults: [StoreFault] = [
    .fail(.failed), .loseAnswer(.failed), .tear(.failed), .killBefore, .killAfter, .killWithin,
  ]

  /// The moments that count most are all in the sample as well.
  @Test(arguments: SweepBench.Work.allCases)
  func theProcessDiesAfterEveryChange(work: SweepBench.Work) throws {
    let bench = try SweepBench(work)
    var number = 1
    while try bench.strike(
      .at(number, .killAfter), counting: [.put, .delete, .synchronize],
      "\(work): killed after change \(number)")
    {
      number += 1
    }
    // Lock, work and release.
    #expect(number > 3, "\(work) has \(number) changes")
  }

  @Test(arguments: SweepBench.Work.allCases)
  func everyOperationGoesWrong(work: SweepBench.Work) throws {
    let bench = try SweepBench(work)
    // In a sample each way starts at another operation, so that together they meet most of them.
    let step = SampledCounts.count(sampled: 37, full: 1)
    for (shift, fault) in Self.faults.enumerated() {
      var number = 1 + shift % step
      let leavesParts = fault == .tear(.failed) || fault == .killWithin
      while try bench.strike(
        .at(number, fault), leavesParts: leavesParts, "\(work): \(fault) at \(number)")
      {
        number += step
      }
      if SampledCounts.isFull { print("\(work), \(fault): \(number - 1) operations") }
      #expect(number > 8, "\(work) has \(number) operations")
    }
  }
}

/// A repository with work to be done, and copies of what its snapshots hold.
final class SweepBench {
  enum Work: CaseIterable {
    case backup, forget, forgetAndPrune, prune
    case repairIndex, repairWholeIndex, repairPacks, repairLostBlob
  }

  private let work: Work
  private let bench: ResticBench
  private let base: MemoryStore
  private let repository: Repository
  /// Whose process has ended: who is killed in a sweep.
  private let dead: LockIdentity
  /// The snapshots that have to be there, each with a copy of what it holds.
  private var kept: [(id: SnapshotID, copy: String)] = []
  /// The pack that is damaged.
  private var damaged: PackID?
  /// What check finds when the work is done.
  private var findings: [CheckFinding] = []
  private var strikeCount = 0

  init(_ work: Work) throws {
    self.work = work
    bench = try ResticBench()
    dead = try SweepBench.deadIdentity()
    try ByteFiles.makeDirectory(Array("\(bench.source)/folder".utf8))
    var random = SeededGenerator(seed: 31)
    var copies: [String] = []
    for round in 0..<4 {
      for file in 0..<8 where file % 4 >= round {
        try bench.write("folder/file-\(file)", random.bytes(30_000 + 1000 * file))
        try bench.write("text-\(file)", [UInt8](repeating: UInt8(65 + file + round), count: 9000))
      }
      try bench.restic(["backup", bench.source])
      copies.append(bench.directory.path("copy-\(round)"))
      try RsyncJudge.copy(source: bench.source, destination: copies[round])
    }
    base = try bench.memoryCopy()
    repository = try Repository.open(base, password: Array(ResticBench.password.utf8))
    let snapshots = try repository.snapshots(try repository.makeCodec()) { _, _ in }
    kept = zip(snapshots.map(\.id), copies).map { ($0, $1) }
    try prepare()
    let done = try ResticBench.copy(of: base, into: MemoryStore())
    try perform(repository.behind(done))
    findings = try check(repository.behind(done)).findings
  }

  private static func deadIdentity() throws -> LockIdentity {
    let child = try ChildProcess("sleep", ["600"])
    var identity = LockIdentity.current()
    identity.processID = UInt32(child.processID)
    identity.startTicks = ProcessState.startTicks(of: Int64(child.processID)) ?? 0
    child.kill(SIGKILL)
    _ = child.wait()
    return identity
  }

  // MARK: The work

  private func prepare() throws {
    switch work {
    case .backup:
      var random = SeededGenerator(seed: 32)
      try bench.write("new", random.bytes(3 << 20))
    case .forget: kept = kept.suffix(2)
    case .forgetAndPrune:
      try joinIndexes()
      kept = kept.suffix(2)
    case .prune:
      try joinIndexes()
      // An unreferenced pack as well.
      let stray = [UInt8](repeating: 7, count: 1000)
      try base.put(try ObjectKey("data/00/" + String(repeating: "0", count: 64)), stray)
      for snapshot in kept.dropLast(2) { try repository.remove(snapshot.id) }
      kept = kept.suffix(2)
    case .repairIndex:
      let files = try repository.list(IndexID.self)
      try change(try repository.path(files[0])) { $0[50] ^= 1 }
      try repository.remove(files[1])
    case .repairWholeIndex: break
    case .repairPacks: try damagePack { bytes, _ in bytes[bytes.count - 6] ^= 1 }
    case .repairLostBlob: try damagePack { bytes, blob in bytes[Int(blob.offset) + 20] ^= 1 }
    }
  }

  /// Puts all packs into one index file, so that what is kept stands beside what goes.
  private func joinIndexes() throws {
    var options = RepairIndexOptions()
    options.readsAllPacks = true
    _ = try RepairIndex(repository, options).run()
  }

  /// Damages the pack with the most data blobs; the change gets one of its blobs.
  private func damagePack(_ damage: (inout [UInt8], PackedBlob) -> Void) throws {
    var found: StoredPack?
    try repository.loadIndex().forEachPackWithEntries { pack, blobs in
      guard blobs.first?.blob.type == .data, blobs.count > found?.blobs.count ?? 0 else { return }
      found = StoredPack(id: pack.id, blobs: blobs)
    }
    guard let found else { throw TestFailure("no data pack") }
    damaged = found.id
    try change(try repository.path(found.id)) { damage(&$0, found.blobs[found.blobs.count / 2]) }
  }

  private func change(_ key: ObjectKey, _ body: (inout [UInt8]) -> Void) throws {
    var bytes = try base.load(key, sizeBytesMax: 1 << 30)
    body(&bytes)
    try base.put(key, bytes)
  }

  private func perform(_ repository: Repository) throws(RepositoryError) {
    switch work {
    case .backup:
      var options = BackupOptions()
      options.targets = [Array(bench.source.utf8)]
      options.packSizeBytes = 1 << 20
      _ = try Backup(repository, options).run()
    case .forget: _ = try forget(repository)
    case .forgetAndPrune: try prune(repository, ignoring: forget(repository))
    case .prune: try prune(repository, ignoring: [])
    case .repairIndex: _ = try RepairIndex(repository).run()
    case .repairWholeIndex:
      var options = RepairIndexOptions()
      options.readsAllPacks = true
      _ = try RepairIndex(repository, options).run()
    case .repairPacks, .repairLostBlob:
      // A pack that is gone from both is repaired.
      do throws(RepositoryError) {
        _ = try RepairPacks(repository, damaged.map { [$0] } ?? []).run()
      } catch {
        guard case .missing(.pack, _) = error else { throw error }
      }
    }
  }

  private func forget(_ repository: Repository) throws(RepositoryError) -> [SnapshotID] {
    var policy = RetentionPolicy()
    policy.last = .atMost(2)
    return try Forget(repository, ForgetOptions(.policy(policy, grouping: []))).run().removed
  }

  private func prune(
    _ repository: Repository, ignoring snapshots: [SnapshotID]
  ) throws(RepositoryError) {
    var options = PruneRunOptions()
    options.plan.maxUnused = .bytes(0)
    options.plan.packSizeBytes = 4 << 20
    options.ignoredSnapshots = Set(snapshots)
    _ = try Prune(repository, options).run()
  }

  // MARK: A fault

  /// Lets the work meet a fault and judges what is left; false when the work ended without it.
  func strike(
    _ plan: FaultPlan, counting: Set<StoreOperation> = Set(StoreOperation.allCases),
    leavesParts: Bool = false, _ comment: String
  ) throws -> Bool {
    strikeCount += 1
    let place = bench.directory.path("strike-\(strikeCount)")
    defer { removeTree(place) }
    // Only a directory keeps what is left of a put that ends midway.
    let copy: any ObjectStore =
      leavesParts
      ? try ResticBench.copy(of: base, into: try LocalStore.create(at: place))
      : try ResticBench.copy(of: base, into: MemoryStore())
    let store = FaultInjectingStore(copy, plan, counting: counting)
    var options = LockOptions()
    options.clock = TurnedClock()
    options.identity = dead
    do throws(RepositoryError) {
      try RepositoryLock.holding(repository.behind(store), .exclusive, options: options) {
        repository throws(RepositoryError) in try perform(repository)
      }
    } catch {
      #expect(store.hasStruck, "\(comment): \(error)")
    }
    let comment = "\(comment), \(store.calls.last { $0.fault != nil }?.description ?? "no fault")"
    let repository = repository.behind(copy)
    try expectNothingIsLost(repository, comment)
    options.identity = .current()
    try RepositoryLock.holding(repository, .exclusive, options: options) {
      repository throws(RepositoryError) in try perform(repository)
    }
    #expect(try repository.list(LockID.self).isEmpty, "\(comment)")
    try expectDone(repository, comment)
    return store.hasStruck
  }

  /// Before the work is done again.
  private func expectNothingIsLost(_ repository: Repository, _ comment: String) throws {
    let snapshots = Set(try repository.list(SnapshotID.self))
    #expect(snapshots.isSuperset(of: kept.map(\.id)), "\(comment)")
    switch work {
    case .repairIndex, .repairLostBlob:
      // They begin with something that cannot be read.
      break
    case .repairPacks: try expectRestores(repository, comment)
    case .backup, .forget, .forgetAndPrune, .prune, .repairWholeIndex:
      let report = try check(repository)
      #expect(report.isSound, "\(comment): \(report.findings)")
      try expectRestores(repository, comment)
    }
  }

  private func expectDone(_ repository: Repository, _ comment: String) throws {
    let new = Set(try repository.list(SnapshotID.self)).subtracting(kept.map(\.id))
    // A run that died at its very end has made one as well.
    #expect(work == .backup ? (1...2).contains(new.count) : new.isEmpty, "\(comment)")
    let report = try check(repository)
    // What is written twice by two runs is found by the next prune.
    let errors = report.findings.filter { $0.severity == .error }
    #expect(errors == findings.filter { $0.severity == .error }, "\(comment)")
    switch work {
    case .prune, .forgetAndPrune:
      #expect(report.hintCount == 0 && report.unusedBlobCount == 0, "\(comment): \(report)")
      try expectRestores(repository, comment)
    case .repairLostBlob: #expect(!errors.isEmpty)
    case .backup:
      try expectRestores(repository, comment)
      for id in new { try expectRestores(repository, id, from: bench.source, comment) }
    case .forget, .repairIndex, .repairWholeIndex, .repairPacks:
      try expectRestores(repository, comment)
    }
  }

  private func check(_ repository: Repository) throws -> CheckReport {
    var options = CheckOptions()
    options.reading = .all
    return try Check(repository, options).run()
  }

  private func expectRestores(_ repository: Repository, _ comment: String) throws {
    for snapshot in kept {
      try expectRestores(repository, snapshot.id, from: snapshot.copy, comment)
    }
  }

  private func expectRestores(
    _ repository: Repository, _ id: SnapshotID, from copy: String, _ comment: String
  ) throws {
    let target = bench.directory.path("restored")
    defer { removeTree(target) }
    var options = RestoreOptions(target: target)
    options.synchronizes = false
    let record = try repository.snapshot(id, try repository.makeCodec())
    try Restore(repository, record, options).run()
    let differences = try RsyncJudge.differences(
      source: copy, destination: target + bench.source)
    #expect(differences == "", "\(comment): snapshot \(id.short)")
  }
}
