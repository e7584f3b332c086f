package import Platform

/// Times as rclone keeps them in the metadata of an object, `x-amz-meta-mtime`: seconds since 1970
/// as a decimal number, up to nine digits behind the dot, no zeros at the end.
package enum DecimalTime {
  /// `1709296496.5`, `0`, `-100.25`.
  package static func text(of time: WallTime) -> String {
    var seconds = time.seconds
    var rest = Int64(time.nanoseconds)
    let isNegative = seconds < 0
    // A time before 1970 counts forward from a whole second; the text counts back from 1970.
    if isNegative, rest > 0 { (seconds, rest) = (seconds + 1, 1_000_000_000 - rest) }
    var text = (isNegative ? "-" : "") + String(seconds.magnitude)
    guard rest > 0 else { return text }
    var digits = String(rest)
    digits = String(repeating: "0", count: 9 - digits.utf8.count) + digits
    while digits.last == "0" { digits.removeLast() }
    text += "." + digits
    return text
  }

  /// Nil when the text is none. What is behind the ninth digit is cut off; blanks at the ends,
  /// which HTTP takes away as well, do not count.
  package static func time(of text: some StringProtocol) -> WallTime? {
    var rest = Array(text.utf8)[...]
    while rest.first == 0x20 || rest.first == 0x09 { rest.removeFirst() }
    while rest.last == 0x20 || rest.last == 0x09 { rest.removeLast() }
    let sign = rest.first
    let isNegative = sign == UInt8(ascii: "-")
    if isNegative || sign == UInt8(ascii: "+") { rest.removeFirst() }
    let parts = rest.split(separator: 0x2e, maxSplits: 1, omittingEmptySubsequences: false)
    let fraction = parts.count == 2 ? parts[1] : []
    guard let whole = parts.first, whole.count + fraction.count > 0,
      let seconds = number(whole), let nanoseconds = number(fraction.prefix(9))
    else { return nil }
    var scaled = nanoseconds
    for _ in fraction.prefix(9).count..<9 { scaled *= 10 }
    guard isNegative else { return WallTime(seconds: seconds, nanoseconds: Int32(scaled)) }
    return scaled == 0
      ? WallTime(seconds: -seconds)
      : WallTime(seconds: -seconds - 1, nanoseconds: Int32(1_000_000_000 - scaled))
  }

  /// Digits alone; 0 for none.
  private static func number(_ digits: ArraySlice<UInt8>) -> Int64? {
    var value: Int64 = 0
    for digit in digits {
      guard (0x30...0x39).contains(digit) else { return nil }
      let (product, over) = value.multipliedReportingOverflow(by: 10)
      let (sum, overflow) = product.addingReportingOverflow(Int64(digit - 0x30))
      guard !over, !overflow, sum < .max else { return nil }
      value = sum
    }
    return value
  }
}

/// Times of RFC 3339 with all their digits, as rclone writes `atime` and `btime`.
package enum ZonedTime {
  /// In UTC, up to nine digits behind the dot, no zeros at the end: `2024-03-01T12:34:56.5Z`.
  package static func text(of time: WallTime) -> String {
    let calendar = CalendarTime(secondsSinceEpoch: time.seconds)
    func padded(_ value: Int64, _ width: Int) -> String {
      let digits = String(value.magnitude)
      return (value < 0 ? "-" : "")
        + String(repeating: "0", count: max(0, width - digits.utf8.count)) + digits
    }
    var text =
      "\(padded(calendar.year, 4))-\(padded(Int64(calendar.month), 2))-"
      + "\(padded(Int64(calendar.day), 2))T\(padded(Int64(calendar.hour), 2)):"
      + "\(padded(Int64(calendar.minute), 2)):\(padded(Int64(calendar.second), 2))"
    if time.nanoseconds > 0 {
      var digits = padded(Int64(time.nanoseconds), 9)
      while digits.last == "0" { digits.removeLast() }
      text += "." + digits
    }
    return text + "Z"
  }

  /// Nil when the text is none; any zone.
  package static func time(of text: String) -> WallTime? { WallTime(rfc3339: text) }
}
