import Platform

/// Whether others may wait for one destination.
///
/// A destination that does nothing while others wait for it, or works but is far behind, is left
/// behind: it is *loose* until it goes on, and for a while after, and reads for itself whatever the
/// others have passed.
final class LanePace: @unchecked Sendable {
  private static let looseSecondsMin = 2.0
  private static let looseSecondsMax = 60.0

  /// Of the destination, also of what its connections carry.
  private let activity: Activity
  private let options: SharingOptions
  private let began = MonotonicTime.now()
  private let lock = Lock()
  // Guarded by `lock`.
  private var hasLeft = false
  /// Nil while it is not loose; the end of time until it goes on.
  private var looseUntil: MonotonicTime?
  private var looseSeconds = LanePace.looseSecondsMin
  /// Seconds that others may still wait for it to come to a file.
  private var credit: Double
  private var creditTime = MonotonicTime.now()

  init(_ options: SharingOptions, _ activity: Activity) {
    self.options = options
    self.activity = activity
    credit = options.delaySecondsMax
  }

  /// The destination has done something.
  func progress() {
    activity.note()
    let now = MonotonicTime.now()
    lock.withLock {
      if let end = looseUntil, end.nanoseconds == .max {
        looseUntil = now.advanced(bySeconds: looseSeconds)
        looseSeconds = min(looseSeconds * 2, LanePace.looseSecondsMax)
      }
    }
  }

  /// Runs what takes a while on this machine: nobody takes that for a stall.
  func working<Value, Failure: Error>(_ body: () throws(Failure) -> Value) throws(Failure) -> Value
  {
    try activity.working(body)
  }

  /// Nothing is to be expected of it any more.
  func leave() { lock.withLock { hasLeft = true } }

  func loosen() {
    lock.withLock { looseUntil = MonotonicTime(nanoseconds: .max) }
  }

  func isLoose(_ now: MonotonicTime) -> Bool { lock.withLock { isLooseNow(now) } }

  private func isLooseNow(_ now: MonotonicTime) -> Bool {
    if hasLeft { return true }
    guard let end = looseUntil else { return false }
    if end > now { return true }
    looseUntil = nil
    return false
  }

  /// Whether it is not to be waited for any longer by somebody who waits `since` then.
  func isLate(since start: MonotonicTime, now: MonotonicTime) -> Bool {
    lock.withLock {
      if isLooseNow(now) { return true }
      guard let idleSince = activity.idleSince,
        now.seconds(since: max(idleSince, start)) > patienceSeconds(now)
      else { return false }
      looseUntil = MonotonicTime(nanoseconds: .max)
      return true
    }
  }

  /// How long it may do nothing while others wait: a small part of the time that the run has taken,
  /// or the time of some answers of this destination if that is longer, within bounds.
  private func patienceSeconds(_ now: MonotonicTime) -> Double {
    let share = now.seconds(since: began) * options.patienceRatio
    let answer = activity.answerSeconds * SharingOptions.answerCount
    return min(max(share, answer, options.patienceSecondsMin), options.patienceSecondsMax)
  }

  /// Charges it with the time up to `now` that somebody has waited `since` then for it to come to
  /// a file; time that was charged already does not count again. False when it has used up what it
  /// is given.
  func charge(since start: MonotonicTime, now: MonotonicTime) -> Bool {
    lock.withLock {
      let elapsed = now.seconds(since: creditTime)
      let waited = min(elapsed, now.seconds(since: start))
      credit = min(options.delaySecondsMax, credit + elapsed * options.delayRatio - waited)
      creditTime = now
      return credit > 0
    }
  }
}
