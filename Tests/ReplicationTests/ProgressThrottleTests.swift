import Platform
import Testing

@testable import Replication

/// Progress is told at most once an interval, and then again.
@Suite struct ProgressThrottleTests {
  @Test("Only the first of several looks in one interval is due")
  func interval() {
    let start = MonotonicTime(nanoseconds: 5_000_000_000)
    var throttle = ProgressThrottle(now: start)
    let due = [0.05, 0.099, 0.1, 0.15, 0.199, 0.2, 0.9].map {
      throttle.isDue(now: start.advanced(bySeconds: $0))
    }
    #expect(due == [false, false, true, false, false, true, true])
  }
}
