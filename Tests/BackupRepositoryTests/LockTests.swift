import Glibc
import ObjectStorage
import Platform
import TestSupport
import Testing

@testable import BackupRepository

/// Taking, holding and losing locks, beside the real program.
@Suite struct LockTests {
  @Test func resticReadsOurLocksAndIsExcludedByThem() throws {
    let bench = try ResticBench()
    let repository = try bench.open()
    let shared = try RepositoryLock.acquire(repository, .shared)
    let id = shared.currentID.hex
    #expect(try bench.restic(["list", "locks", "--no-lock"]).contains(id))
    let shown = try bench.restic(["cat", "lock", id, "--no-lock"])
    #expect(shown.contains("\"pid\": \(getpid())"), "\(shown)")
    // Shared beside shared passes, exclusive does not.
    try bench.write("file", [1, 2, 3])
    try bench.restic(["backup", bench.source])
    let refused = try bench.tryRestic(["prune"])
    #expect(refused.status != 0)
    #expect(refused.errorText.contains("already locked"), "\(refused.errorText)")
    shared.release()
    try bench.restic(["prune"])

    try RepositoryLock.holding(repository, .exclusive) { _ throws(RepositoryError) in
      let backup = bench.refusal(["backup", bench.source])
      #expect(backup.contains("already locked exclusively by PID \(getpid())"), "\(backup)")
    }
    #expect(try bench.restic(["list", "locks", "--no-lock"]).isEmpty)
    try bench.restic(["backup", bench.source])
  }

  @Test func aRunningResticKeepsExclusiveWorkOut() throws {
    let bench = try ResticBench()
    let repository = try bench.open()
    let child = try bench.startHolding()
    do {
      _ = try RepositoryLock.acquire(repository, .exclusive)
      Issue.record("taken beside a backup")
    } catch {
      #expect(error.kind == .locked)
      #expect(error.message.contains("process \(child.processID)"), "\(error.message)")
    }
    // Ours waits until the other is done.
    var options = LockOptions()
    options.retrySeconds = 120
    options.observe = { event in
      guard case .waiting = event else { return }
      child.writeInput([1, 2, 3])
      child.closeInput()
    }
    let lock = try RepositoryLock.acquire(repository, .exclusive, options: options)
    lock.release()
    #expect(child.wait() == 0)
    #expect(try bench.locks().isEmpty)
  }

  @Test func locksOfKilledResticEndByUnlockAlone() throws {
    let bench = try ResticBench()
    let repository = try bench.open()
    let child = try bench.startHolding()
    child.kill(SIGKILL)
    #expect(child.wait() != nil)
    // A backup goes on beside it; what needs all for itself asks a person.
    try RepositoryLock.holding(repository, .shared) { _ throws(RepositoryError) in }
    #expect(throws: RepositoryError.self) {
      try RepositoryLock.acquire(repository, .exclusive)
    }
    #expect(try RepositoryLock.removeStaleLocks(repository, all: false).count == 1)
    try RepositoryLock.holding(repository, .exclusive) { _ throws(RepositoryError) in }
  }

  @Test func ownLocksOfTheDeadGoByThemselvesAndNoOthers() throws {
    let store = MemoryStore()
    let repository = try newRepository(store)
    let holder = try ChildProcess("sleep", ["600"])
    var options = LockOptions()
    options.clock = TurnedClock()
    let pid = UInt32(holder.processID)
    var dead = options.identity
    dead.processID = pid
    dead.startTicks = try #require(ProcessState.startTicks(of: Int64(pid)))
    let id = try repository.leaveLock(dead)
    #expect(throws: RepositoryError.self) {
      try RepositoryLock.acquire(repository, .exclusive, options: options)
    }
    #expect(try repository.list(LockID.self) == [id], "a live lock stays, ours goes")
    holder.kill(SIGKILL)
    #expect(holder.wait() != nil)
    try RepositoryLock.acquire(repository, .exclusive, options: options).release()
    #expect(try repository.list(LockID.self).isEmpty)

    // The number of a process of today in a lock of a dead one.
    var reused = options.identity
    reused.startTicks += 1
    try repository.leaveLock(reused)
    try RepositoryLock.acquire(repository, .exclusive, options: options).release()

    // Another host, another kernel, another namespace: nothing is proven.
    for change in [
      { (who: inout LockIdentity) in who.bootID = "another" },
      { who in
        who.hostname = "elsewhere"
        who.bootID = "another"
      }, { who in who.pidNamespace += 1 },
    ] {
      var other = dead
      change(&other)
      let id = try repository.leaveLock(other)
      #expect(throws: RepositoryError.self) {
        try RepositoryLock.acquire(repository, .exclusive, options: options)
      }
      #expect(try repository.list(LockID.self) == [id])
      #expect(try RepositoryLock.removeStaleLocks(repository, all: true, options: options) == [id])
    }
  }

  @Test func wrongClocksHarmNobody() throws {
    for offset in [Int64(-86_400), 86_400] {
      let store = MemoryStore()
      let repository = try newRepository(store)
      var live = LockIdentity.current()
      live.hostname = "elsewhere"
      live.bootID = ""
      let id = try repository.leaveLock(live)
      var options = LockOptions()
      options.clock = TurnedClock(offset: offset)
      #expect(throws: RepositoryError.self) {
        try RepositoryLock.acquire(repository, .exclusive, options: options)
      }
      #expect(try repository.list(LockID.self) == [id], "by a clock that is \(offset) s off")
      // Watched without a change for longer than any holder waits, it belongs to nobody.
      options.retrySeconds = 3600
      try RepositoryLock.acquire(repository, .exclusive, options: options).release()
      #expect(try repository.list(LockID.self).isEmpty)
    }
  }

  @Test func theLedgerKnowsLocksOfAnEarlierBoot() throws {
    let directory = try TemporaryDirectory()
    let repository = try newRepository(MemoryStore())
    var options = LockOptions()
    options.clock = TurnedClock()
    options.ledgerDirectory = directory.path("ledger")
    var before = options
    before.identity.bootID = "the boot before"
    let left = try RepositoryLock.acquire(repository, .exclusive, options: before)
    var other = options
    other.ledgerDirectory = directory.path("of another installation")
    #expect(throws: RepositoryError.self) {
      try RepositoryLock.acquire(repository, .exclusive, options: other)
    }
    try RepositoryLock.acquire(repository, .exclusive, options: options).release()
    #expect(throws: RepositoryError.self) { try left.refreshAfter(options.clock, seconds: 400) }
    left.release()
  }

  @Test func locksAreRefreshedAndTheirLossStopsAllChanges() throws {
    let repository = try newRepository(MemoryStore())
    let clock = TurnedClock()
    var options = LockOptions()
    options.clock = clock
    let lock = try RepositoryLock.acquire(repository, .exclusive, options: options)
    let first = lock.currentID
    try lock.refreshAfter(clock, seconds: 301)
    #expect(lock.currentID != first)
    #expect(try repository.list(LockID.self) == [lock.currentID])
    // Asleep for long: the next change brings the lock up to date before it happens.
    let second = lock.currentID
    clock.sleep(seconds: 1400)
    let guarded = repository.guarded(by: lock)
    let codec = try guarded.makeCodec()
    try guarded.save([0x7b, 0x7d], as: IndexID.self, codec)
    #expect(lock.currentID != second)
    // Somebody removes it: no change passes any more, and the reason is told.
    try repository.remove(lock.currentID)
    clock.sleep(seconds: 1400)
    #expect(throws: RepositoryError.self) { try guarded.save([0x5b], as: IndexID.self, codec) }
    #expect(try repository.list(IndexID.self).count == 1)
    do {
      try lock.check()
      Issue.record("a lost lock holds")
    } catch {
      #expect(error.message.contains("was lost: its file is gone"), "\(error.message)")
    }
    lock.release()
    lock.release()
    #expect(try repository.list(LockID.self).isEmpty)
  }

  @Test func everyFailureOnTheWayLeavesNoLockBehind() throws {
    let base = MemoryStore()
    _ = try newRepository(base)
    for number in 1... {
      let store = FaultInjectingStore(base, .at(number, .fail()))
      var options = LockOptions()
      options.clock = TurnedClock()
      do {
        let repository = try Repository.open(store, password: Array("lock".utf8))
        try RepositoryLock.holding(repository, .exclusive, options: options) {
          _ throws(RepositoryError) in
        }
      } catch {
        #expect(error.kind != .locked, "operation \(number): \(error)")
      }
      let sound = try Repository.open(base, password: Array("lock".utf8))
      let left = try sound.list(LockID.self)
      // Only the removal itself can fail to remove.
      let isRemoval = store.calls.last { $0.fault != nil }?.operation == .delete
      #expect(left.isEmpty || isRemoval, "operation \(number): \(store.calls)")
      for id in left { try sound.remove(id) }
      guard store.hasStruck else { break }
    }
  }

  @Test func emptyLockFilesAreIgnoredAndDamagedOnesTold() throws {
    let store = MemoryStore()
    let repository = try newRepository(store)
    let name = String(repeating: "0", count: 64)
    try store.put(try ObjectKey("locks/\(name)"), [])
    var options = LockOptions()
    options.clock = TurnedClock()
    try RepositoryLock.acquire(repository, .exclusive, options: options).release()
    try store.put(try ObjectKey("locks/\(name)"), [1, 2, 3])
    do {
      _ = try RepositoryLock.acquire(repository, .shared, options: options)
      Issue.record("passed over a damaged lock")
    } catch {
      #expect(error.kind == .corrupt)
      #expect(error.hint?.contains("unlock") == true)
    }
    #expect(try RepositoryLock.removeStaleLocks(repository, all: false).isEmpty, "it is young")
    #expect(try RepositoryLock.removeStaleLocks(repository, all: true).count == 1)
  }

  private func newRepository(_ store: MemoryStore) throws -> Repository {
    try Repository.create(
      store, password: Array("lock".utf8), Repository.Creation(), now: GoTime(seconds: 1))
  }
}

extension RepositoryLock {
  fileprivate func refreshAfter(_ clock: any Clock, seconds: Double) throws {
    clock.sleep(seconds: seconds)
    try refreshNow()
    try check()
  }
}

extension Repository {
  /// Stores the lock that a process with this identity would hold.
  @discardableResult
  fileprivate func leaveLock(_ who: LockIdentity) throws -> LockID {
    var record = LockRecord(
      time: GoTime(seconds: WallTime.now().seconds), isExclusive: true, hostname: who.hostname,
      username: "", processID: who.processID)
    if !who.bootID.isEmpty { record.proof = who.proof(run: String(repeating: "a", count: 32)) }
    return try save(record.encoded(), as: LockID.self, try makeCodec())
  }
}

extension ResticBench {
  func locks() throws -> [LockID] { try open().list(LockID.self) }

  /// A backup that waits for its input, with its lock in place.
  func startHolding() throws -> ChildProcess {
    let child = try start(["backup", "--stdin"])
    let end = MonotonicTime.now().advanced(bySeconds: 60)
    while try locks().isEmpty {
      guard MonotonicTime.now() < end, child.isRunning else {
        throw TestFailure("restic has taken no lock")
      }
    }
    return child
  }

  /// What the program says when it refuses.
  func refusal(_ arguments: [String]) -> String {
    do {
      let result = try tryRestic(arguments)
      return result.status == 0 ? "it did not refuse" : result.errorText
    } catch {
      return "\(error)"
    }
  }
}
