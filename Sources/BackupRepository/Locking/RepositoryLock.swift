import ObjectStorage
import Platform

/// A lock that this process holds on a repository. It is refreshed by a thread of its own until it
/// is released.
///
/// Taken as restic does: look, write the own lock, wait, look again. So two that come at once may
/// both give up, but never both go on. Work that changes nothing at first may begin while it waits,
/// see ``LockOptions/settlesBehind``.
/// Source: the restic repository format, "locks".
package final class RepositoryLock: @unchecked Sendable {
  package let mode: LockMode
  private let repository: Repository
  private let options: LockOptions
  private let ledger: LockLedger
  private let run: String
  /// Held during every refresh.
  private let refreshing = Lock()
  /// Guards what stands below.
  private let lock = Lock()
  private let changed: Condition
  private var id: LockID
  private var refresh: LockRefresh
  private var lost: String?
  private var isReleased = false
  private var thread: Thread<Void>?
  /// Guards what stands below; held while the second look is waited for.
  private let settling = Lock()
  private var secondLook: Thread<RepositoryError?>?
  private var conflict: RepositoryError?

  private init(
    _ repository: Repository, _ mode: LockMode, _ options: LockOptions, run: String, id: LockID
  ) {
    self.repository = repository
    self.mode = mode
    self.options = options
    self.run = run
    self.id = id
    ledger = LockLedger(directory: options.ledgerDirectory)
    changed = Condition(lock)
    refresh = LockRefresh(
      monotonic: options.clock.monotonicTime(), wall: options.clock.wallTime())
  }

  /// The file of the lock now.
  package var currentID: LockID { lock.withLock { id } }

  // MARK: Acquiring

  /// Takes a lock; removes locks whose holders are proven dead on the way.
  /// - Throws: `RepositoryError.locked` when somebody else holds one that excludes it and the time
  ///   for trying again is over, `.corrupt` for a lock file that stays unreadable, `.cancelled`.
  package static func acquire(
    _ repository: Repository, _ mode: LockMode, options: LockOptions = LockOptions()
  ) throws(RepositoryError) -> RepositoryLock {
    let reader = try LockReader(repository, options)
    let start = options.clock.monotonicTime()
    var tries = 0
    while true {
      let holder: String
      switch try attempt(repository, mode, options, reader) {
      case .held(let held):
        held.start()
        return held
      case .blocked(let by): holder = by
      }
      tries += 1
      let elapsed = options.clock.monotonicTime().seconds(since: start)
      guard
        let delay = LockRetry.delay(
          afterTries: tries, elapsedSeconds: elapsed, limitSeconds: options.retrySeconds)
      else { throw .locked(place: repository.place, holder: holder) }
      options.observe(.waiting(holder: holder, seconds: delay))
      try options.sleep(seconds: delay)
    }
  }

  private enum Attempt {
    case held(RepositoryLock)
    case blocked(by: String)
  }

  private static func attempt(
    _ repository: Repository, _ mode: LockMode, _ options: LockOptions, _ reader: LockReader
  ) throws(RepositoryError) -> Attempt {
    let run = hex(SecureRandom.bytes(16))
    let start = options.clock.monotonicTime()
    let first = try look(repository, mode, options, reader, run, isStoreTimeKnown: false)
    if let holder = first { return .blocked(by: holder) }
    LockLedger(directory: options.ledgerDirectory).insert(run)
    let id = try write(repository, mode, options, run)
    let held = RepositoryLock(repository, mode, options, run: run, id: id)
    if options.settlesBehind, mode == .shared, options.retrySeconds == 0,
      options.clock.monotonicTime().seconds(since: start) < LockRules.settleSeconds / 2
    {
      // Whoever came after the first look sees this lock in a second look of their own: they look
      // again after twice the time that has passed. So what is read from now on is what a lock
      // protects, unless both give up.
      held.lookBehind(run)
      return .held(held)
    }
    do throws(RepositoryError) {
      try options.sleep(seconds: LockRules.settleSeconds)
      try reader.noteStoreTime(of: id)
      guard
        let holder = try look(repository, mode, options, reader, run, isStoreTimeKnown: true)
      else { return .held(held) }
      held.release()
      return .blocked(by: holder)
    } catch {
      held.release()
      throw error
    }
  }

  /// Starts the second look on a thread of its own.
  private func lookBehind(_ run: String) {
    let look = Thread<RepositoryError?>("lock") { [repository, mode, options, id = currentID] in
      do throws(RepositoryError) {
        let reader = try LockReader(repository, options)
        try options.sleep(seconds: LockRules.settleSeconds)
        try reader.noteStoreTime(of: id)
        let holder = try RepositoryLock.look(
          repository, mode, options, reader, run, isStoreTimeKnown: true)
        return holder.map { .locked(place: repository.place, holder: $0) }
      } catch {
        return error
      }
    }
    settling.withLock { secondLook = look }
  }

  /// Waits for the second look, if it is still to come.
  /// - Throws: `RepositoryError.locked` when somebody else came at the same time, and what has kept
  ///   from looking.
  package func settle() throws(RepositoryError) {
    let found = settling.withLock { () -> RepositoryError? in
      // The body throws nothing.
      if let look = secondLook, let result = try? look.join() { conflict = result }
      secondLook = nil
      return conflict
    }
    if let found { throw found }
  }

  /// Who is in the way; nil when nobody is. Removes locks of the dead.
  ///
  /// The age of a lock counts only beside that by the store's own clock, which is known after our
  /// own lock was stored: our clock alone may be wrong by hours.
  private static func look(
    _ repository: Repository, _ mode: LockMode, _ options: LockOptions, _ reader: LockReader,
    _ run: String, isStoreTimeKnown: Bool
  ) throws(RepositoryError) -> String? {
    let listing = try reader.readAll()
    if let unreadable = listing.unreadable.first { throw unreadable.error }
    let observer = options.observer(options.identity.proof(run: run))
    var locks = listing.locks
    if isStoreTimeKnown {
      for index in locks.indices where locks[index].storedSeconds == nil {
        locks[index].storedSeconds = 0
      }
    }
    for lock in locks {
      let verdict = LockRules.verdict(lock, observer)
      guard verdict == .dead || (isStoreTimeKnown && verdict == .abandoned) else { continue }
      try repository.remove(lock.id)
      if let run = lock.proof?.run { LockLedger(directory: options.ledgerDirectory).remove(run) }
      options.observe(.removedDead(lock.id, holder: lock.holder))
    }
    switch LockRules.decide(mode, locks, observer) {
    case .acquire: return nil
    case .blocked(let by, _): return by.first?.holder ?? "another program"
    }
  }

  private static func write(
    _ repository: Repository, _ mode: LockMode, _ options: LockOptions, _ run: String
  ) throws(RepositoryError) -> LockID {
    let who = options.identity
    var record = LockRecord(
      time: .now(options.clock),
      isExclusive: mode == .exclusive, hostname: who.hostname, username: who.username,
      processID: who.processID)
    record.userID = who.userID
    record.groupID = who.groupID
    record.proof = who.proof(run: run)
    return try repository.save(record.encoded(), as: LockID.self, try repository.makeCodec())
  }

  // MARK: Holding

  /// Throws when the lock was lost: whatever the work does from then on could harm what others do.
  ///
  /// Blocks while the lock is so old that others may take it for stale, until it is fresh again.
  /// - Throws: `RepositoryError.refused`.
  package func check() throws(RepositoryError) {
    try settle()
    let isStale = try state() == .refreshStale
    if isStale { try refreshNow() }
  }

  private func state() throws(RepositoryError) -> LockRefresh.Step {
    let now = (options.clock.monotonicTime(), options.clock.wallTime())
    return try lock.withLock { () throws(RepositoryError) in
      if let lost { throw RepositoryLock.lostError(lost, repository) }
      if isReleased { throw RepositoryLock.lostError("it was released", repository) }
      return refresh.step(monotonic: now.0, wall: now.1)
    }
  }

  private static func lostError(_ reason: String, _ repository: Repository) -> RepositoryError {
    .refused(
      reason: "the lock on the repository at \(repository.place) was lost: \(reason)",
      hint: "Nothing was harmed; see who removes locks (`unlock --remove-all`?), then run again.")
  }

  /// Refreshes the lock if that is due: the body of the thread, and of ``check()`` when it is late.
  func refreshNow() throws(RepositoryError) {
    refreshing.lock()
    defer { refreshing.unlock() }
    let step = try state()
    if case .wait = step { return }
    let old = currentID
    do throws(RepositoryError) {
      try requirePresent(old)
      let new = try RepositoryLock.write(repository, mode, options, run)
      if step == .refreshStale {
        do throws(RepositoryError) { try requirePresent(old) } catch {
          try repository.remove(new)
          throw error
        }
      }
      let now = (options.clock.monotonicTime(), options.clock.wallTime())
      lock.withLock {
        id = new
        refresh.succeeded(monotonic: now.0, wall: now.1)
      }
    } catch {
      options.observe(.refreshFailed(error))
      let now = options.clock.monotonicTime()
      try lock.withLock { () throws(RepositoryError) in
        refresh.failed(monotonic: now)
        if error.kind == .notFound { lost = "its file is gone" }
        if step == .refreshStale { lost = lost ?? "it could not be refreshed in time" }
        if let lost { throw RepositoryLock.lostError(lost, repository) }
      }
      return
    }
    removeFile(old)
  }

  private func requirePresent(_ id: LockID) throws(RepositoryError) {
    let path = try repository.path(id)
    do throws(ObjectStoreError) { _ = try repository.store.stat(path) } catch {
      if error.kind == .notFound { throw .missing(.lock, place: id.short) }
      throw .store(error)
    }
  }

  private func start() {
    let thread = Thread("lock refresh") { [self] in
      while let seconds = secondsToNextStep() {
        lock.withLock {
          let end = MonotonicTime.now().advanced(bySeconds: min(seconds, 60))
          while !isReleased, changed.wait(until: end) {}
        }
        // What it throws is kept in `lost` and thrown by `check()`.
        if secondsToNextStep() == 0 { _ = try? refreshNow() }
      }
    }
    lock.withLock { self.thread = thread }
  }

  /// nil when there is nothing to hold any more.
  private func secondsToNextStep() -> Double? {
    // A lock that is lost or released throws; the thread then ends.
    guard let step = try? state() else { return nil }
    if case .wait(let seconds) = step { return max(seconds, 0.01) }
    return 0
  }

  // MARK: Releasing

  /// Removes the lock and ends its thread; does nothing when that was done before. A lock that
  /// cannot be removed is told as ``LockEvent/leftBehind(_:_:)``: the work it was for is done.
  package func release() {
    // What it found has been thrown, or concerns nobody any more.
    _ = try? settle()
    let thread = lock.withLock { () -> Thread<Void>? in
      guard !isReleased else { return nil }
      isReleased = true
      changed.broadcast()
      defer { self.thread = nil }
      return self.thread
    }
    // The body throws nothing.
    if let thread { _ = try? thread.join() }
    refreshing.lock()
    defer { refreshing.unlock() }
    if removeFile(currentID) { ledger.remove(run) }
  }

  @discardableResult
  private func removeFile(_ id: LockID) -> Bool {
    do throws(RepositoryError) {
      try repository.remove(id)
      return true
    } catch {
      options.observe(.leftBehind(id, error))
      return false
    }
  }
}
