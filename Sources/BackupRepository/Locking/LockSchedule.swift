package import Platform

/// How long to wait before trying again for a lock that somebody else holds (`--retry-lock`).
///
/// Source: the restic repository format, "locks".
package enum LockRetry {
  package static let firstSeconds = 5.0
  package static let maxSeconds = 60.0

  /// Seconds before the try after `tries` failed ones; nil when the limit is used up. The last wait
  /// is cut, so that there is a try at the very end.
  package static func delay(
    afterTries tries: Int, elapsedSeconds: Double, limitSeconds: Double
  ) -> Double? {
    let rest = limitSeconds - elapsedSeconds
    guard tries > 0, rest > 0 else { return nil }
    // 5, 10, 20, 40, 60, 60 …
    let doubled = firstSeconds * Double(1 << min(tries - 1, 4))
    return min(doubled, maxSeconds, rest)
  }
}

/// When the holder of a lock refreshes it, and when it has to stop working.
///
/// Source: the restic repository format, "locks": every 5 minutes; after 22.5 minutes without
/// success the lock is close to being stale for others.
package struct LockRefresh: Sendable {
  package static let everySeconds = 300.0
  /// Before the next try after a failed one.
  package static let afterFailureSeconds = 30.0
  /// 30 minutes less 7.5: until then nobody takes the lock for a stale one.
  package static let validSeconds = 1350.0

  package enum Step: Sendable, Equatable {
    case wait(seconds: Double)
    /// Write a lock with the new time, then remove the old one.
    case refresh
    /// Others may take the lock for stale: stop all writing, and refresh only if the old lock file
    /// is there before and after. When that fails, abandon the run.
    case refreshStale
  }

  private var lastSuccess: (monotonic: MonotonicTime, wall: WallTime)
  private var lastFailure: MonotonicTime?

  /// Begins when the lock was written.
  package init(monotonic: MonotonicTime, wall: WallTime) {
    lastSuccess = (monotonic, wall)
  }

  /// What is due. Of both clocks that counts by which more time has gone: the monotonic one stands
  /// still while the machine sleeps, the wall clock may be set back.
  package func step(monotonic: MonotonicTime, wall: WallTime) -> Step {
    let byMonotonic = monotonic.seconds(since: lastSuccess.monotonic)
    let (gone, overflow) = wall.seconds.subtractingReportingOverflow(lastSuccess.wall.seconds)
    let elapsed = max(byMonotonic, overflow ? 0 : Double(gone))
    if elapsed >= Self.validSeconds { return .refreshStale }
    var rest = Self.everySeconds - elapsed
    if let lastFailure {
      rest = max(rest, Self.afterFailureSeconds - monotonic.seconds(since: lastFailure))
    }
    // Never past the point at which the lock stops being valid.
    return rest <= 0 ? .refresh : .wait(seconds: min(rest, Self.validSeconds - elapsed))
  }

  package mutating func succeeded(monotonic: MonotonicTime, wall: WallTime) {
    lastSuccess = (monotonic, wall)
    lastFailure = nil
  }

  package mutating func failed(monotonic: MonotonicTime) {
    lastFailure = monotonic
  }
}
