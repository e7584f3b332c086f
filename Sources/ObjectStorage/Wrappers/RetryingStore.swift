package import Platform

/// When and how often a call is made again.
package struct RetryPolicy: Sendable {
  package var attemptsMax: Int
  package var delaySecondsFirst: Double
  package var delaySecondsMax: Double
  /// No attempt starts later than this after the first one.
  package var elapsedSecondsMax: Double

  /// The default doubles from half a second to half a minute, within a quarter of an hour: long
  /// enough for a store's restart, the time that restic allows as well.
  package init(
    attemptsMax: Int = 40, delaySecondsFirst: Double = 0.5, delaySecondsMax: Double = 30,
    elapsedSecondsMax: Double = 900
  ) {
    precondition(attemptsMax > 0)
    self.attemptsMax = attemptsMax
    self.delaySecondsFirst = delaySecondsFirst
    self.delaySecondsMax = delaySecondsMax
    self.elapsedSecondsMax = elapsedSecondsMax
  }

  /// The wait after a failed attempt (the first is 1): half of it is jitter, so that the callers
  /// that one outage stopped do not come back as one.
  package func delaySeconds(afterAttempt attempt: Int, random: UInt64) -> Double {
    var delay = delaySecondsFirst
    var doublings = attempt - 1
    while doublings > 0, delay > 0, delay < delaySecondsMax {
      delay *= 2
      doublings -= 1
    }
    let part = Double(random >> 11) / Double(UInt64(1) << 53)
    return min(delay, delaySecondsMax) * (0.5 + part / 2)
  }
}

/// One attempt that failed and is made again.
package struct RetryNotice: Sendable {
  package var operation: StoreOperation
  package var key: String
  package var attempt: Int
  package var delaySeconds: Double
  package var error: ObjectStoreError
}

/// Makes calls again that failed with kind `unreachable`, and no others.
///
/// A put is repeated from the start of its body. A listing goes on behind the last key that was
/// visited, so that nothing is visited twice.
package final class RetryingStore: StoreWrapper {
  /// How long a sleeping caller may take to notice its cancellation.
  private static let sleepSecondsMax = 0.25

  package let base: any ObjectStore
  private let policy: RetryPolicy
  private let clock: any Clock
  private let random: @Sendable () -> UInt64
  private let isCancelled: @Sendable () -> Bool
  private let observe: @Sendable (RetryNotice) -> Void

  /// `isCancelled` is asked before and during each wait; true ends the call. `observe` is told, on
  /// the caller's thread, of every failed attempt that another follows.
  package init(
    _ base: any ObjectStore, policy: RetryPolicy = RetryPolicy(),
    clock: any Clock = SystemClock(),
    random: @escaping @Sendable () -> UInt64 = { SecureRandom.integer() },
    isCancelled: @escaping @Sendable () -> Bool = { false },
    observe: @escaping @Sendable (RetryNotice) -> Void = { _ in }
  ) {
    self.base = base
    self.policy = policy
    self.clock = clock
    self.random = random
    self.isCancelled = isCancelled
    self.observe = observe
  }

  package func around<Value>(
    _ operation: StoreOperation, _ key: String, _ call: () throws(ObjectStoreError) -> Value
  ) throws(ObjectStoreError) -> Value {
    let start = clock.monotonicTime()
    var attempt = 1
    while true {
      let failure: ObjectStoreError
      do throws(ObjectStoreError) {
        return try call()
      } catch {
        failure = error
      }
      try wait(after: failure, attempt, since: start, operation, key)
      attempt += 1
    }
  }

  package func list(
    _ prefix: ObjectPrefix, after: ObjectKey?,
    visit: (ObjectKey, ObjectInfo) throws(ObjectStoreError) -> Void
  ) throws(ObjectStoreError) {
    var last = after
    var visitorFailure: ObjectStoreError?
    try around(.list, prefix.text) { () throws(ObjectStoreError) in
      do throws(ObjectStoreError) {
        try base.list(prefix, after: last) { (key, info) throws(ObjectStoreError) in
          do throws(ObjectStoreError) {
            try visit(key, info)
          } catch {
            visitorFailure = error
            throw error
          }
          last = key
        }
      } catch {
        // The visitor's own failures are not the store's: they end the attempts.
        if visitorFailure == nil { throw error }
      }
    }
    if let visitorFailure { throw visitorFailure }
  }

  /// Waits before the next attempt, or throws when there is none.
  private func wait(
    after failure: ObjectStoreError, _ attempt: Int, since start: MonotonicTime,
    _ operation: StoreOperation, _ key: String
  ) throws(ObjectStoreError) {
    guard failure.kind == .unreachable else { throw failure }
    let delay = policy.delaySeconds(afterAttempt: attempt, random: random())
    let now = clock.monotonicTime()
    guard attempt < policy.attemptsMax,
      now.seconds(since: start) + delay <= policy.elapsedSecondsMax
    else { throw .exhausted(attempts: attempt, last: failure) }
    let notice = RetryNotice(
      operation: operation, key: key, attempt: attempt, delaySeconds: delay, error: failure)
    observe(notice)
    let end = now.advanced(bySeconds: delay)
    while true {
      if isCancelled() { throw .cancelled }
      let rest = end.seconds(since: clock.monotonicTime())
      guard rest > 0 else { return }
      clock.sleep(seconds: min(rest, RetryingStore.sleepSecondsMax))
    }
  }
}
