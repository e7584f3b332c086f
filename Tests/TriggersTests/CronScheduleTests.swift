import Platform
import Testing

@testable import Triggers

/// What a schedule may say, and what is said of one that cannot run.
@Suite struct CronScheduleTests {
  @Test(arguments: [
    "* * * * *", "*/3 * * * *", "0 0 * * MON", "0 0 1 jan-mar ?", "1-5,7,9-11/2 0 * * 0-6",
    "@daily", "@hourly", "@Weekly", "CRON_TZ=Europe/Berlin 0 3 * * *", "TZ=UTC @daily",
    "5/15 * * * *", "3,9,15,21,27,33,39,45,51,57 * * * *", "0 0 29 2 *", "0 0 30 2 0",
    "0 0 31 2,3 *",
  ])
  func isAccepted(text: String) throws {
    let schedule = try CronSchedule(text)
    #expect(schedule.next(after: WallTime(seconds: 1_700_000_000), in: .utc) != nil)
  }

  @Test(arguments: [
    ("", "is empty"), ("  ", "is empty"), ("12345", "1 fields"),
    ("@daily junk", "words after"), ("@dayly", "did you mean \"@daily\""),
    ("60 * * * *", "minute"), ("* 24 * * *", "hour"), ("* * 0 * *", "day of month"),
    ("* * * 13 *", "month"), ("* * * * 7", "day of week"), ("*/0 * * * *", "step"),
    ("5-1 * * * *", "ends before"), (", * * * *", "range"), ("* * * * * *", "six fields"),
    ("1-2-3 * * * *", "range"), ("@every 1h", "not a VolSync schedule"),
    ("3,9 * * * * *", "write for instance \"3,9 * * * *\""), ("1/2/3 * * * *", "range"),
    ("* * * * mon-", "must be between"), ("-5 * * * *", "must be between"),
    ("99999999999999999999 * * * *", "must be between"), ("*/99999 * * * *", "step"),
    ("0 0 30 2 *", "never comes"), ("0 0 31 4,6,9,11 *", "never comes"),
    ("0 0 31 2 */1", "never comes"), ("TZ= * * * * *", "time zone"), ("CRON_TZ=UTC", "is empty"),
    ("é * * * *", "must be between"),
  ])
  func isRefused(text: String, expected: String) throws {
    let error = try #require(throws: ScheduleError.self) { try CronSchedule(text) }
    #expect(error.reason.contains(expected), "\(error.reason)")
  }

  @Test func nicknamesAreTheirFields() throws {
    for (nickname, fields) in [
      ("@yearly", "0 0 1 1 *"), ("@annually", "0 0 1 JAN ?"), ("@monthly", "0 0 1 * *"),
      ("@weekly", "0 0 * * SUN"), ("@daily", "0 0 */1 * *"), ("@midnight", "0 0 * * *"),
      ("@hourly", "0 0-23 * * *"),
    ] {
      #expect(try CronSchedule(nickname) == CronSchedule(fields), "\(nickname)")
    }
  }

  /// The first `count` times after a local time of `zone`, in UTC.
  private func times(
    _ text: String, _ zone: TimeZone, after start: String, _ count: Int
  ) throws -> [String] {
    let schedule = try CronSchedule(text)
    var time = try #require(WallTime(rfc3339: start))
    return try (0..<count).map { _ in
      time = try #require(schedule.next(after: time, in: zone))
      return time.rfc3339
    }
  }

  @Test func bothDaysRestrictedMeansEither() throws {
    let found = try times("0 0 13 * FRI", .utc, after: "2026-02-01T00:00:00Z", 5)
    #expect(
      found == [
        "2026-02-06T00:00:00Z", "2026-02-13T00:00:00Z", "2026-02-20T00:00:00Z",
        "2026-02-27T00:00:00Z", "2026-03-06T00:00:00Z",
      ])
    let both = try times("0 0 13 * *", .utc, after: "2026-02-13T00:00:00Z", 1)
    #expect(both == ["2026-03-13T00:00:00Z"])
  }

  @Test func theTwentyNinthOfFebruaryComesEveryFourYearsButOnce() throws {
    let found = try times("30 5 29 2 *", .utc, after: "2024-02-29T05:30:00Z", 2)
    #expect(found == ["2028-02-29T05:30:00Z", "2032-02-29T05:30:00Z"])
    let century = try times("0 0 29 2 *", .utc, after: "2096-03-01T00:00:00Z", 1)
    #expect(century == ["2104-02-29T00:00:00Z"])
  }

  @Test func aTimeIsAfterTheGivenOneAlsoWithinASecond() throws {
    let schedule = try CronSchedule("*/5 * * * *")
    let due = try #require(WallTime(rfc3339: "2026-01-01T10:05:00Z"))
    let before = WallTime(seconds: due.seconds - 1, nanoseconds: 999_999_999)
    #expect(schedule.next(after: before, in: .utc) == due)
    #expect(schedule.next(after: due, in: .utc)?.rfc3339 == "2026-01-01T10:10:00Z")
    let within = WallTime(seconds: due.seconds, nanoseconds: 1)
    #expect(schedule.next(after: within, in: .utc)?.rfc3339 == "2026-01-01T10:10:00Z")
    let early = WallTime(seconds: -1_000_000_000)
    #expect(schedule.next(after: early, in: .utc)?.rfc3339 == "1938-04-24T22:15:00Z")
  }

  @Test func whatTheClockLeavesOutIsDueWhenItHasJumped() throws {
    let york = try TimeZone.named("America/New_York")
    // 02:00 -05:00 becomes 03:00 -04:00 at 07:00 UTC.
    #expect(
      try times("30 2 * * *", york, after: "2026-03-07T12:00:00Z", 2) == [
        "2026-03-08T07:00:00Z", "2026-03-09T06:30:00Z",
      ])
    #expect(
      try times("10 1-3 * * *", york, after: "2026-03-08T06:00:00Z", 4) == [
        "2026-03-08T06:10:00Z", "2026-03-08T07:00:00Z", "2026-03-08T07:10:00Z",
        "2026-03-09T05:10:00Z",
      ])
  }

  @Test func everyHourLosesNothing() throws {
    let york = try TimeZone.named("America/New_York")
    #expect(
      try times("27 * * * *", york, after: "2026-03-08T06:00:00Z", 3) == [
        "2026-03-08T06:27:00Z", "2026-03-08T07:27:00Z", "2026-03-08T08:27:00Z",
      ])
    #expect(
      try times("*/30 * * * *", york, after: "2026-03-08T06:10:00Z", 3) == [
        "2026-03-08T06:30:00Z", "2026-03-08T07:00:00Z", "2026-03-08T07:30:00Z",
      ])
  }

  @Test func whatComesTwiceIsDueTwice() throws {
    let york = try TimeZone.named("America/New_York")
    // 02:00 -04:00 becomes 01:00 -05:00 at 06:00 UTC.
    #expect(
      try times("30 1 * * *", york, after: "2026-11-01T04:00:00Z", 3) == [
        "2026-11-01T05:30:00Z", "2026-11-01T06:30:00Z", "2026-11-02T06:30:00Z",
      ])
    // Half an hour, in the south.
    let island = try TimeZone.named("Australia/Lord_Howe")
    #expect(
      try times("45 1 * * *", island, after: "2026-04-04T12:00:00Z", 2) == [
        "2026-04-04T14:45:00Z", "2026-04-04T15:15:00Z",
      ])
  }

  /// Samoa went over the date line: 30 December 2011 was left out as a whole.
  @Test func aDayThatIsLeftOutIsDueAtItsEnd() throws {
    let samoa = try TimeZone.named("Pacific/Apia")
    #expect(
      try times("0 */6 * * *", samoa, after: "2011-12-30T03:00:00Z", 4) == [
        "2011-12-30T04:00:00Z", "2011-12-30T10:00:00Z", "2011-12-30T16:00:00Z",
        "2011-12-30T22:00:00Z",
      ])
    #expect(
      try times("30 9 30 12 *", samoa, after: "2011-12-01T00:00:00Z", 2) == [
        "2011-12-30T10:00:00Z", "2012-12-29T19:30:00Z",
      ])
  }

  /// Each year a week is left out, and the day that is asked for lies in it.
  @Test func aTimeThatNeverComesIsNotLookedForForEver() throws {
    let rule = try #require(ZoneRule("AAA0BBB-167,J70/0,J300/0"))
    let zone = TimeZone(name: "odd", first: 0, transitions: [], rule: rule)
    let schedule = try CronSchedule("0 * 14 3 *")
    #expect(schedule.next(after: WallTime(seconds: 1_767_225_600), in: zone) == nil)
  }
}
