/// Whether a policy without rules keeps or removes: an explicit wish, never a default.
package enum EmptyPolicyMeaning: Sendable {
  case keepEverything
  /// restic's `--unsafe-allow-remove-all`; the caller demands a filter with it.
  case removeEverything
}

/// A snapshot that stays, and why.
package struct KeptSnapshot: Sendable, Equatable {
  /// What the rules have left after it, as restic shows it in its JSON.
  package struct Counters: Sendable, Equatable {
    package var last = 0
    package var hourly = 0
    package var daily = 0
    package var weekly = 0
    package var monthly = 0
    package var yearly = 0
  }

  package let snapshot: RetentionSnapshot
  /// In restic's words: `last snapshot`, `oldest monthly within 1y`, `has tags [foo]`.
  package let matches: [String]
  package let counters: Counters
}

/// What becomes of one group; both lists newest first.
package struct ForgetGroup: Sendable, Equatable {
  package let key: SnapshotGroupKey
  package let keep: [KeptSnapshot]
  package let remove: [RetentionSnapshot]
}

/// Which snapshots forget removes: a pure function of the snapshots, the policy and the time.
///
/// Source: the restic repository format, "forget / prune / check".
package struct ForgetPlan: Sendable, Equatable {
  package let groups: [ForgetGroup]

  /// Everything to remove, group by group.
  package var removed: [RetentionSnapshot] { groups.flatMap(\.remove) }

  /// Plans for snapshots in any order; of snapshots of one time the one given first counts as the
  /// newer one.
  ///
  /// `now` only tells which snapshots are of the future, made by a clock that was wrong: the
  /// `within` rules do not count from them, and keep them.
  /// - Throws: `RetentionError.wouldRemoveGroup` when a policy with rules would keep nothing of a
  ///   group.
  package init(
    _ snapshots: [RetentionSnapshot], policy: RetentionPolicy,
    grouping: SnapshotGrouping = .standard, now: CivilTime,
    emptyPolicy: EmptyPolicyMeaning = .keepEverything
  ) throws(RetentionError) {
    var groups: [ForgetGroup] = []
    for (key, members) in groupSnapshots(snapshots, by: grouping) {
      let sorted = newestFirst(members)
      if policy.isEmpty {
        groups.append(ForgetPlan.withoutPolicy(key, sorted, emptyPolicy))
        continue
      }
      var rules = RetentionRules(policy, newest: newestTime(sorted, before: now))
      var keep: [KeptSnapshot] = []
      var remove: [RetentionSnapshot] = []
      for (position, snapshot) in sorted.enumerated() {
        let matches = rules.matches(snapshot, at: position, isOldest: position == sorted.count - 1)
        if matches.isEmpty {
          remove.append(snapshot)
        } else {
          let kept = KeptSnapshot(snapshot: snapshot, matches: matches, counters: rules.counters)
          keep.append(kept)
        }
      }
      guard !keep.isEmpty else { throw .wouldRemoveGroup(group: key.description) }
      groups.append(ForgetGroup(key: key, keep: keep, remove: remove))
    }
    self.groups = groups
  }

  private static func withoutPolicy(
    _ key: SnapshotGroupKey, _ snapshots: [RetentionSnapshot], _ meaning: EmptyPolicyMeaning
  ) -> ForgetGroup {
    switch meaning {
    case .removeEverything:
      return ForgetGroup(key: key, keep: [], remove: snapshots)
    case .keepEverything:
      let keep = snapshots.map {
        KeptSnapshot(snapshot: $0, matches: ["policy is empty"], counters: .init())
      }
      return ForgetGroup(key: key, keep: keep, remove: [])
    }
  }
}

/// Newest first; of one time in the order given.
func newestFirst(_ snapshots: [RetentionSnapshot]) -> [RetentionSnapshot] {
  snapshots.enumerated().sorted { a, b in
    if a.element.time.isAfter(b.element.time) { return true }
    return !b.element.time.isAfter(a.element.time) && a.offset < b.offset
  }.map(\.element)
}

/// The time of the newest snapshot that is not of the future; without one, every `within` rule
/// reaches back to the beginning.
private func newestTime(_ sorted: [RetentionSnapshot], before now: CivilTime) -> CivilTime {
  sorted.first { now.isAfter($0.time) }?.time ?? .distantPast
}

/// The rules of a policy while the snapshots of one group go by, newest first.
private struct RetentionRules {
  private enum Period: Hashable {
    case each, hour, day, week, month, year

    /// The number of the period that a time falls in, within the zone of the time.
    func bucket(_ fields: CalendarFields, position: Int) -> [Int64] {
      switch self {
      case .each: return [Int64(position)]
      case .hour: return [fields.dayNumber, Int64(fields.hour)]
      case .day: return [fields.dayNumber]
      case .week:
        let week = fields.isoWeek
        return [week.year, Int64(week.week)]
      case .month: return [fields.year, Int64(fields.month)]
      case .year: return [fields.year]
      }
    }
  }

  private struct Rule {
    let period: Period
    var count: KeepCount
    /// Snapshots count only after this time; nil for all.
    let after: CivilTime?
    let reason: String
    var lastBucket: [Int64]?
  }

  private let tags: [TagList]
  private let within: (after: CivilTime, reason: String)?
  private var rules: [Rule]
  private let countedRuleCount = 6

  init(_ policy: RetentionPolicy, newest: CivilTime) {
    tags = policy.tags
    within =
      policy.within.isZero
      ? nil : (newest.subtracting(policy.within), "within \(policy.within)")
    let counted: [(Period, KeepCount, String)] = [
      (.each, policy.last, "last snapshot"), (.hour, policy.hourly, "hourly snapshot"),
      (.day, policy.daily, "daily snapshot"), (.week, policy.weekly, "weekly snapshot"),
      (.month, policy.monthly, "monthly snapshot"), (.year, policy.yearly, "yearly snapshot"),
    ]
    let limited: [(Period, CalendarDuration, String)] = [
      (.hour, policy.withinHourly, "hourly"), (.day, policy.withinDaily, "daily"),
      (.week, policy.withinWeekly, "weekly"), (.month, policy.withinMonthly, "monthly"),
      (.year, policy.withinYearly, "yearly"),
    ]
    rules = counted.map { Rule(period: $0.0, count: $0.1, after: nil, reason: $0.2) }
    for (period, duration, word) in limited where !duration.isZero {
      rules.append(
        Rule(
          period: period, count: .unlimited, after: newest.subtracting(duration),
          reason: "\(word) within \(duration)"))
    }
  }

  /// Why the snapshot is kept; empty when it is not. Uses up the rules that keep it.
  mutating func matches(
    _ snapshot: RetentionSnapshot, at position: Int, isOldest: Bool
  ) -> [String] {
    var matches = tags.filter { $0.isFulfilled(by: snapshot.tags) }.map { "has tags \($0)" }
    if let within, snapshot.time.isAfter(within.after) { matches.append(within.reason) }
    let fields = snapshot.time.calendar
    for number in rules.indices where rules[number].count.hasSomeLeft {
      if let after = rules[number].after, !snapshot.time.isAfter(after) { continue }
      let bucket = rules[number].period.bucket(fields, position: position)
      let isNew = bucket != rules[number].lastBucket
      // The oldest snapshot stays while a rule has something left, also in a period that has one
      // already: so the history reaches back as far as the counts allow.
      guard isNew || isOldest else { continue }
      rules[number].lastBucket = bucket
      rules[number].count.takeOne()
      matches.append(isNew ? rules[number].reason : "oldest \(rules[number].reason)")
    }
    return matches
  }

  var counters: KeptSnapshot.Counters {
    let left = rules.prefix(countedRuleCount).map(\.count.number)
    return KeptSnapshot.Counters(
      last: left[0], hourly: left[1], daily: left[2], weekly: left[3], monthly: left[4],
      yearly: left[5])
  }
}
