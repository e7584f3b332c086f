/// A date and a time of day of the proleptic Gregorian calendar, in some zone.
package struct CalendarTime: Hashable, Sendable {
  package var year: Int64
  /// 1…12.
  package var month: Int
  /// 1…31.
  package var day: Int
  package var hour: Int
  package var minute: Int
  package var second: Int

  /// The calendar of seconds since 1970-01-01T00:00:00 in the zone itself, at most some 200,000
  /// years around it.
  package init(secondsSinceEpoch seconds: Int64) {
    let day = (seconds >= 0 ? seconds : seconds - 86_399) / 86_400
    let rest = Int(seconds - day * 86_400)
    hour = rest / 3600
    minute = rest / 60 % 60
    second = rest % 60
    // Days since 0000-03-01, in cycles of 400 years of 146,097 days; a year begins in March, so
    // that the leap day is its last.
    let shifted = day + 719_468
    let cycle = (shifted >= 0 ? shifted : shifted - 146_096) / 146_097
    let dayOfCycle = shifted - cycle * 146_097
    let yearOfCycle =
      (dayOfCycle - dayOfCycle / 1460 + dayOfCycle / 36_524 - dayOfCycle / 146_096) / 365
    let dayOfYear = dayOfCycle - (365 * yearOfCycle + yearOfCycle / 4 - yearOfCycle / 100)
    let monthFromMarch = (5 * dayOfYear + 2) / 153
    self.day = Int(dayOfYear - (153 * monthFromMarch + 2) / 5 + 1)
    month = Int(monthFromMarch < 10 ? monthFromMarch + 3 : monthFromMarch - 9)
    year = yearOfCycle + cycle * 400 + (month <= 2 ? 1 : 0)
  }

  /// Days from 1970-01-01 to a date; months and days are those of the calendar.
  package static func days(year: Int64, month: Int, day: Int) -> Int64 {
    let shiftedYear = month <= 2 ? year - 1 : year
    let cycle = (shiftedYear >= 0 ? shiftedYear : shiftedYear - 399) / 400
    let yearOfCycle = shiftedYear - cycle * 400
    let dayOfYear = Int64((153 * (month > 2 ? month - 3 : month + 9) + 2) / 5 + day - 1)
    let dayOfCycle = yearOfCycle * 365 + yearOfCycle / 4 - yearOfCycle / 100 + dayOfYear
    return cycle * 146_097 + dayOfCycle - 719_468
  }

  package static func isLeap(_ year: Int64) -> Bool {
    year.isMultiple(of: 4) && (!year.isMultiple(of: 100) || year.isMultiple(of: 400))
  }

  /// Number of days of a month 1…12.
  package static func dayCount(ofMonth month: Int, year: Int64) -> Int {
    switch month {
    case 2: isLeap(year) ? 29 : 28
    case 4, 6, 9, 11: 30
    default: 31
    }
  }

  /// Sets the year alone; 29 February of a year without one becomes 1 March.
  package mutating func move(toYear year: Int64) {
    self.year = year
    if month == 2, day > CalendarTime.dayCount(ofMonth: 2, year: year) { (month, day) = (3, 1) }
  }
}
