import Glibc
import Platform
import TestSupport
import Testing

@testable import BackupRepository

@Suite struct FormatTimeTests {
  @Test(
    arguments: [
      ("1970-01-01T00:00:00Z", 0, 0, 0), ("2024-01-15T10:00:00.5Z", 1_705_312_800, 500_000_000, 0),
      ("1969-12-31T23:59:59.999999999Z", -1, 999_999_999, 0),
      ("2024-02-29T00:30:00+01:00", 1_709_163_000, 0, 3600),
      ("2024-02-28T20:00:00.000000001-03:30", 1_709_163_000, 1, -12_600),
      ("0000-01-01T00:00:00Z", -62_167_219_200, 0, 0),
      ("0001-01-01T00:00:00Z", -62_135_596_800, 0, 0),
      ("9999-12-31T23:59:59.12Z", 253_402_300_799, 120_000_000, 0),
      ("2000-02-29T12:00:00Z", 951_825_600, 0, 0), ("1900-03-01T00:00:00Z", -2_203_891_200, 0, 0),
    ] as [(String, Int64, UInt32, Int32)])
  func timesAreReadAndWritten(text: String, seconds: Int64, nanoseconds: UInt32, offset: Int32) {
    let time = GoTime(seconds: seconds, nanoseconds: nanoseconds, zoneOffsetSeconds: offset)
    #expect(time.text == text)
    #expect(GoTime(text: text) == time)
  }

  @Test(arguments: [
    ("2024-01-15T10:00:00.100000000Z", "2024-01-15T10:00:00.1Z"),
    ("2024-01-15T10:00:00.0000000019Z", "2024-01-15T10:00:00.000000001Z"),
    ("2024-01-15T10:00:00+00:00", "2024-01-15T10:00:00Z"),
  ])
  func otherFormsOfATimeAreRead(text: String, expected: String) {
    #expect(GoTime(text: text)?.text == expected)
  }

  @Test(arguments: [
    "", "2024-01-15", "2024-01-15T10:00:00", "2024-13-15T10:00:00Z", "2024-00-15T10:00:00Z",
    "2023-02-29T10:00:00Z", "2024-01-32T10:00:00Z", "2024-01-00T10:00:00Z", "2024-01-15T24:00:00Z",
    "2024-01-15T10:60:00Z", "2024-01-15T10:00:60Z", "2024-01-15T10:00:00.Z", "2024-01-15 10:00:00Z",
    "2024-01-15T10:00:00+1:00", "2024-01-15T10:00:00+24:00", "2024-01-15T10:00:00ZZ",
    "2024-01-15T10:00:00.123", "-024-01-15T10:00:00Z", "20240-01-15T10:00:00Z",
  ])
  func otherTextsAreNotTimes(text: String) {
    #expect(GoTime(text: text) == nil)
  }

  @Test func yearsThatTheTextCannotHoldAreClamped() {
    #expect(GoTime(seconds: 253_402_300_800).text == "9999-01-01T00:00:00Z")
    #expect(GoTime(seconds: -62_167_219_201).text == "0000-12-31T23:59:59Z")
    // 29 February 10000 and -4 (a leap year like 0 itself).
    #expect(GoTime(seconds: 253_402_300_800 + 59 * 86_400).text == "9999-03-01T00:00:00Z")
    #expect(GoTime(text: GoTime(seconds: .max).text) != nil)
    #expect(GoTime(text: GoTime(seconds: .min, zoneOffsetSeconds: -3600).text) != nil)
  }

  @Test func offsetsWithSecondsAreCutToMinutes() {
    #expect(GoTime(seconds: 0, zoneOffsetSeconds: 561).text == "1970-01-01T00:09:21+00:09")
    #expect(GoTime(seconds: 0, zoneOffsetSeconds: -75).text == "1969-12-31T23:58:45-00:01")
    #expect(GoTime(seconds: 0, zoneOffsetSeconds: -30).text == "1969-12-31T23:59:30+00:00")
  }

  @Test func theCalendarIsThatOfTheCLibrary() {
    var generator = SeededGenerator(seed: 4)
    for _ in 0..<20_000 {
      let seconds = Int64.random(in: -100_000_000_000...300_000_000_000, using: &generator)
      let civil = CalendarTime(secondsSinceEpoch: seconds)
      var parts = tm()
      var time = time_t(seconds)
      gmtime_r(&time, &parts)
      let same =
        civil.year == Int64(parts.tm_year) + 1900 && civil.month == Int(parts.tm_mon) + 1
        && civil.day == Int(parts.tm_mday) && civil.hour == Int(parts.tm_hour)
        && civil.minute == Int(parts.tm_min) && civil.second == Int(parts.tm_sec)
      let days = CalendarTime.days(year: civil.year, month: civil.month, day: civil.day)
      let day = (seconds - Int64(civil.hour * 3600 + civil.minute * 60 + civil.second)) / 86_400
      guard same, days == day else {
        Issue.record("\(seconds)")
        return
      }
    }
  }

  @Test func theZoneOfTheMachineIsKept() {
    var zone = LocalZone()
    for seconds in [Int64(0), 1_700_000_000, 1_720_000_000, -40_000_000, .max] {
      var parts = tm()
      var time = time_t(seconds)
      let known = localtime_r(&time, &parts) != nil
      #expect(zone.offsetSeconds(at: seconds) == (known ? Int32(parts.tm_gmtoff) : 0))
    }
    #expect(
      zone.time(seconds: 5, nanoseconds: 6).isSameInstant(as: GoTime(seconds: 5, nanoseconds: 6)))
  }
}
