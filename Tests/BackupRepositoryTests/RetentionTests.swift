import Glibc
import Testing

@testable import BackupRepository

@Suite struct RetentionTests {
  @Test(arguments: [
    ("2y5m7d3h", "2y5m7d3h"), ("3d", "3d"), ("1y1d1m", "1y1m1d"), (" 12h\n", "12h"), ("", ""),
    ("1d2d", "2d"), ("0y", ""),
  ])
  func durationsAreRead(text: String, shown: String) throws {
    #expect(try CalendarDuration(parsing: text).description == shown)
  }

  @Test(arguments: ["5", "d", "1w", "-1d", "1 d", "99999999999999999999y", "1d x", "²d"])
  func otherDurationsAreRefused(text: String) {
    #expect(throws: RetentionError.self) { try CalendarDuration(parsing: text) }
  }

  @Test(arguments: [
    ("2015-03-31T12:00:00Z", "1m", "2015-03-03T12:00:00Z"),
    ("2016-03-31T12:00:00Z", "1m", "2016-03-02T12:00:00Z"),
    ("2016-02-29T00:00:00Z", "1y", "2015-03-01T00:00:00Z"),
    ("2016-01-15T10:00:00Z", "1m", "2015-12-15T10:00:00Z"),
    ("2016-01-15T10:00:00Z", "14m", "2014-11-15T10:00:00Z"),
    ("2016-03-01T00:30:00Z", "1d1h", "2016-02-28T23:30:00Z"),
    ("2016-03-30T23:30:00-05:00", "1m", "2016-03-01T23:30:00-05:00"),
    ("2016-01-01T01:00:00+02:00", "2h", "2015-12-31T23:00:00+02:00"),
    ("1970-01-01T00:00:00Z", "1y", "1969-01-01T00:00:00Z"),
  ])
  func calendarArithmeticNormalizesAsGoDoes(from: String, less: String, gives: String) throws {
    let duration = try CalendarDuration(parsing: less)
    #expect(try time(from).subtracting(duration) == time(gives))
  }

  @Test func theCalendarAgreesWithTheLibraryOverFourHundredYears() {
    for step in -150_000..<150_000 where step % 7 == 0 || abs(step) < 1500 {
      let seconds = Int64(step) * 86_400 + Int64(step) * 37
      var stored = time_t(seconds)
      var parts = tm()
      gmtime_r(&stored, &parts)
      let fields = CivilTime(seconds: seconds).calendar
      var week = [CChar](repeating: 0, count: 32)
      strftime(&week, week.count, "%G %V", &parts)
      let expected = String(decoding: week.prefix { $0 != 0 }.map(UInt8.init), as: UTF8.self)
      let iso = fields.isoWeek
      let shown = "\(iso.year) \(iso.week < 10 ? "0" : "")\(iso.week)"
      guard
        fields.year == Int64(parts.tm_year) + 1900, fields.month == Int(parts.tm_mon) + 1,
        fields.day == Int(parts.tm_mday), fields.hour == Int(parts.tm_hour), shown == expected
      else {
        Issue.record("\(seconds): \(fields), week \(shown) instead of \(expected)")
        return
      }
    }
  }

  @Test func extremeTimesDoNotTrap() throws {
    for seconds in [Int64.min, Int64.max, 0] {
      let time = CivilTime(seconds: seconds, nanoseconds: .max, zoneOffsetSeconds: .min)
      let past = time.subtracting(
        CalendarDuration(years: .max, months: .max, days: .max, hours: .max))
      #expect(past.seconds == CivilTime.secondsRange.lowerBound)
      #expect(time.calendar.isoWeek.week > 0)
    }
  }

  @Test func countsAreRead() throws {
    #expect(try KeepCount(parsing: "unlimited") == .unlimited)
    #expect(try KeepCount(parsing: "-1") == .unlimited)
    #expect(try KeepCount(parsing: "12") == .atMost(12))
    #expect(throws: RetentionError.invalidCount(text: "-2")) { try KeepCount(parsing: "-2") }
    #expect(throws: RetentionError.self) { try KeepCount(parsing: "many") }
  }

  @Test func groupsAreMadeByAnySubset() throws {
    let snapshots = try [
      snapshot(1, "2020-01-01T00:00:00Z", host: "a", paths: ["/x", "/y"], tags: ["t"]),
      snapshot(2, "2020-01-02T00:00:00Z", host: "b", paths: ["/y", "/x"], tags: ["t"]),
      snapshot(3, "2020-01-03T00:00:00Z", host: "a", paths: ["/x", "/y"]),
      snapshot(4, "2020-01-04T00:00:00Z", host: "a", paths: ["/x /y"]),
    ]
    func numbers(_ text: String) throws -> [[UInt64]] {
      let grouping = try SnapshotGrouping(parsing: text)
      return groupSnapshots(snapshots, by: grouping).map { $0.snapshots.map(\.id.words.3) }
    }
    #expect(try numbers("") == [[1, 2, 3, 4]])
    #expect(try numbers("host") == [[1, 3, 4], [2]])
    #expect(try numbers("paths") == [[1, 2, 3], [4]])
    #expect(try numbers("host,path") == [[1, 3], [2], [4]])
    #expect(try numbers("tags") == [[1, 2], [3, 4]])
    #expect(throws: RetentionError.unknownGrouping(text: "user")) { try numbers("host,user") }
  }

  /// One path in two Unicode normal forms: Swift's strings are equal, the folders are not.
  @Test func pathsOfDifferentBytesAreDifferentGroups() throws {
    let snapshots = try [
      snapshot(1, "2020-01-01T00:00:00Z", paths: ["/caf\u{e9}"]),
      snapshot(2, "2020-01-02T00:00:00Z", paths: ["/cafe\u{301}"]),
    ]
    #expect(groupSnapshots(snapshots, by: .standard).count == 2)
    #expect(!SnapshotFilter(paths: ["/caf\u{e9}"]).matches(snapshots[1]))
  }

  @Test func aPolicyThatKeepsNothingIsRefused() throws {
    var policy = RetentionPolicy()
    policy.tags = [TagList(parsing: "absent")]
    let snapshots = try [snapshot(1, "2020-01-01T00:00:00Z")]
    let error = RetentionError.wouldRemoveGroup(group: "host h, paths [/data]")
    #expect(throws: error) {
      try ForgetPlan(snapshots, policy: policy, now: time("2021-01-01T00:00:00Z"))
    }
  }

  @Test func aPolicyWithoutRulesRemovesOnlyOnDemand() throws {
    let snapshots = try [snapshot(1, "2020-01-01T00:00:00Z"), snapshot(2, "2020-01-01T00:00:00Z")]
    let now = try time("2021-01-01T00:00:00Z")
    let plan = try ForgetPlan(snapshots, policy: RetentionPolicy(), now: now)
    #expect(plan.removed.isEmpty)
    #expect(plan.groups[0].keep.map(\.matches) == [["policy is empty"], ["policy is empty"]])
    let all = try ForgetPlan(
      snapshots, policy: RetentionPolicy(), now: now, emptyPolicy: .removeEverything)
    #expect(all.removed.count == 2)
  }

  @Test func anEmptyTagKeepsWhatHasNoTags() throws {
    var policy = RetentionPolicy()
    policy.tags = [TagList(parsing: "")]
    let snapshots = try [
      snapshot(1, "2020-01-01T00:00:00Z"), snapshot(2, "2020-01-02T00:00:00Z", tags: ["a"]),
    ]
    let plan = try ForgetPlan(snapshots, policy: policy, now: time("2021-01-01T00:00:00Z"))
    #expect(plan.removed.map(\.id) == [snapshots[1].id])
  }

  /// A clock that was wrong once must not make all real snapshots too old.
  @Test func withinDoesNotCountFromTheFuture() throws {
    var policy = RetentionPolicy()
    policy.within = CalendarDuration(days: 2)
    let snapshots = try [
      snapshot(1, "2020-01-01T00:00:00Z"), snapshot(2, "2020-01-09T00:00:00Z"),
      snapshot(3, "2020-01-10T00:00:00Z"), snapshot(4, "2031-01-01T00:00:00Z"),
    ]
    let plan = try ForgetPlan(snapshots, policy: policy, now: time("2020-01-11T00:00:00Z"))
    #expect(plan.groups[0].keep.map(\.snapshot.id.words.3) == [4, 3, 2])
    let past = try ForgetPlan(snapshots, policy: policy, now: time("2019-01-11T00:00:00Z"))
    #expect(past.removed.isEmpty)
  }

  @Test func countersShowWhatIsLeft() throws {
    var policy = RetentionPolicy()
    policy.last = .atMost(3)
    policy.daily = .unlimited
    let snapshots = try [
      snapshot(1, "2020-01-01T00:00:00Z"), snapshot(2, "2020-01-01T01:00:00Z"),
    ]
    let plan = try ForgetPlan(snapshots, policy: policy, now: time("2021-01-01T00:00:00Z"))
    let counters = plan.groups[0].keep.map(\.counters)
    #expect(counters.map(\.last) == [2, 1])
    #expect(counters.map(\.daily) == [-1, -1])
    #expect(plan.groups[0].keep[1].matches == ["last snapshot", "oldest daily snapshot"])
  }
}
