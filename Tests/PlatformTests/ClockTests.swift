import Platform
import Testing

/// Points in time and their text.
@Suite struct ClockTests {
  @Test(arguments: [
    (Int64(0), "1970-01-01T00:00:00Z"), (1_782_986_400, "2026-07-02T10:00:00Z"),
    (-1, "1969-12-31T23:59:59Z"), (4_102_444_800, "2100-01-01T00:00:00Z"),
  ])
  func wallTimePrintsAsRFC3339(seconds: Int64, text: String) {
    #expect(WallTime(seconds: seconds).rfc3339 == text)
  }

  @Test(arguments: [
    ("2026-07-02T10:00:00Z", Int64(1_782_986_400), Int32(0)),
    ("2026-07-02t10:00:00.25z", 1_782_986_400, 250_000_000),
    ("2026-07-02T12:30:00+02:30", 1_782_986_400, 0), ("1969-12-31T23:59:59-00:00", -1, 0),
  ])
  func rfc3339IsRead(text: String, seconds: Int64, nanoseconds: Int32) {
    #expect(
      WallTime(rfc3339: text) == WallTime(seconds: seconds, nanoseconds: nanoseconds))
  }

  @Test(arguments: [
    "", "2026-07-02", "2026-07-02T10:00:00", "2026-13-02T10:00:00Z", "2026-02-30T10:00:00Z",
    "2026-07-02T24:00:00Z", "2026-07-02T10:00:00.Z", "2026-07-02T10:00:00+24:00", "today",
  ])
  func otherTextsAreNoTimes(text: String) {
    #expect(WallTime(rfc3339: text) == nil)
  }

  @Test func monotonicTimeGoesOn() {
    let first = MonotonicTime.now()
    SystemClock().sleep(seconds: 0.005)
    #expect(MonotonicTime.now().seconds(since: first) >= 0.005)
  }

  @Test func wallTimesCompareByNanoseconds() {
    #expect(WallTime(seconds: 1, nanoseconds: 2) < WallTime(seconds: 1, nanoseconds: 3))
    #expect(WallTime(seconds: -1, nanoseconds: 999) < WallTime(seconds: 0))
  }
}
