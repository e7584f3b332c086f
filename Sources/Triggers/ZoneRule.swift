import Platform

/// How a zone goes on for ever, as POSIX writes it in `TZ`: `CET-1CEST,M3.5.0,M10.5.0/3`.
struct ZoneRule: Sendable, Equatable {
  /// A day of every year.
  private enum Day: Equatable {
    /// 1 to 365; 29 February is never counted.
    case julian(Int)
    /// 0 to 365; 29 February is counted.
    case ofYear(Int)
    /// The `week`-th such day of the week in a month; 5 is the last. Sunday is 0.
    case ofMonth(month: Int, week: Int, weekday: Int)
  }

  private struct Change: Equatable {
    var day: Day
    /// Of the local time before the change; may be negative, or more than a day.
    var secondOfDay: Int64 = 7200
  }

  private struct Summer: Equatable {
    var offsetSeconds: Int32
    var start: Change
    var end: Change
  }

  private let standardOffsetSeconds: Int32
  private var summer: Summer?

  /// nil when the text is no such rule.
  init?(_ text: String) {
    var reader = RuleReader(text)
    guard reader.name(), let west = reader.offset() else { return nil }
    standardOffsetSeconds = Int32(-west)
    if reader.isAtEnd { return }
    guard reader.name() else { return nil }
    var summerOffset = standardOffsetSeconds + 3600
    if !reader.isAtEnd, reader.peek != UInt8(ascii: ",") {
      guard let west = reader.offset() else { return nil }
      summerOffset = Int32(-west)
    }
    // Without dates the rules of the United States hold, as glibc has it.
    var start = Change(day: .ofMonth(month: 3, week: 2, weekday: 0))
    var end = Change(day: .ofMonth(month: 11, week: 1, weekday: 0))
    if !reader.isAtEnd {
      guard let first = ZoneRule.change(&reader), let second = ZoneRule.change(&reader) else {
        return nil
      }
      (start, end) = (first, second)
    }
    guard reader.isAtEnd else { return nil }
    summer = Summer(offsetSeconds: summerOffset, start: start, end: end)
  }

  private static func change(_ reader: inout RuleReader) -> Change? {
    guard reader.skip(UInt8(ascii: ",")), let day = day(&reader) else { return nil }
    var change = Change(day: day)
    if reader.skip(UInt8(ascii: "/")) {
      guard let time = reader.offset() else { return nil }
      change.secondOfDay = Int64(time)
    }
    return change
  }

  private static func day(_ reader: inout RuleReader) -> Day? {
    if reader.skip(UInt8(ascii: "J")) {
      return reader.number().flatMap { (1...365).contains($0) ? .julian($0) : nil }
    }
    guard reader.skip(UInt8(ascii: "M")) else {
      return reader.number().flatMap { (0...365).contains($0) ? .ofYear($0) : nil }
    }
    guard let month = reader.number(), reader.skip(UInt8(ascii: ".")),
      let week = reader.number(), reader.skip(UInt8(ascii: ".")), let weekday = reader.number(),
      (1...12).contains(month), (1...5).contains(week), (0...6).contains(weekday)
    else { return nil }
    return .ofMonth(month: month, week: week, weekday: weekday)
  }

  func period(at time: Int64) -> TimeZone.Period {
    guard let summer else { return TimeZone.Period(offsetSeconds: standardOffsetSeconds, end: nil) }
    let year = CalendarTime(secondsSinceEpoch: time).year
    // Sorted: in the south summer ends before it begins, and times of day may be negative.
    let changes = (year - 1...year + 1).flatMap { self.changes(of: $0, summer) }
      .sorted { $0.time < $1.time }
    let next = changes.firstIndex { $0.time > time } ?? changes.count
    return TimeZone.Period(
      offsetSeconds: next > 0 ? changes[next - 1].offsetSeconds : standardOffsetSeconds,
      end: next < changes.count ? changes[next].time : nil)
  }

  private func changes(of year: Int64, _ summer: Summer) -> [TimeZone.Transition] {
    [
      TimeZone.Transition(
        time: ZoneRule.days(summer.start.day, year) * 86_400 + summer.start.secondOfDay
          - Int64(standardOffsetSeconds),
        offsetSeconds: summer.offsetSeconds),
      TimeZone.Transition(
        time: ZoneRule.days(summer.end.day, year) * 86_400 + summer.end.secondOfDay
          - Int64(summer.offsetSeconds),
        offsetSeconds: standardOffsetSeconds),
    ]
  }

  /// Days since 1970-01-01.
  private static func days(_ day: Day, _ year: Int64) -> Int64 {
    let newYear = CalendarTime.days(year: year, month: 1, day: 1)
    switch day {
    case .ofYear(let number): return newYear + Int64(number)
    case .julian(let number):
      let march = CalendarTime.days(year: year, month: 3, day: 1)
      return number < 60 ? newYear + Int64(number - 1) : march + Int64(number - 60)
    case .ofMonth(let month, let week, let weekday):
      let first = CalendarTime.days(year: year, month: month, day: 1)
      let next = CalendarTime.days(
        year: month == 12 ? year + 1 : year, month: month % 12 + 1, day: 1)
      // 1970-01-01 was a Thursday, 4 when Sunday is 0.
      let firstWeekday = (first + 4).quotientAndRemainder(flooringBy: 7).remainder
      let shift = (Int64(weekday) - firstWeekday + 7) % 7
      let found = first + shift + Int64(week - 1) * 7
      return found < next ? found : found - 7
    }
  }
}

/// The signs of a rule, one after the other.
private struct RuleReader {
  private var rest: ArraySlice<UInt8>

  init(_ text: String) { rest = Array(text.utf8)[...] }

  var isAtEnd: Bool { rest.isEmpty }
  var peek: UInt8? { rest.first }

  mutating func skip(_ byte: UInt8) -> Bool {
    guard rest.first == byte else { return false }
    rest.removeFirst()
    return true
  }

  /// At least three letters, or anything in angle brackets.
  mutating func name() -> Bool {
    if skip(UInt8(ascii: "<")) {
      guard let end = rest.firstIndex(of: UInt8(ascii: ">")) else { return false }
      defer { rest = rest[(end + 1)...] }
      return end - rest.startIndex >= 3
    }
    let letters = rest.prefix {
      (UInt8(ascii: "a")...UInt8(ascii: "z")).contains($0 | 0x20)
    }
    rest = rest.dropFirst(letters.count)
    return letters.count >= 3
  }

  mutating func number() -> Int? {
    let digits = rest.prefix { (0x30...0x39).contains($0) }
    guard (1...3).contains(digits.count) else { return nil }
    rest = rest.dropFirst(digits.count)
    return digits.reduce(0) { $0 * 10 + Int($1 - 0x30) }
  }

  /// `[+-]hh[:mm[:ss]]` in seconds; at most a week, as RFC 8536 allows.
  mutating func offset() -> Int? {
    let isNegative = skip(UInt8(ascii: "-"))
    if !isNegative { _ = skip(UInt8(ascii: "+")) }
    guard let hours = number(), hours <= 167 else { return nil }
    var seconds = hours * 3600
    for unit in [60, 1] {
      guard skip(UInt8(ascii: ":")) else { break }
      guard let part = number(), part < 60 else { return nil }
      seconds += part * unit
    }
    return isNegative ? -seconds : seconds
  }
}
