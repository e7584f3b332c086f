import Glibc
import Platform
import Remotes
import TestSupport
import Testing

/// Sizes, spans of time, choices and timetables are understood as rclone understands them; what is
/// expected was printed by rclone 1.60 and 1.75.
@Suite struct ValueTests {
  @Test(arguments: [
    ("10", 10_240), ("10k", 10_240), ("1.5M", 1_572_864), ("1Mi", 1 << 20), ("1MiB", 1 << 20),
    ("1b", 1), ("1B", 1), ("5e3", 5_120_000), (".5k", 512), ("1.", 1024), ("1E", 1 << 60),
    ("1E2", 102_400), ("1KI", 1024), ("1kib", 1024), ("+5", 5120), ("0", 0), ("2T", 2 << 40),
    ("3p", 3 << 50),
  ])
  func sizes(text: String, byteCount: Int64) {
    #expect(SizeSuffix(text)?.byteCount == byteCount)
  }

  @Test(arguments: [
    "", " 1", "1MB", "-1", "0x10", "inf", "nan", "8E", "1i", "1KB", "1Bi", "k", "1 k", "1_0",
  ])
  func noSizes(text: String) { #expect(SizeSuffix(text) == nil) }

  @Test func unlimitedSizes() {
    #expect(SizeSuffix("off") == .off)
    #expect(SizeSuffix("OFF") == .off)
  }

  private static let day: Int64 = 86_400_000_000_000

  @Test(arguments: [
    ("10", 10_000_000_000), ("10s", 10_000_000_000), ("1h30m", 5_400_000_000_000),
    ("1.5h", 5_400_000_000_000), ("1d", day), ("1.5w", 907_200_000_000_000), ("1M", 30 * day),
    ("1m", 60_000_000_000), ("1y", 365 * day), ("-5s", -5_000_000_000), ("1ns", 1), ("1us", 1000),
    ("1µs", 1000), ("100ms", 100_000_000), ("1e3", 1_000_000_000_000), ("1e3d", 1000 * day),
    ("0", 0), (".5s", 500_000_000), ("1.s", 1_000_000_000), ("+3s", 3_000_000_000),
  ])
  func spans(text: String, nanoseconds: Int64) {
    #expect(AgeText(text) == .nanoseconds(nanoseconds))
  }

  @Test(arguments: ["", "2M3d", "OFF", "1d12h", " 1s", "300y", "inf", "1w2d", "2020-13-01", "s"])
  func noSpans(text: String) { #expect(AgeText(text) == nil) }

  @Test func datesAreTimes() {
    #expect(AgeText("off") == .off)
    #expect(
      AgeText("2020-01-02T03:04:05.25+01:00")
        == .since(WallTime(seconds: 1_577_930_645, nanoseconds: 250_000_000)))
    // Without a zone the local one holds, whichever it is here.
    var calendar = tm()
    (calendar.tm_year, calendar.tm_mon, calendar.tm_mday) = (120, 0, 2)
    (calendar.tm_hour, calendar.tm_min, calendar.tm_sec, calendar.tm_isdst) = (3, 4, 5, -1)
    let seconds = Int64(mktime(&calendar))
    #expect(AgeText("2020-01-02 03:04:05") == .since(WallTime(seconds: seconds)))
    #expect(AgeText("2020-01-02T03:04:05") == .since(WallTime(seconds: seconds)))
    (calendar.tm_hour, calendar.tm_min, calendar.tm_sec) = (0, 0, 0)
    #expect(AgeText("2020-01-02") == .since(WallTime(seconds: Int64(mktime(&calendar)))))
  }

  @Test func agesLieBeforeNow() {
    let now = WallTime(seconds: 100, nanoseconds: 5)
    #expect(AgeText("10s")?.time(before: now) == WallTime(seconds: 90, nanoseconds: 5))
    #expect(AgeText("6ns")?.time(before: now) == WallTime(seconds: 99, nanoseconds: 999_999_999))
    #expect(AgeText("-10s")?.time(before: now) == WallTime(seconds: 110, nanoseconds: 5))
    #expect(AgeText("off")?.time(before: now) == nil)
  }

  @Test func choices() {
    #expect(Tristate("") == .unset)
    #expect(Tristate("Unset") == .unset)
    #expect(Tristate("t") == .on)
    #expect(Tristate("False") == .off)
    #expect(Tristate("yes") == nil)
    #expect(Tristate("unset")?.value(or: true) == true)
  }

  @Test func limitsFollowTheWeek() throws {
    let table = try #require(BandwidthTimetable("08:00,512k 19:00,10M:1M 23:00,off"))
    #expect(table.slots.count == 21)
    #expect(table.limit(atMinuteOfWeek: 8 * 60).sendBytesPerSecond == 512 << 10)
    #expect(table.limit(atMinuteOfWeek: 19 * 60 - 1).receiveBytesPerSecond == 512 << 10)
    #expect(table.limit(atMinuteOfWeek: 20 * 60).receiveBytesPerSecond == 1 << 20)
    #expect(table.limit(atMinuteOfWeek: 24 * 60 + 7 * 60).sendBytesPerSecond == nil)
    // Before the first of the week the last one goes on.
    let days = try #require(BandwidthTimetable("Mon-08:00,1M saturday-10:30,2M"))
    #expect(days.limit(atMinuteOfWeek: 0).sendBytesPerSecond == 2 << 20)
    #expect(days.limit(atMinuteOfWeek: (24 + 8) * 60).sendBytesPerSecond == 1 << 20)
    let whole = try #require(BandwidthTimetable("100"))
    #expect(whole.limit(atMinuteOfWeek: 5000).sendBytesPerSecond == 100 << 10)
  }

  @Test(arguments: [
    "", "24:00,1", "08:60,1", "08-00,1M", "Mon-08:00,1M,2", ":1M", "1M:", "monday-8:00,1M", " ",
    "Mon-Tue-08:00,1M",
  ])
  func noTimetables(text: String) { #expect(BandwidthTimetable(text) == nil) }
}

/// Obscured values go to and fro between Drover and both versions of rclone.
@Suite struct ObscuredTextTests {
  @Test func knownValues() throws {
    #expect(try ObscuredText.reveal("pUXCj3oNcrk4w7pJtPHwTFitUUtz").revealed == "hello")
    #expect(try ObscuredText.reveal("6C2RhvSfvJAf7-UNJP5-FA").isEmpty)
  }

  @Test(arguments: ["", "hello", "6C2RhvSfvJAf7-UNJP5-F", "pUXCj3oNcrk4w7pJtPHwTFitUUt+", "=", "é"])
  func othersAreRefused(text: String) {
    #expect(throws: RemoteError.self) { try ObscuredText.reveal(text) }
  }

  @Test func rcloneUnderstandsThemAndTheReverse() throws {
    var random = SeededGenerator(seed: 0x0b5c)
    for judge in try RcloneJudge.all() {
      for round in 0..<SampledCounts.count(sampled: 8, full: 100) {
        let secret = (0..<(1 + random.below(40))).map { _ in
          random.pick(["a", "Z", "é", "/", "\"", " x", "-", "\u{1f600}", "0", "%"])
        }.joined()
        let theirs = try judge.runChecked(["obscure", "--", secret]).outputText
        #expect(try ObscuredText.reveal(String(theirs.dropLast())).revealed == secret, "\(round)")
        let ours = try ObscuredText.obscure(SecretText(secret))
        let back = try judge.runChecked(["reveal", "--", ours]).outputText
        #expect(back == secret + "\n", "\(round) \(judge.version)")
      }
    }
  }
}
