package import Platform

/// Times of HTTP headers.
/// Source: RFC 9110, 5.6.7.
package enum HTTPDate {
  private static let days = ["Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"]
  private static let months = [
    "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
  ]

  /// `Sun, 06 Nov 1994 08:49:37 GMT`; nil for anything else, also the two obsolete forms.
  package static func time(of text: String) -> WallTime? {
    let parts = text.split(separator: " ", omittingEmptySubsequences: true)
    guard parts.count == 6, parts[5] == "GMT" || parts[5] == "UTC", parts[0].hasSuffix(","),
      let day = Int(parts[1]), let month = months.firstIndex(of: String(parts[2])),
      let year = Int64(parts[3]), (1...9999).contains(year)
    else { return nil }
    let clock = parts[4].split(separator: ":").map { Int64($0) }
    guard clock.count == 3, let hour = clock[0], let minute = clock[1], let second = clock[2],
      (0..<24).contains(hour), (0..<60).contains(minute), (0...60).contains(second),
      (1...CalendarTime.dayCount(ofMonth: month + 1, year: year)).contains(day)
    else { return nil }
    let date = CalendarTime.days(year: year, month: month + 1, day: day)
    return WallTime(seconds: date * 86_400 + hour * 3600 + minute * 60 + second)
  }

  package static func text(of time: WallTime) -> String {
    let date = CalendarTime(secondsSinceEpoch: time.seconds)
    let dayCount = CalendarTime.days(year: date.year, month: date.month, day: date.day)
    // 1970-01-01 was a Thursday.
    let weekday = days[Int(((dayCount + 4) % 7 + 7) % 7)]
    let clock = [date.hour, date.minute, date.second].map(pad).joined(separator: ":")
    return "\(weekday), \(pad(date.day)) \(months[date.month - 1]) \(date.year) \(clock) GMT"
  }

  private static func pad(_ value: Int) -> String { value < 10 ? "0\(value)" : String(value) }
}
