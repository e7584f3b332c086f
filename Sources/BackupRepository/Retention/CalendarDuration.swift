/// A length of time in units of the calendar, as `--keep-within` takes it: `2y5m7d3h`.
package struct CalendarDuration: Sendable, Hashable, CustomStringConvertible {
  package let years: Int
  package let months: Int
  package let days: Int
  package let hours: Int

  /// The largest number before a unit. A million years of hours do not overflow the arithmetic, and
  /// nobody keeps backups for so long.
  package static let unitCountMax = 100_000_000

  package static let zero = CalendarDuration(years: 0, months: 0, days: 0, hours: 0)

  /// Counts are clamped to 0...``unitCountMax``.
  package init(years: Int = 0, months: Int = 0, days: Int = 0, hours: Int = 0) {
    func clamped(_ count: Int) -> Int { min(max(count, 0), CalendarDuration.unitCountMax) }
    self.years = clamped(years)
    self.months = clamped(months)
    self.days = clamped(days)
    self.hours = clamped(hours)
  }

  /// Reads numbers each with its unit `y`, `m`, `d` or `h`, in any order; of a unit given twice the
  /// last counts, as in restic. The empty text is zero.
  ///
  /// - Throws: `RetentionError.invalidDuration`; also for a negative number, which restic refuses
  ///   for every `--keep-within`.
  package init(parsing text: String) throws(RetentionError) {
    func refusal(_ reason: String) -> RetentionError {
      .invalidDuration(text: text, reason: reason)
    }
    var counts: [UInt8: Int] = [:]
    var number: Int?
    for byte in text.utf8.trimmingSpaces {
      switch byte {
      case UInt8(ascii: "0")...UInt8(ascii: "9"):
        let value = (number ?? 0) * 10 + Int(byte - UInt8(ascii: "0"))
        guard value <= CalendarDuration.unitCountMax else {
          throw refusal("a number is larger than \(CalendarDuration.unitCountMax)")
        }
        number = value
      case UInt8(ascii: "y"), UInt8(ascii: "m"), UInt8(ascii: "d"), UInt8(ascii: "h"):
        guard let count = number else { throw refusal("no number before a unit") }
        counts[byte] = count
        number = nil
      case UInt8(ascii: "-"):
        throw refusal("negative values are not allowed")
      default:
        throw refusal(number == nil ? "no number found" : "the unit is none of y, m, d, h")
      }
    }
    if let number { throw refusal("no unit found after number \(number)") }
    self.init(
      years: counts[UInt8(ascii: "y")] ?? 0, months: counts[UInt8(ascii: "m")] ?? 0,
      days: counts[UInt8(ascii: "d")] ?? 0, hours: counts[UInt8(ascii: "h")] ?? 0)
  }

  package var isZero: Bool { self == .zero }

  /// The units in order, those that are zero left out: `1y1m1d`.
  package var description: String {
    let units = [(years, "y"), (months, "m"), (days, "d"), (hours, "h")]
    return units.filter { $0.0 != 0 }.map { "\($0.0)\($0.1)" }.joined()
  }
}

extension Collection<UInt8> where Self: BidirectionalCollection {
  /// Without the white space at both ends.
  var trimmingSpaces: SubSequence {
    func isSpace(_ byte: UInt8) -> Bool { byte == 0x20 || (0x09...0x0d).contains(byte) }
    let head = self.drop(while: isSpace)
    guard let last = head.lastIndex(where: { !isSpace($0) }) else { return head }
    return head[...last]
  }
}
