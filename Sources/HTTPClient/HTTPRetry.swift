package import Platform

/// What an answer or a failure means for another attempt.
package enum HTTPRetryVerdict: Sendable, Equatable {
  /// The same request may succeed later.
  case again
  /// The server asks for fewer requests.
  case slower
  /// It will not succeed.
  case never

  /// The verdict on a status alone; services tell more in their bodies.
  package init(status: Int) {
    switch status {
    case 429, 503: self = .slower
    case 408, 500, 502, 504: self = .again
    default: self = .never
    }
  }

  package init(_ error: HTTPError) {
    self = error.kind == .unreachable ? .again : .never
  }
}

/// When and how often a request is made again: exponential back-off with full jitter.
package struct HTTPRetryPolicy: Sendable, Equatable {
  package var attemptsMax: Int
  package var delaySecondsBase: Double
  package var delaySecondsMax: Double
  /// The longest wait that a server may ask for with Retry-After.
  package var askedSecondsMax: Double

  /// The default gives up after about half a minute of failures.
  package init(
    attemptsMax: Int = 12, delaySecondsBase: Double = 0.1, delaySecondsMax: Double = 20,
    askedSecondsMax: Double = 120
  ) {
    precondition(attemptsMax > 0)
    self.attemptsMax = attemptsMax
    self.delaySecondsBase = delaySecondsBase
    self.delaySecondsMax = delaySecondsMax
    self.askedSecondsMax = askedSecondsMax
  }

  /// The wait behind a failed attempt (the first is 1): anything from nothing to the doubled base,
  /// so that callers who failed together do not come back together; at least what the server asked.
  package func delaySeconds(
    afterAttempt attempt: Int, random: UInt64, askedSeconds: Double? = nil
  ) -> Double {
    var ceiling = delaySecondsBase
    var doublings = attempt - 1
    while doublings > 0, ceiling > 0, ceiling < delaySecondsMax {
      ceiling *= 2
      doublings -= 1
    }
    let part = Double(random >> 11) / Double(UInt64(1) << 53)
    let own = min(ceiling, delaySecondsMax) * part
    // What comes on top of the server's time is jitter again.
    guard let askedSeconds else { return own }
    return min(max(askedSeconds, 0), askedSecondsMax) + own
  }

  /// Seconds that a Retry-After asks for: a number, or a time from `now` on.
  /// Source: RFC 9110, 10.2.3.
  package static func askedSeconds(_ head: HTTPResponseHead, now: WallTime) -> Double? {
    guard let text = head.fields["retry-after"] else { return nil }
    if let seconds = Int64(text) { return Double(max(0, seconds)) }
    return HTTPDate.time(of: text).map { Double(max(0, $0.seconds - now.seconds)) }
  }
}

/// How many failures one destination may still have, shared by all the threads that work on it.
///
/// Each further attempt takes a token; a success gives one back, and time gives them back slowly.
/// A destination that is down stops everybody soon, instead of everybody's last attempt.
package final class HTTPRetryBudget: @unchecked Sendable {
  package let tokensMax: Int
  private let tokensPerSecond: Double
  private let clock: any Clock
  private let lock = Lock()
  private var tokens: Double
  private var last: MonotonicTime

  package init(
    tokensMax: Int = 200, tokensPerSecond: Double = 0.5, clock: any Clock = SystemClock()
  ) {
    precondition(tokensMax > 0)
    self.tokensMax = tokensMax
    self.tokensPerSecond = tokensPerSecond
    self.clock = clock
    tokens = Double(tokensMax)
    last = clock.monotonicTime()
  }

  /// Takes a token; false when there is none.
  package func take() -> Bool {
    let now = clock.monotonicTime()
    return lock.withLock {
      tokens = min(Double(tokensMax), tokens + now.seconds(since: last) * tokensPerSecond)
      last = now
      guard tokens >= 1 else { return false }
      tokens -= 1
      return true
    }
  }

  /// A request has succeeded.
  package func succeed() {
    lock.withLock { tokens = min(Double(tokensMax), tokens + 1) }
  }
}
