import Platform

/// The five fields of a schedule, as robfig/cron v3 reads them: that is what VolSync runs.
///
/// The day must match the day of the month *and* the day of the week when one of them is `*` or
/// `?`, and one of the two when both are restricted.
package struct CronFields: Sendable, Equatable {
  /// One bit a value: bit 59 of the minutes is the minute 59.
  private var minutes: UInt64 = 0
  private var hours: UInt64 = 0
  private var daysOfMonth: UInt64 = 0
  private var months: UInt64 = 0
  private var daysOfWeek: UInt64 = 0
  private var anyDaySuffices = false

  private struct Field {
    let name: String
    let range: ClosedRange<Int>
    var words: [String] = []
  }

  private static let minute = Field(name: "minute", range: 0...59)
  private static let hour = Field(name: "hour", range: 0...23)
  private static let dayOfMonth = Field(name: "day of month", range: 1...31)
  private static let month = Field(
    name: "month", range: 1...12,
    words: ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"])
  private static let dayOfWeek = Field(
    name: "day of week", range: 0...6, words: ["sun", "mon", "tue", "wed", "thu", "fri", "sat"])

  private static let longestMonths = [31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31]

  /// Takes the five fields in their order: minute, hour, day of month, month, day of week.
  init(_ parts: [Substring]) throws(ScheduleError) {
    minutes = try CronFields.values(of: parts[0], CronFields.minute).bits
    hours = try CronFields.values(of: parts[1], CronFields.hour).bits
    let days = try CronFields.values(of: parts[2], CronFields.dayOfMonth)
    months = try CronFields.values(of: parts[3], CronFields.month).bits
    let weekdays = try CronFields.values(of: parts[4], CronFields.dayOfWeek)
    (daysOfMonth, daysOfWeek) = (days.bits, weekdays.bits)
    anyDaySuffices = !days.isStar && !weekdays.isStar
    // With any day of the week allowed to stand in, there is always one.
    guard anyDaySuffices || hasDay else {
      throw ScheduleError("never comes: none of its months has such a day")
    }
  }

  /// Due in every hour of its days.
  var isOfEveryHour: Bool { hours == (1 << 24) - 1 }

  private var hasDay: Bool {
    (1...12).contains { month in
      months & (1 << UInt64(month)) != 0
        && (1...CronFields.longestMonths[month - 1]).contains {
          daysOfMonth & (1 << UInt64($0)) != 0
        }
    }
  }

  // MARK: Reading

  private static func values(
    of text: Substring, _ field: Field
  ) throws(ScheduleError) -> (bits: UInt64, isStar: Bool) {
    var bits: UInt64 = 0
    var isStar = false
    for item in text.split(separator: ",", omittingEmptySubsequences: false) {
      do throws(ScheduleError) {
        let (values, star) = try range(of: item, field)
        for value in values { bits |= 1 << UInt64(value) }
        isStar = isStar || star
      } catch {
        throw ScheduleError("\(field.name) \"\(text)\": \(error.reason)")
      }
    }
    return (bits, isStar)
  }

  private static func range(
    of item: Substring, _ field: Field
  ) throws(ScheduleError) -> (values: StrideThrough<Int>, isStar: Bool) {
    let halves = item.split(separator: "/", omittingEmptySubsequences: false)
    guard halves.count <= 2, let span = halves.first, !span.isEmpty else {
      throw ScheduleError("is not a range")
    }
    var step = 1
    if halves.count == 2 {
      guard let given = number(halves[1]), given > 0 else {
        throw ScheduleError("the step must be a number above 0")
      }
      step = given
    }
    let (low, high) = (field.range.lowerBound, field.range.upperBound)
    if span == "*" || span == "?" { return (stride(from: low, through: high, by: step), step == 1) }
    let ends = span.split(separator: "-", omittingEmptySubsequences: false)
    guard ends.count <= 2 else { throw ScheduleError("is not a range") }
    var values: [Int] = []
    for end in ends {
      guard let value = value(of: end, field), field.range.contains(value) else {
        throw ScheduleError("must be between \(low) and \(high)")
      }
      values.append(value)
    }
    // A step from a single value goes on to the end.
    let last = values.count == 2 ? values[1] : halves.count == 2 ? high : values[0]
    guard values[0] <= last else { throw ScheduleError("the range ends before it starts") }
    return (stride(from: values[0], through: last, by: step), false)
  }

  private static func value(of text: Substring, _ field: Field) -> Int? {
    if let index = field.words.firstIndex(of: text.lowercased()) {
      return index + field.range.lowerBound
    }
    return number(text)
  }

  private static func number(_ text: Substring) -> Int? {
    guard text.utf8.count <= 4, text.utf8.allSatisfy({ (0x30...0x39).contains($0) }) else {
      return nil
    }
    return Int(text)
  }

  // MARK: Finding

  /// February has 29 days again after at most eight years (1896 to 1904).
  private static let yearCountMax: Int64 = 9

  /// The first minute at or after `start` that the fields name; nil when there is none in nine
  /// years. Minutes are counted from 1970-01-01T00:00 of the calendar, which has no zone.
  func firstMinute(from start: Int64) -> Int64? {
    var (day, minuteOfDay) = start.quotientAndRemainder(flooringBy: 1440)
    var date = CalendarTime(secondsSinceEpoch: day * 86_400)
    let lastYear = date.year + CronFields.yearCountMax
    while date.year <= lastYear {
      if months & (1 << UInt64(date.month)) == 0 {
        day = CalendarTime.days(
          year: date.month == 12 ? date.year + 1 : date.year, month: date.month % 12 + 1, day: 1)
      } else {
        if names(day, date), let minute = firstMinuteOfDay(from: Int(minuteOfDay)) {
          return day * 1440 + Int64(minute)
        }
        day += 1
      }
      minuteOfDay = 0
      date = CalendarTime(secondsSinceEpoch: day * 86_400)
    }
    return nil
  }

  private func names(_ day: Int64, _ date: CalendarTime) -> Bool {
    let isDay = daysOfMonth & (1 << UInt64(date.day)) != 0
    // 1970-01-01 was a Thursday, 4 when Sunday is 0.
    let weekday = (day + 4).quotientAndRemainder(flooringBy: 7).remainder
    let isWeekday = daysOfWeek & (1 << UInt64(weekday)) != 0
    return anyDaySuffices ? isDay || isWeekday : isDay && isWeekday
  }

  private func firstMinuteOfDay(from start: Int) -> Int? {
    var (hour, minute) = (start / 60, start % 60)
    while let found = CronFields.firstBit(of: hours, from: hour) {
      if found > hour { minute = 0 }
      if let minute = CronFields.firstBit(of: minutes, from: minute) { return found * 60 + minute }
      (hour, minute) = (found + 1, 0)
    }
    return nil
  }

  private static func firstBit(of bits: UInt64, from start: Int) -> Int? {
    let rest = bits >> UInt64(start)
    return rest == 0 ? nil : start + rest.trailingZeroBitCount
  }
}

extension Int64 {
  /// The quotient rounded down, and the remainder, which is never negative.
  func quotientAndRemainder(flooringBy divisor: Int64) -> (quotient: Int64, remainder: Int64) {
    let (quotient, remainder) = quotientAndRemainder(dividingBy: divisor)
    return remainder < 0 ? (quotient - 1, remainder + divisor) : (quotient, remainder)
  }
}
