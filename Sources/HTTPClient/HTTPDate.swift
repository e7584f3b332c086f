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
    var text = text
    return text.withUTF8 { bytes in unsafe time(of: bytes[...]) }
  }

  private typealias Bytes = Slice<UnsafeBufferPointer<UInt8>>

  private static func time(of bytes: Bytes) -> WallTime? {
    var rest = unsafe bytes
    let blank = UInt8(ascii: " ")
    guard unsafe next(&rest, blank)?.last == UInt8(ascii: ","),
      let day = unsafe number(next(&rest, blank)), let name = unsafe next(&rest, blank),
      let month = months.firstIndex(where: { unsafe name.elementsEqual($0.utf8) }),
      let year = unsafe number(next(&rest, blank)), (1...9999).contains(year),
      var clock = unsafe next(&rest, blank), let zone = unsafe next(&rest, blank),
      unsafe zone.elementsEqual("GMT".utf8) || zone.elementsEqual("UTC".utf8),
      unsafe next(&rest, blank) == nil
    else { return nil }
    let colon = UInt8(ascii: ":")
    guard let hour = unsafe number(next(&clock, colon)), (0..<24).contains(hour),
      let minute = unsafe number(next(&clock, colon)), (0..<60).contains(minute),
      let second = unsafe number(next(&clock, colon)), (0...60).contains(second),
      unsafe clock.isEmpty,
      (1...CalendarTime.dayCount(ofMonth: month + 1, year: year)).contains(Int(day))
    else { return nil }
    let date = CalendarTime.days(year: year, month: month + 1, day: Int(day))
    return WallTime(seconds: date * 86_400 + hour * 3600 + minute * 60 + second)
  }

  /// Takes what stands before the next separator; nil at the end.
  private static func next(_ rest: inout Bytes, _ separator: UInt8) -> Bytes? {
    unsafe rest = unsafe rest.drop { $0 == separator }
    guard unsafe !rest.isEmpty else { return nil }
    let word = unsafe rest.prefix { $0 != separator }
    unsafe rest = unsafe rest[word.endIndex...]
    return unsafe word
  }

  /// Digits alone, four at most.
  private static func number(_ digits: Bytes?) -> Int64? {
    guard let digits = unsafe digits, unsafe (1...4).contains(digits.count) else { return nil }
    var value: Int64 = 0
    let isNumber = unsafe digits.allSatisfy { digit in
      value = value * 10 + Int64(digit) - 0x30
      return (0x30...0x39).contains(digit)
    }
    return isNumber ? value : nil
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
