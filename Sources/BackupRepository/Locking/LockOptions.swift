package import Platform

/// How a lock is waited for and held.
package struct LockOptions: Sendable {
  /// `--retry-lock`: for how long to try again while somebody else holds a lock.
  package var retrySeconds = 0.0
  /// Lets work under a shared lock begin before the second look, which changes and
  /// ``RepositoryLock/settle()`` then wait for. Without effect where locks are tried again.
  package var settlesBehind = false
  package var identity = LockIdentity.current()
  /// A directory of this machine for the ledger of own locks; nil for none.
  package var ledgerDirectory: String?
  package var clock: any Clock = SystemClock()
  /// Asked while waiting; true ends it with `RepositoryError.cancelled`.
  package var isCancelled: @Sendable () -> Bool = { false }
  package var observe: @Sendable (LockEvent) -> Void = { _ in }
  /// What is known of processes of this host; for tests.
  package var process: @Sendable (Int64) -> ProcessState = { ProcessState.of($0) }

  package init() {}

  func observer(_ proof: LockProof) -> LockObserver {
    LockObserver(
      now: clock.wallTime(), hostname: identity.hostname, proof: proof, process: process)
  }

  /// Sleeps in pieces, so that a cancellation is noticed.
  func sleep(seconds: Double) throws(RepositoryError) {
    let end = clock.monotonicTime().advanced(bySeconds: seconds)
    while true {
      if isCancelled() { throw .cancelled }
      let rest = end.seconds(since: clock.monotonicTime())
      guard rest > 0 else { return }
      clock.sleep(seconds: min(rest, 0.25))
    }
  }
}

/// What happens around a lock, for people.
package enum LockEvent: Sendable, CustomStringConvertible {
  /// Somebody holds a lock; the next try is in so many seconds.
  case waiting(holder: String, seconds: Double)
  /// A lock that belonged to nobody any more was removed.
  case removedDead(LockID, holder: String)
  case refreshFailed(RepositoryError)
  /// The own lock could not be removed at the end; others respect it until it is stale.
  case leftBehind(LockID, RepositoryError)

  package var description: String {
    switch self {
    case .waiting(let holder, let seconds):
      "locked by \(holder); next try in \(Int(seconds)) s"
    case .removedDead(_, let holder): "removed \(holder), whose holder lives no more"
    case .refreshFailed(let error): "the lock is not refreshed: \(error)"
    case .leftBehind(let id, let error): "lock \(id.short) stays: \(error)"
    }
  }
}
