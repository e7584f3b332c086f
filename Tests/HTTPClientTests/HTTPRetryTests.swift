import HTTPClient
import Platform
import TestSupport
import Testing

@Suite struct HTTPRetryTests {
  @Test(arguments: [
    (429, HTTPRetryVerdict.slower), (503, .slower), (408, .again), (500, .again), (502, .again),
    (504, .again), (400, .never), (401, .never), (403, .never), (404, .never), (409, .never),
    (412, .never), (501, .never), (505, .never), (507, .never),
  ])
  func statusesAreClassified(_ status: Int, _ verdict: HTTPRetryVerdict) {
    #expect(HTTPRetryVerdict(status: status) == verdict)
  }

  @Test func failuresAreClassified() {
    #expect(HTTPRetryVerdict(.timedOut(server: "", reason: "")) == .again)
    #expect(HTTPRetryVerdict(.connectionLost(server: "", reason: "")) == .again)
    #expect(HTTPRetryVerdict(.cutShort(server: "", receivedByteCount: 1)) == .again)
    #expect(HTTPRetryVerdict(.tlsRefused(server: "", reason: "")) == .never)
    #expect(HTTPRetryVerdict(.cancelled) == .never)
    #expect(HTTPRetryVerdict(.bodyEnded(read: 1, expected: 2)) == .never)
  }

  @Test func delaysFillTheirRangeAndStayInIt() {
    let policy = HTTPRetryPolicy()
    var random = SeededGenerator(seed: 3)
    for attempt in 1...30 {
      let ceiling = min(0.1 * Double(1 << min(attempt - 1, 20)), 20)
      let delays = (0..<500).map { _ in
        policy.delaySeconds(afterAttempt: attempt, random: random.next())
      }
      #expect(delays.allSatisfy { $0 >= 0 && $0 <= ceiling })
      #expect(delays.min() ?? 1 < ceiling * 0.1)
      #expect(delays.max() ?? 0 > ceiling * 0.9)
    }
    #expect(policy.delaySeconds(afterAttempt: 1, random: 0, askedSeconds: 7) == 7)
    #expect(policy.delaySeconds(afterAttempt: 1, random: 0, askedSeconds: 1e9) == 120)
    #expect(policy.delaySeconds(afterAttempt: 1, random: .max, askedSeconds: -5) <= 0.1)
  }

  @Test func retryAfterIsReadInBothForms() {
    func asked(_ text: String) -> Double? {
      let head = HTTPResponseHead(
        status: 503, fields: HTTPFields([HTTPField("Retry-After", text)]))
      return HTTPRetryPolicy.askedSeconds(head, now: WallTime(seconds: 784_111_767))
    }
    #expect(asked("120") == 120)
    #expect(asked("-3") == 0)
    #expect(asked("Sun, 06 Nov 1994 08:49:37 GMT") == 10)
    #expect(asked("Sun, 06 Nov 1994 08:49:17 GMT") == 0)
    #expect(asked("soon") == nil)
    #expect(
      HTTPRetryPolicy.askedSeconds(HTTPResponseHead(status: 503), now: WallTime(seconds: 0)) == nil)
  }

  @Test func aBudgetRunsOutAndComesBack() {
    let clock = TurnedClock()
    let budget = HTTPRetryBudget(tokensMax: 3, tokensPerSecond: 0.5, clock: clock)
    #expect((0..<5).map { _ in budget.take() } == [true, true, true, false, false])
    budget.succeed()
    #expect((0..<2).map { _ in budget.take() } == [true, false])
    clock.sleep(seconds: 4)
    #expect((0..<3).map { _ in budget.take() } == [true, true, false])
    clock.sleep(seconds: 1000)
    #expect((0..<4).map { _ in budget.take() } == [true, true, true, false])
  }

  @Test(arguments: [
    ("Thu, 01 Jan 1970 00:00:00 GMT", 0), ("Sun, 06 Nov 1994 08:49:37 GMT", 784_111_777),
    ("Tue, 29 Feb 2000 23:59:59 GMT", 951_868_799),
    ("Fri, 31 Dec 9999 23:59:59 GMT", 253_402_300_799),
  ])
  func datesGoBothWays(_ text: String, _ seconds: Int64) {
    #expect(HTTPDate.time(of: text) == WallTime(seconds: seconds))
    #expect(HTTPDate.text(of: WallTime(seconds: seconds)) == text)
  }

  @Test(arguments: [
    "", "now", "Sun, 06 Nov 1994 08:49:37", "Sunday, 06-Nov-94 08:49:37 GMT",
    "Sun Nov  6 08:49:37 1994",
    "Sun, 31 Feb 1994 08:49:37 GMT", "Sun, 06 Nov 1994 25:49:37 GMT",
    "Sun, 06 Nov 99999 08:49:37 GMT",
  ])
  func otherTextsAreNoDates(_ text: String) {
    #expect(HTTPDate.time(of: text) == nil)
  }
}

/// A clock that moves only by sleeping.
private final class TurnedClock: Clock, @unchecked Sendable {
  private let lock = Lock()
  private var nanoseconds: Int64 = 1_000_000_000

  func wallTime() -> WallTime { WallTime(seconds: 1_700_000_000) }
  func monotonicTime() -> MonotonicTime {
    MonotonicTime(nanoseconds: lock.withLock { nanoseconds })
  }
  func sleep(seconds: Double) {
    lock.withLock { nanoseconds += Int64((seconds * 1e9).rounded(.up)) }
  }
}
