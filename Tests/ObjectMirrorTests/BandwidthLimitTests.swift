import Platform
import Remotes
import TestSupport
import Testing

@testable import ObjectMirror

@Suite struct BandwidthLimitTests {
  /// A clock that nobody waits for: sleeping moves it.
  private final class StepClock: Clock, @unchecked Sendable {
    private let lock = Lock()
    private var nanoseconds: Int64 = 0

    func wallTime() -> WallTime { WallTime(seconds: monotonicTime().nanoseconds / 1_000_000_000) }
    func monotonicTime() -> MonotonicTime {
      lock.withLock { MonotonicTime(nanoseconds: nanoseconds) }
    }
    func sleep(seconds: Double) { lock.withLock { nanoseconds += Int64(seconds * 1e9) } }
    var seconds: Double { Double(monotonicTime().nanoseconds) / 1e9 }
  }

  private func limit(
    _ text: String, _ clock: StepClock, isCancelled: @escaping @Sendable () -> Bool = { false }
  ) throws -> BandwidthLimit {
    BandwidthLimit(
      try #require(BandwidthTimetable(text)), clock: clock,
      minuteOfWeek: { Int($0.seconds / 60) % (7 * 24 * 60) }, isCancelled: isCancelled)
  }

  @Test func bothWaysHaveTheirRates() throws {
    let clock = StepClock()
    let limit = try limit("1M:4M", clock)
    limit.send(10 << 20)
    #expect((9.8...10).contains(clock.seconds))
    limit.receive(8 << 20)
    #expect((11.7...12.1).contains(clock.seconds))
  }

  @Test(arguments: ["off", "0", "off:1M"])
  func withoutALimitNobodyWaits(_ text: String) throws {
    let clock = StepClock()
    try limit(text, clock).send(1 << 40)
    #expect(clock.seconds == 0)
  }

  /// The rate changes while something is on its way.
  @Test func aTimetableIsFollowed() throws {
    let clock = StepClock()
    // A minute of 1 MiB/s, then one of 10, then none.
    let limit = try limit("Sun-00:00,1M Sun-00:01,10M Sun-00:02,off", clock)
    limit.send(60 << 20)
    #expect((59...61).contains(clock.seconds))
    limit.send(600 << 20)
    #expect((118...121).contains(clock.seconds))
    let before = clock.seconds
    clock.sleep(seconds: 2)
    limit.send(1 << 40)
    #expect(clock.seconds <= before + 3)
  }

  @Test func aCancellationEndsTheWait() throws {
    let clock = StepClock()
    let isOver: @Sendable () -> Bool = { clock.seconds >= 5 }
    try limit("1k", clock, isCancelled: isOver).send(1 << 30)
    #expect((5...6).contains(clock.seconds))
  }

  @Test func requestsAreSpread() throws {
    let clock = StepClock()
    let limit = try #require(RequestLimit(perSecond: 2.5, clock: clock))
    for _ in 0..<25 { limit.pass() }
    #expect((9.4...10).contains(clock.seconds))
    #expect(RequestLimit(perSecond: 0) == nil)
  }
}
