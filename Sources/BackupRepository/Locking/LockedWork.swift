import ObjectStorage
import Platform

extension RepositoryLock {
  /// Runs work under a lock, which is released in any case.
  ///
  /// `body` gets the repository behind a store that changes nothing once the lock is lost; the loss
  /// is then what is thrown.
  package static func holding<Result>(
    _ repository: Repository, _ mode: LockMode, options: LockOptions = LockOptions(),
    _ body: (Repository) throws(RepositoryError) -> Result
  ) throws(RepositoryError) -> Result {
    let lock = try acquire(repository, mode, options: options)
    defer { lock.release() }
    do throws(RepositoryError) {
      let result = try body(repository.guarded(by: lock))
      return result
    } catch {
      try lock.check()
      throw error
    }
  }

  /// Removes locks that a person wants gone: stale ones, and unreadable files of that age; with
  /// `all` every one. Gives what was removed.
  package static func removeStaleLocks(
    _ repository: Repository, all: Bool, options: LockOptions = LockOptions()
  ) throws(RepositoryError) -> [LockID] {
    let listing = try LockReader(repository, options).readOnce()
    let observer = options.observer(options.identity.proof(run: ""))
    var removed = listing.locks.filter {
      all || LockRules.verdict($0, observer).isRemovedByUnlock
    }.map(\.id)
    let now = options.clock.wallTime()
    removed += listing.unreadable.filter { file in
      all || file.storedAt.map { isOld($0, at: now) } ?? false
    }.map(\.id)
    for id in removed { try repository.remove(id) }
    return removed
  }

  private static func isOld(_ time: WallTime, at now: WallTime) -> Bool {
    let (age, overflow) = now.seconds.subtractingReportingOverflow(time.seconds)
    return !overflow && Double(age) > LockRules.staleSeconds
  }
}

extension Repository {
  /// The same repository behind a store that refuses every change once the lock is lost.
  package func guarded(by lock: RepositoryLock) -> Repository {
    var options = RepositoryOptions()
    options.cacheDirectory = cacheDirectory
    options.temporaryDirectory = temporaryDirectory
    options.compression = compression
    return Repository(
      store: GuardedStore(store, lock), config: config, key: key, keyID: keyID, options: options)
  }
}

/// Lets changes pass only while a lock is held.
private final class GuardedStore: StoreWrapper, @unchecked Sendable {
  let base: any ObjectStore
  private let lock: RepositoryLock

  init(_ base: any ObjectStore, _ lock: RepositoryLock) {
    self.base = base
    self.lock = lock
  }

  func around<Value>(
    _ operation: StoreOperation, _ key: String, _ call: () throws(ObjectStoreError) -> Value
  ) throws(ObjectStoreError) -> Value {
    switch operation {
    case .put, .delete:
      do throws(RepositoryError) { try lock.check() } catch { throw .cancelled }
    case .get, .stat, .list, .synchronize: break
    }
    return try call()
  }
}
