import ObjectStorage
import Platform
import TestSupport
import Testing

@testable import BackupRepository

/// Work under a shared lock that begins before the second look.
@Suite struct LockSettlingTests {
  /// A clock that stands; who sleeps by it waits until the gate is opened.
  private final class GateClock: Clock, @unchecked Sendable {
    private let lock = Lock()
    private let changed: Condition
    private var isOpen = false
    private var reads = 0
    private var sleeps = 0
    private let secondsPerRead: Double

    init(secondsPerRead: Double = 0, isOpen: Bool = false) {
      self.secondsPerRead = secondsPerRead
      self.isOpen = isOpen
      changed = Condition(lock)
    }

    var sleepCount: Int { lock.withLock { sleeps } }

    func open() {
      lock.withLock {
        isOpen = true
        changed.broadcast()
      }
    }

    /// Returns when somebody waits at the gate.
    func waitForSleeper() {
      lock.lock()
      defer { lock.unlock() }
      while sleeps == 0 { changed.wait() }
    }

    func wallTime() -> WallTime { .now() }

    func monotonicTime() -> MonotonicTime {
      lock.withLock {
        reads += 1
        let slept = isOpen ? Double(sleeps) : 0
        return MonotonicTime(nanoseconds: 1)
          .advanced(bySeconds: Double(reads) * secondsPerRead + slept)
      }
    }

    func sleep(seconds: Double) {
      lock.lock()
      defer { lock.unlock() }
      sleeps += 1
      changed.broadcast()
      while !isOpen { changed.wait() }
    }
  }

  private func options(_ clock: GateClock) -> LockOptions {
    var options = LockOptions()
    options.clock = clock
    options.settlesBehind = true
    return options
  }

  private func newRepository(_ store: MemoryStore) throws -> Repository {
    try Repository.create(
      store, password: Array("lock".utf8), Repository.Creation(), now: GoTime(seconds: 1))
  }

  /// Another host's exclusive lock, which nothing proves dead.
  private func leaveForeignLock(_ repository: Repository) throws -> LockID {
    let record = LockRecord(
      time: GoTime(seconds: WallTime.now().seconds), isExclusive: true, hostname: "elsewhere",
      username: "", processID: 1)
    return try repository.save(record.encoded(), as: LockID.self, try repository.makeCodec())
  }

  @Test func readingGoesOnAndChangesWait() throws {
    let store = MemoryStore()
    let repository = try newRepository(store)
    let clock = GateClock()
    let lock = try RepositoryLock.acquire(repository, .shared, options: options(clock))
    #expect(try repository.list(LockID.self) == [lock.currentID])
    let guarded = repository.guarded(by: lock)
    #expect(try guarded.list(SnapshotID.self).isEmpty)
    let change = Thread("change") {
      let codec = try guarded.makeCodec()
      return try guarded.save([1], as: LockID.self, codec)
    }
    clock.waitForSleeper()
    #expect(try repository.list(LockID.self) == [lock.currentID], "changed before the second look")
    clock.open()
    let saved = try change.join()
    #expect(Set(try repository.list(LockID.self)) == [lock.currentID, saved])
    try lock.settle()
    lock.release()
    #expect(try repository.list(LockID.self) == [saved])
  }

  @Test func whoComesAtTheSameTimeEndsIt() throws {
    let store = MemoryStore()
    let repository = try newRepository(store)
    let clock = GateClock()
    let lock = try RepositoryLock.acquire(repository, .shared, options: options(clock))
    let other = try leaveForeignLock(repository)
    clock.open()
    let guarded = repository.guarded(by: lock)
    #expect(throws: RepositoryError.self) {
      try guarded.save([1], as: LockID.self, try guarded.makeCodec())
    }
    for step in [lock.settle, lock.check] {
      do {
        try step()
        Issue.record("held beside an exclusive lock")
      } catch {
        #expect(error.kind == .locked, "\(error)")
      }
    }
    lock.release()
    #expect(try repository.list(LockID.self) == [other])
  }

  /// A first look that took long may have missed somebody who has looked for the second time since.
  @Test func aSlowFirstLookIsFollowedByTheSecondAtOnce() throws {
    let repository = try newRepository(MemoryStore())
    let clock = GateClock(secondsPerRead: 0.15, isOpen: true)
    let lock = try RepositoryLock.acquire(repository, .shared, options: options(clock))
    #expect(clock.sleepCount > 0)
    lock.release()
    #expect(try repository.list(LockID.self).isEmpty)
  }

  @Test func exclusiveLocksAndThoseTriedAgainSettleAtOnce() throws {
    let repository = try newRepository(MemoryStore())
    for (mode, seconds) in [(LockMode.exclusive, 0.0), (.shared, 60)] {
      let clock = GateClock(isOpen: true)
      var options = options(clock)
      options.retrySeconds = seconds
      let lock = try RepositoryLock.acquire(repository, mode, options: options)
      #expect(clock.sleepCount > 0)
      lock.release()
    }
  }
}
