/// What a text of RFC 3339 says: an instant, and the zone in which it is written.
///
/// Source: RFC 3339, section 5.6; `T` and `Z` stand in capitals, as every program here writes them.
package struct TimestampText: Sendable, Equatable {
  /// Since 1970-01-01T00:00:00Z.
  package let seconds: Int64
  /// 0…999,999,999, forward from ``seconds``.
  package let nanoseconds: UInt32
  /// Seconds east of Greenwich.
  package let zoneOffsetSeconds: Int32

  /// Nil when the text is none. Digits of a fraction behind the ninth are dropped.
  package init?(_ text: UnsafeRawBufferPointer) {
    guard text.count >= 20, text.count <= 64,
      text[4] == UInt8(ascii: "-"), text[7] == UInt8(ascii: "-"), text[10] == UInt8(ascii: "T"),
      text[13] == UInt8(ascii: ":"), text[16] == UInt8(ascii: ":"),
      let year = TimestampText.digits(text, 0, 4), let month = TimestampText.digits(text, 5, 2),
      let day = TimestampText.digits(text, 8, 2), let hour = TimestampText.digits(text, 11, 2),
      let minute = TimestampText.digits(text, 14, 2),
      let second = TimestampText.digits(text, 17, 2),
      (1...12).contains(month), day >= 1,
      day <= CalendarTime.dayCount(ofMonth: Int(month), year: year),
      hour < 24, minute < 60, second < 60
    else { return nil }
    var index = 19
    guard let fraction = TimestampText.fraction(text, &index),
      let offset = TimestampText.zone(text, index)
    else { return nil }
    let days = CalendarTime.days(year: year, month: Int(month), day: Int(day))
    seconds = days * 86_400 + hour * 3600 + minute * 60 + second - offset
    nanoseconds = fraction
    zoneOffsetSeconds = Int32(offset)
  }

  private static func digits(
    _ text: UnsafeRawBufferPointer, _ start: Int, _ count: Int
  ) -> Int64? {
    guard start + count <= text.count else { return nil }
    var value: Int64 = 0
    for index in start..<start + count {
      guard text[index] >= 0x30, text[index] <= 0x39 else { return nil }
      value = value * 10 + Int64(text[index] - 0x30)
    }
    return value
  }

  private static func fraction(_ text: UnsafeRawBufferPointer, _ index: inout Int) -> UInt32? {
    guard text[index] == UInt8(ascii: ".") else { return 0 }
    index += 1
    let start = index
    var value: UInt32 = 0
    var scale: UInt32 = 100_000_000
    while index < text.count, text[index] >= 0x30, text[index] <= 0x39 {
      value += UInt32(text[index] - 0x30) * scale
      scale /= 10
      index += 1
    }
    return index > start ? value : nil
  }

  private static func zone(_ text: UnsafeRawBufferPointer, _ index: Int) -> Int64? {
    guard index < text.count else { return nil }
    if text[index] == UInt8(ascii: "Z") { return index + 1 == text.count ? 0 : nil }
    guard text[index] == UInt8(ascii: "+") || text[index] == UInt8(ascii: "-"),
      index + 6 == text.count, text[index + 3] == UInt8(ascii: ":"),
      let hours = digits(text, index + 1, 2), let minutes = digits(text, index + 4, 2),
      hours < 24, minutes < 60
    else { return nil }
    let offset = hours * 3600 + minutes * 60
    return text[index] == UInt8(ascii: "-") ? -offset : offset
  }
}

extension WallTime {
  /// Reads a text of RFC 3339, also with `t` and `z`; nil when it is none.
  package init?(rfc3339 text: String) {
    var text = text.uppercased()
    let time = text.withUTF8 { TimestampText(UnsafeRawBufferPointer($0)) }
    guard let time else { return nil }
    self.init(seconds: time.seconds, nanoseconds: Int32(time.nanoseconds))
  }
}
