/// How many snapshots a rule keeps.
package enum KeepCount: Sendable, Equatable {
  case atMost(Int)
  case unlimited

  package static let none = KeepCount.atMost(0)

  /// Reads a number, `unlimited`, or restic's `-1` for unlimited.
  ///
  /// - Throws: `RetentionError.invalidCount`.
  package init(parsing text: String) throws(RetentionError) {
    if text == "unlimited" || text == "-1" {
      self = .unlimited
    } else if let count = Int(text), count >= 0 {
      self = .atMost(count)
    } else {
      throw .invalidCount(text: text)
    }
  }

  /// A count as manifests store it; -1 is unlimited, other negative numbers keep nothing.
  package init(_ count: Int) {
    self = count == -1 ? .unlimited : .atMost(max(0, count))
  }

  var hasSomeLeft: Bool { self != .none }

  /// As restic prints it in its JSON: the number left, -1 for unlimited.
  package var number: Int {
    switch self {
    case .atMost(let count): count
    case .unlimited: -1
    }
  }

  mutating func takeOne() {
    if case .atMost(let count) = self, count > 0 { self = .atMost(count - 1) }
  }
}

/// Which snapshots forget keeps; a snapshot that any rule keeps is kept.
package struct RetentionPolicy: Sendable, Equatable {
  package var last = KeepCount.none
  package var hourly = KeepCount.none
  package var daily = KeepCount.none
  package var weekly = KeepCount.none
  package var monthly = KeepCount.none
  package var yearly = KeepCount.none
  /// Everything that is newer than the newest snapshot less this.
  package var within = CalendarDuration.zero
  package var withinHourly = CalendarDuration.zero
  package var withinDaily = CalendarDuration.zero
  package var withinWeekly = CalendarDuration.zero
  package var withinMonthly = CalendarDuration.zero
  package var withinYearly = CalendarDuration.zero
  /// Snapshots that have all tags of one of the lists.
  package var tags: [TagList] = []

  package init() {}

  /// No rule at all; such a policy removes nothing.
  package var isEmpty: Bool { self == RetentionPolicy() }
}

/// Tags that a snapshot must all have; an empty tag is fulfilled by having no tags.
package struct TagList: Sendable, Equatable, CustomStringConvertible {
  package var tags: [String]

  package init(_ tags: [String]) { self.tags = tags }

  /// Splits at commas; white space around a tag does not count. The empty text is one empty tag.
  package init(parsing text: String) {
    tags = text.utf8.split(separator: UInt8(ascii: ","), omittingEmptySubsequences: false)
      .map { String(decoding: $0.trimmingSpaces, as: UTF8.self) }
  }

  package func isFulfilled(by tags: [String]) -> Bool {
    for tag in self.tags {
      if tag.isEmpty, tags.isEmpty { return true }
      guard tags.containsExactly(tag) else { return false }
    }
    return true
  }

  package var description: String { "[\(tags.joined(separator: ", "))]" }
}
