package import Platform

/// When a replication is due: five cron fields or a nickname, perhaps of a zone.
///
/// A time that the zone leaves out, because its clock is put forward, is due when the clock has
/// jumped, but for schedules of every hour, which lose nothing; a time that comes twice is due
/// twice.
package struct CronSchedule: Sendable, Equatable {
  package let fields: CronFields
  /// From `CRON_TZ=` or `TZ=` before the fields.
  package let zoneName: String?

  /// Nine years, after which 29 February has come.
  private static let lookSecondsMax: Int64 = 9 * 366 * 86_400

  private static let nicknames: [(name: String, fields: String)] = [
    ("@annually", "0 0 1 1 *"), ("@yearly", "0 0 1 1 *"), ("@monthly", "0 0 1 * *"),
    ("@weekly", "0 0 * * 0"), ("@daily", "0 0 * * *"), ("@midnight", "0 0 * * *"),
    ("@hourly", "0 * * * *"),
  ]

  /// What may stand for the fields: `@daily`.
  package static var nicknameList: [String] { nicknames.map(\.name) }

  package init(_ text: String) throws(ScheduleError) {
    var parts = text.split(whereSeparator: \.isWhitespace)
    var zoneName: String?
    if let first = parts.first, first.hasPrefix("CRON_TZ=") || first.hasPrefix("TZ=") {
      let name = first.drop { $0 != "=" }.dropFirst()
      guard !name.isEmpty else { throw ScheduleError("the time zone after \(first) is missing") }
      zoneName = String(name)
      parts.removeFirst()
    }
    guard let first = parts.first else { throw ScheduleError("is empty") }
    if first.hasPrefix("@") { parts = try CronSchedule.fields(ofNickname: parts) }
    let names = "minute, hour, day of month, month, day of week"
    if parts.count == 6 {
      throw ScheduleError(
        "has six fields: a schedule has five (\(names)) and no seconds; write for instance "
          + "\"\(parts.dropLast().joined(separator: " "))\"")
    }
    guard parts.count == 5 else {
      throw ScheduleError("has \(parts.count) fields: a schedule has five (\(names))")
    }
    fields = try CronFields(parts)
    self.zoneName = zoneName
  }

  private static func fields(
    ofNickname parts: [Substring]
  ) throws(ScheduleError) -> [Substring] {
    let word = parts[0]
    if word == "@every" {
      throw ScheduleError(
        "@every is not a VolSync schedule: write cron fields such as \"*/30 * * * *\"")
    }
    guard let found = nicknames.first(where: { $0.name == word.lowercased() }) else {
      let list = nicknameList
      let meant = nearest(to: String(word), in: list).map { "; did you mean \"\($0)\"?" } ?? ""
      throw ScheduleError("\"\(word)\" is not one of \(list.joined(separator: ", "))\(meant)")
    }
    guard parts.count == 1 else { throw ScheduleError("has words after \(word)") }
    return found.fields.split(separator: " ")
  }

  /// The first time after `time`, a whole second; nil when there is none in nine years.
  package func next(after time: WallTime, in zone: TimeZone) -> WallTime? {
    var period = zone.period(at: time.seconds)
    let local = time.seconds + Int64(period.offsetSeconds)
    var minute = local.quotientAndRemainder(flooringBy: 60).quotient + 1
    var earliest = time.seconds + 1
    // The fields are looked for in each period anew; a rule of odd periods must not go on for ever.
    let latest = time.seconds + CronSchedule.lookSecondsMax
    while let found = fields.firstMinute(from: minute), earliest <= latest {
      let due = max(earliest, found * 60 - Int64(period.offsetSeconds))
      guard let end = period.end, due >= end else { return WallTime(seconds: due, nanoseconds: 0) }
      let next = zone.period(at: end)
      var from = end + Int64(next.offsetSeconds)
      // What the clock leaves out is looked at; what it shows again is looked at anyway.
      if !fields.isOfEveryHour { from = min(from, end + Int64(period.offsetSeconds)) }
      minute = (from + 59).quotientAndRemainder(flooringBy: 60).quotient
      (period, earliest) = (next, end)
    }
    return nil
  }
}
