import Platform
import TestSupport
import Testing

@testable import Triggers

/// Schedules against croniter, an independent implementation in Python.
@Suite struct CroniterTests {
  /// Of whole hours: croniter looks at one time only in what half an hour shows again.
  private static let zones = ["Europe/Berlin", "America/New_York", "Australia/Sydney"]

  private struct Case {
    var zone: String
    var text: String
    /// Seconds since 1970 UTC.
    var start: Int64
    var end: Int64
    var countMax = Int.max
  }

  private static let script = """
    import datetime, sys, zoneinfo
    from croniter import croniter
    for line in sys.stdin:
        zone, text, start, end, most = line.rstrip("\\n").split("\\t")
        zone = zoneinfo.ZoneInfo(zone)
        start = datetime.datetime.fromtimestamp(int(start), zone)
        times, turn = [], croniter(text, start)
        while len(times) < int(most):
            time = int(turn.get_next(datetime.datetime).timestamp())
            if time > int(end): break
            times.append(str(time))
        print(" ".join(times))
    """

  private func judge(_ cases: [Case]) throws -> [[Int64]] {
    let lines = cases.map {
      "\($0.zone)\t\($0.text)\t\($0.start)\t\($0.end)\t\(min($0.countMax, 1 << 30))\n"
    }
    let result = try runChecked(
      InstalledServers.python, ["-I", "-c", Self.script], stdin: Array(lines.joined().utf8))
    return result.outputText.split(separator: "\n", omittingEmptySubsequences: false)
      .prefix(cases.count).map { $0.split(separator: " ").compactMap { Int64($0) } }
  }

  private func own(_ schedule: Case) throws -> [Int64] {
    let cron = try CronSchedule(schedule.text)
    let zone = try TimeZone.named(schedule.zone)
    var times: [Int64] = []
    var time = WallTime(seconds: schedule.start)
    while times.count < schedule.countMax, let next = cron.next(after: time, in: zone),
      next.seconds <= schedule.end
    {
      times.append(next.seconds)
      time = next
    }
    return times
  }

  private func compare(_ cases: [Case]) throws {
    let expected = try judge(cases)
    try #require(expected.count == cases.count)
    for (schedule, expected) in zip(cases, expected) {
      let found = try own(schedule)
      if found == expected { continue }
      let place = zip(found, expected).enumerated().first { $1.0 != $1.1 }
      Issue.record(
        """
        \(schedule.zone) \(schedule.text): \(found.count) times, croniter \(expected.count); \
        first other: \(place.map { "\($0.offset): \($0.element)" } ?? "the end")
        """)
    }
  }

  private static let yearSeconds: Int64 = 366 * 86_400
  /// 2026-01-01T00:00:00Z.
  private static let start: Int64 = 1_767_225_600

  @Test("A year of every third minute, over the changes of the clock of three zones")
  func everyThirdMinute() throws {
    let zones = Self.zones.suffix(SampledCounts.count(sampled: 1, full: 3))
    try compare(
      zones.map {
        Case(
          zone: $0, text: "*/3 * * * *", start: Self.start, end: Self.start + Self.yearSeconds)
      })
  }

  @Test("A year of mixed schedules")
  func mixedSchedules() throws {
    var random = SeededGenerator(seed: 2026)
    let cases = (0..<SampledCounts.count(sampled: 60, full: 200)).map { index in
      let start = Self.start + Int64(random.below(365 * 1440)) * 60 + Int64(random.below(60))
      return Case(
        zone: Self.zones[index % Self.zones.count], text: expression(&random), start: start,
        end: start + Self.yearSeconds, countMax: 6000)
    }
    try compare(cases)
  }

  // MARK: Expressions

  private func pick(_ random: inout SeededGenerator, _ choices: [String]) -> String {
    choices[random.below(choices.count)]
  }

  private func expression(_ random: inout SeededGenerator) -> String {
    func below(_ limit: Int) -> Int { random.below(limit) }
    let low = below(30)
    let minute = pick(
      &random,
      [
        "\(low)", "*/\(5 + low)", "\(low),\(low + 7),\(low + 29)", "\(low)-\(low + 20)/7",
        "\(low)/17", "0",
      ])
    let first = below(20)
    let hour = pick(
      &random,
      ["*", "\(first)", "*/\(2 + first)", "\(first)-\(first + 3)", "1,2,3", "2", "\(first)/5"])
    let day = pick(
      &random, ["*", "*", "*", "?", "\(1 + first)", "*/\(2 + below(9))", "1,15", "28-31"])
    let month = pick(&random, ["*", "*", "*", "\(1 + below(12))", "mar-may", "OCT", "*/3", "2"])
    let weekday = pick(
      &random, ["*", "*", "*", "?", "\(below(7))", "mon-fri", "SUN", "1,3,5", "5-6"])
    return "\(minute) \(hour) \(day) \(month) \(weekday)"
  }
}
