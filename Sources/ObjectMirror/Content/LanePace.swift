import Platform

/// Whether others may wait for one destination.
///
/// A destination that does nothing while others wait for it, or works but is far behind, is left
/// behind: it is *loose* until it goes on, and for a while after, and reads for itself whatever the
/// others have passed.
final class LanePace: @unchecked Sendable {
  private static let looseSecondsMin = 5.0
  private static let looseSecondsMax = 60.0

  private let options: SharingOptions
  private let lock = Lock()
  // Guarded by `lock`.
  private var lastProgress = MonotonicTime.now()
  private var hasAnswered = false
  private var hasLeft = false
  private var busyCount = 0
  /// Nil while it is not loose; the end of time until it goes on.
  private var looseUntil: MonotonicTime?
  private var looseSeconds = LanePace.looseSecondsMin
  /// Seconds that others may still wait for it to come to a file.
  private var credit: Double
  private var creditTime = MonotonicTime.now()

  init(_ options: SharingOptions) {
    self.options = options
    credit = options.delaySecondsMax
  }

  /// The destination has done something. `answers` when that proves that it is there.
  func progress(answers: Bool = false) {
    let now = MonotonicTime.now()
    lock.withLock {
      lastProgress = now
      if answers { hasAnswered = true }
      if let end = looseUntil, end.nanoseconds == .max {
        looseUntil = now.advanced(bySeconds: looseSeconds)
        looseSeconds = min(looseSeconds * 2, LanePace.looseSecondsMax)
      }
    }
  }

  /// Runs what takes a while on this machine: nobody takes that for a stall.
  func working<Value, Failure: Error>(_ body: () throws(Failure) -> Value) throws(Failure) -> Value
  {
    lock.withLock { busyCount += 1 }
    defer {
      lock.withLock {
        busyCount -= 1
        lastProgress = MonotonicTime.now()
      }
    }
    return try body()
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
      let patience = hasAnswered ? options.patienceSeconds : options.firstPatienceSeconds
      guard busyCount == 0, now.seconds(since: max(lastProgress, start)) > patience else {
        return false
      }
      looseUntil = MonotonicTime(nanoseconds: .max)
      return true
    }
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
