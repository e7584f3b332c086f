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
    let parts = text.utf8.split(separator: UInt8(ascii: " "), omittingEmptySubsequences: true)
    guard parts.count == 6,
      parts[5].elementsEqual("GMT".utf8) || parts[5].elementsEqual("UTC".utf8),
      parts[0].last == UInt8(ascii: ","), let day = number(parts[1]),
      let month = months.firstIndex(where: { parts[2].elementsEqual($0.utf8) }),
      let year = number(parts[3]), (1...9999).contains(year)
    else { return nil }
    let clock = parts[4].split(separator: UInt8(ascii: ":")).map(number)
    guard clock.count == 3, let hour = clock[0], let minute = clock[1], let second = clock[2],
      (0..<24).contains(hour), (0..<60).contains(minute), (0...60).contains(second),
      (1...CalendarTime.dayCount(ofMonth: month + 1, year: year)).contains(Int(day))
    else { return nil }
    let date = CalendarTime.days(year: year, month: month + 1, day: Int(day))
    return WallTime(seconds: date * 86_400 + hour * 3600 + minute * 60 + second)
  }

  /// Digits alone, four at most.
  private static func number(_ digits: Substring.UTF8View) -> Int64? {
    guard (1...4).contains(digits.count) else { return nil }
    var value: Int64 = 0
    for digit in digits {
      guard (0x30...0x39).contains(digit) else { return nil }
      value = value * 10 + Int64(digit - 0x30)
    }
    return value
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
