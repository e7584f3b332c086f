import ObjectStorage
import Platform

/// What the listing of locks shows.
struct LockListing: Sendable {
  var locks: [FoundLock] = []
  /// Files that cannot be read, with why.
  var unreadable: [(id: LockID, storedAt: WallTime?, error: RepositoryError)] = []
}

/// Reads the locks of a repository and remembers for how long each has been seen.
final class LockReader {
  private let repository: Repository
  private let options: LockOptions
  private let ledger: LockLedger
  private let codec: RepositoryCodec
  private var firstSeen: [LockID: MonotonicTime] = [:]
  /// The store's own time of the file that we have written last, and when that was.
  private var storeNow: (stored: WallTime, monotonic: MonotonicTime)?

  init(_ repository: Repository, _ options: LockOptions) throws(RepositoryError) {
    self.repository = repository
    self.options = options
    ledger = LockLedger(directory: options.ledgerDirectory)
    codec = try repository.makeCodec()
  }

  /// Takes the store's time from a lock that was just written.
  func noteStoreTime(of id: LockID) throws(RepositoryError) {
    let path = try repository.path(id)
    let info = try repository.storing { () throws(ObjectStoreError) in
      try repository.store.stat(path)
    }
    storeNow = info.modified.map { ($0, options.clock.monotonicTime()) }
  }

  /// All locks. A file that cannot be read may not be visible yet, so it is read again some times;
  /// empty files are passed over, as restic does.
  func readAll() throws(RepositoryError) -> LockListing {
    var delays = LockRules.unreadableRetrySeconds[...]
    while true {
      let listing = try readOnce()
      guard !listing.unreadable.isEmpty, let delay = delays.popFirst() else { return listing }
      try options.sleep(seconds: delay)
    }
  }

  func readOnce() throws(RepositoryError) -> LockListing {
    var files: [(LockID, ObjectInfo)] = []
    try repository.storing { () throws(ObjectStoreError) in
      let prefix = try ObjectPrefix(RepositoryLayout.prefix(of: .lock))
      try repository.store.list(prefix) { key, info in
        if let id = RepositoryLayout.identifier(LockID.self, of: key.text), info.sizeBytes > 0 {
          files.append((id, info))
        }
      }
    }
    let now = options.clock.monotonicTime()
    var seen: [LockID: MonotonicTime] = [:]
    var listing = LockListing()
    for (id, info) in files {
      let since = firstSeen[id] ?? now
      seen[id] = since
      do throws(RepositoryError) {
        let record = try LockRecord(decoding: try repository.load(id, codec))
        listing.locks.append(
          found(id, record, info, observedSeconds: now.seconds(since: since)))
      } catch {
        switch error.kind {
        case .notFound: continue
        case .corrupt, .unsupported:
          listing.unreadable.append((id, info.modified, error.located(at: id.short)))
        default: throw error
        }
      }
    }
    firstSeen = seen
    return listing
  }

  private func found(
    _ id: LockID, _ record: LockRecord, _ info: ObjectInfo, observedSeconds: Double
  ) -> FoundLock {
    FoundLock(
      id: id, mode: record.isExclusive ? .exclusive : .shared,
      time: WallTime(
        seconds: record.time.seconds, nanoseconds: Int32(record.time.nanoseconds)),
      hostname: record.hostname, pid: Int64(record.processID), proof: record.proof,
      storedSeconds: storedSeconds(info), observedSeconds: observedSeconds,
      isInLedger: record.proof.map { ledger.contains($0.run) } ?? false)
  }

  private func storedSeconds(_ info: ObjectInfo) -> Double? {
    guard let storeNow, let modified = info.modified else { return nil }
    let sinceNote = options.clock.monotonicTime().seconds(since: storeNow.monotonic)
    let (seconds, overflow) = storeNow.stored.seconds.subtractingReportingOverflow(
      modified.seconds)
    return overflow ? 0 : Double(seconds) + sinceNote
  }
}

extension FoundLock {
  /// Who holds it, for people.
  var holder: String {
    let mode = mode == .exclusive ? "an exclusive lock" : "a lock"
    return "\(mode) of process \(pid) on \(printable(hostname.utf8.prefix(200))), taken "
      + "\(time.rfc3339) (\(id.short))"
  }
}
