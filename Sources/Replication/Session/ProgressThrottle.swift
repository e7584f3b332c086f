import Platform

/// Decides when a session tells its progress: at most once in each interval. Guarded by the lock of
/// its owner.
struct ProgressThrottle {
  /// Fast enough for an eye, rare enough to cost nothing.
  static let intervalSeconds = 0.1

  private var last: MonotonicTime

  init(now: MonotonicTime = .now()) { last = now }

  /// Whether it is time to tell; the next interval then begins.
  mutating func isDue(now: MonotonicTime = .now()) -> Bool {
    guard now.seconds(since: last) >= ProgressThrottle.intervalSeconds else { return false }
    last = now
    return true
  }
}
