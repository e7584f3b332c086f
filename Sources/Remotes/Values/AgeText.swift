import Glibc
package import Platform

/// A span of time as rclone writes it, such as `10s`, `1h30m`, `1.5d`, or a date.
package enum AgeText: Sendable, Hashable {
  case off
  case nanoseconds(Int64)
  /// A date stands for the time since then.
  case since(WallTime)

  private static let daySeconds = 86_400.0

  /// Nil when the text is none, or longer than some 292 years.
  ///
  /// Forms, tried in this order: `off`; numbers with `h`, `m`, `s`, `ms`, `us`, `ns` one after the
  /// other; one number with `d` (24 hours), `w`, `M` (30 days), `y` (365 days), or nothing for
  /// seconds; `YYYY-MM-DD`, that with `HH:MM:SS` behind a blank or a `T` (both in the local zone),
  /// and RFC 3339. A number may be negative.
  package init?(_ text: String) {
    let bytes = Array(text.utf8)
    if text == "off" {
      self = .off
    } else if let span = AgeText.compound(bytes[...]) ?? AgeText.single(bytes[...]) {
      self = .nanoseconds(span)
    } else if let time = AgeText.date(text) {
      self = .since(time)
    } else {
      return nil
    }
  }

  /// The earliest or latest time that lies this span before `now`; nil for `off`.
  package func time(before now: WallTime) -> WallTime? {
    switch self {
    case .off: return nil
    case .since(let time): return time
    case .nanoseconds(let span):
      var seconds = now.seconds - span / 1_000_000_000
      var rest = Int64(now.nanoseconds) - span % 1_000_000_000
      if rest < 0 { (seconds, rest) = (seconds - 1, rest + 1_000_000_000) }
      if rest >= 1_000_000_000 { (seconds, rest) = (seconds + 1, rest - 1_000_000_000) }
      return WallTime(seconds: seconds, nanoseconds: Int32(rest))
    }
  }

  private static let units: [(name: [UInt8], nanoseconds: Double)] = [
    ("ns", 1), ("us", 1e3), ("µs", 1e3), ("μs", 1e3), ("ms", 1e6), ("s", 1e9), ("m", 60e9),
    ("h", 3600e9),
  ].map { (Array($0.0.utf8), $0.1) }

  private static func compound(_ text: ArraySlice<UInt8>) -> Int64? {
    var rest = text
    var sign = 1.0
    if let first = rest.first, first == UInt8(ascii: "-") || first == UInt8(ascii: "+") {
      sign = first == UInt8(ascii: "-") ? -1 : 1
      rest.removeFirst()
    }
    if rest.elementsEqual("0".utf8) { return 0 }
    guard !rest.isEmpty else { return nil }
    var total = 0.0
    while !rest.isEmpty {
      let number = rest.prefix { (0x30...0x39).contains($0) || $0 == UInt8(ascii: ".") }
      guard let value = GoNumber.float(number) else { return nil }
      rest.removeFirst(number.count)
      let name = rest.prefix { !(0x30...0x39).contains($0) && $0 != UInt8(ascii: ".") }
      guard let unit = units.first(where: { name.elementsEqual($0.name) }) else { return nil }
      rest.removeFirst(name.count)
      total += value * unit.nanoseconds
    }
    return whole(total * sign)
  }

  private static func single(_ text: ArraySlice<UInt8>) -> Int64? {
    let days: [UInt8: Double] = [
      UInt8(ascii: "d"): 1, UInt8(ascii: "w"): 7, UInt8(ascii: "M"): 30, UInt8(ascii: "y"): 365,
    ]
    guard let last = text.last else { return nil }
    guard let count = days[last] else {
      return GoNumber.float(text).flatMap { whole($0 * 1e9) }
    }
    return GoNumber.float(text.dropLast()).flatMap { whole($0 * count * daySeconds * 1e9) }
  }

  private static func whole(_ nanoseconds: Double) -> Int64? {
    abs(nanoseconds) < 0x1p63 ? Int64(nanoseconds) : nil
  }

  private static func date(_ text: String) -> WallTime? {
    if let time = WallTime(rfc3339: text) { return time }
    let bytes = Array(text.utf8)
    let completed =
      switch bytes.count {
      case 10: text + "T00:00:00Z"
      case 19 where bytes[10] == 0x20 || bytes[10] == UInt8(ascii: "T"):
        String(text.prefix(10) + "T" + text.suffix(8) + "Z")
      default: ""
      }
    return WallTime(rfc3339: completed).map { local($0) }
  }

  /// The instant at which clocks of the local zone show what `time` shows in Greenwich.
  private static func local(_ time: WallTime) -> WallTime {
    var seconds = time_t(time.seconds)
    var calendar = tm()
    guard gmtime_r(&seconds, &calendar) != nil else { return time }
    calendar.tm_isdst = -1
    return WallTime(seconds: Int64(mktime(&calendar)), nanoseconds: 0)
  }
}
