import Platform

/// A point of time with the zone it was written in, as a snapshot stores it.
///
/// Retention looks at the calendar of that zone, never at another one; comparing compares points of
/// time only. Within the years 0 to 9999, which is all that RFC 3339 can say; other values are
/// clamped, so that no calculation with stored values overflows.
package struct CivilTime: Sendable, Hashable {
  /// Since 1970-01-01T00:00:00Z.
  package let seconds: Int64
  /// 0 to 999,999,999.
  package let nanoseconds: Int32
  /// East of Greenwich; less than a day.
  package let zoneOffsetSeconds: Int32

  /// The first second of the year 0 and the last one of the year 9999, UTC.
  package static let secondsRange: ClosedRange<Int64> = -62_167_219_200...253_402_300_799

  package init(seconds: Int64, nanoseconds: Int32 = 0, zoneOffsetSeconds: Int32 = 0) {
    let range = CivilTime.secondsRange
    self.seconds = min(max(seconds, range.lowerBound), range.upperBound)
    self.nanoseconds = min(max(nanoseconds, 0), 999_999_999)
    self.zoneOffsetSeconds = min(max(zoneOffsetSeconds, -86_399), 86_399)
  }

  /// The time that a snapshot stores.
  package init(_ time: GoTime) {
    self.init(
      seconds: time.seconds, nanoseconds: Int32(time.nanoseconds),
      zoneOffsetSeconds: time.zoneOffsetSeconds)
  }

  /// A point of time that no snapshot is older than.
  package static let distantPast = CivilTime(seconds: secondsRange.lowerBound)

  package func isAfter(_ other: CivilTime) -> Bool {
    (seconds, nanoseconds) > (other.seconds, other.nanoseconds)
  }

  /// The calendar of the zone.
  package var calendar: CalendarFields {
    let local = seconds + Int64(zoneOffsetSeconds)
    let day = floorDivide(local, 86_400)
    return CalendarFields(dayNumber: day, secondOfDay: local - day * 86_400)
  }

  /// The time `duration` earlier, by Go's `AddDate`: years, months and days change the date of the
  /// zone, an overflowing day runs into the next month (31 March less one month is 3 March, or 2
  /// March in a leap year), then the hours are taken off.
  package func subtracting(_ duration: CalendarDuration) -> CivilTime {
    let now = calendar
    let months =
      (now.year - Int64(duration.years)) * 12 + Int64(now.month - 1) - Int64(duration.months)
    let year = floorDivide(months, 12)
    let month = Int(months - year * 12) + 1
    let first = CalendarTime.days(year: year, month: month, day: 1)
    let day = first + Int64(now.day - 1) - Int64(duration.days)
    let local = day * 86_400 + Int64(now.secondOfDay) - Int64(duration.hours) * 3600
    return CivilTime(
      seconds: local - Int64(zoneOffsetSeconds), nanoseconds: nanoseconds,
      zoneOffsetSeconds: zoneOffsetSeconds)
  }
}

/// A date and a time of day in the Gregorian calendar, and the week that ISO 8601 gives it.
package struct CalendarFields: Sendable, Equatable {
  package let year: Int64
  /// 1 to 12.
  package let month: Int
  /// 1 to 31.
  package let day: Int
  package let secondOfDay: Int
  /// Days since 1970-01-01.
  package let dayNumber: Int64

  package var hour: Int { secondOfDay / 3600 }

  init(dayNumber: Int64, secondOfDay: Int64) {
    let date = CalendarTime(secondsSinceEpoch: dayNumber * 86_400)
    year = date.year
    month = date.month
    day = date.day
    self.secondOfDay = Int(secondOfDay)
    self.dayNumber = dayNumber
  }

  /// The ISO 8601 week: the week belongs to the year that its Thursday stands in.
  package var isoWeek: (year: Int64, week: Int) {
    // 1970-01-01 was a Thursday: 3 when Monday is 0.
    let weekday = floorModulo(dayNumber + 3, 7)
    let thursday = CalendarFields(dayNumber: dayNumber - weekday + 3, secondOfDay: 0)
    let newYear = CalendarTime.days(year: thursday.year, month: 1, day: 1)
    return (thursday.year, Int((thursday.dayNumber - newYear) / 7) + 1)
  }
}

private func floorDivide(_ value: Int64, _ divisor: Int64) -> Int64 {
  let quotient = value / divisor
  return value % divisor < 0 ? quotient - 1 : quotient
}

private func floorModulo(_ value: Int64, _ divisor: Int64) -> Int64 {
  value - floorDivide(value, divisor) * divisor
}
