import Platform
import Testing

@testable import BackupRepository

/// The decisions of the real program, read from `fixtures/restic/forget-vectors.json`.
@Suite struct RetentionVectorTests {
  @Test func everyPolicyDecidesAsResticDoes() throws {
    let vectors = try ForgetVectors.load()
    #expect(vectors.snapshots.count == 34)
    #expect(vectors.cases.count == 46)
    for vector in vectors.cases {
      let name = "\(vector.groupBy) \(vector.arguments)"
      let plan = try ForgetPlan(
        vectors.snapshots, policy: vector.policy,
        grouping: SnapshotGrouping(parsing: vector.groupBy), now: time("2026-01-01T00:00:00Z"))
      #expect(plan.groups.count == vector.groups.count, "\(name)")
      for expected in vector.groups {
        let group = try #require(
          plan.groups.first { ($0.key.paths ?? []) == expected.paths }, "\(name)")
        #expect((group.key.hostname ?? "") == expected.host, "\(name)")
        #expect(group.keep.map { vectors.text(of: $0.snapshot) } == expected.kept, "\(name)")
        #expect(group.keep.map(\.matches) == expected.reasons, "\(name)")
        #expect(group.remove.map { vectors.text(of: $0) } == expected.removed, "\(name)")
      }
    }
  }

  @Test func theOrderOfTheListDoesNotMatter() throws {
    let vectors = try ForgetVectors.load()
    for vector in vectors.cases {
      let grouping = try SnapshotGrouping(parsing: vector.groupBy)
      func kept(_ snapshots: [RetentionSnapshot]) throws -> [[SnapshotID]] {
        let now = try time("2026-01-01T00:00:00Z")
        let plan = try ForgetPlan(snapshots, policy: vector.policy, grouping: grouping, now: now)
        return plan.groups.map { $0.keep.map(\.snapshot.id) }.sorted { $0[0] < $1[0] }
      }
      #expect(try kept(vectors.snapshots) == kept(vectors.snapshots.reversed()))
    }
  }
}

private struct ForgetVectors {
  struct Group {
    let host: String
    let paths: [String]
    let kept: [String]
    let reasons: [[String]]
    let removed: [String]
  }

  struct Case {
    let groupBy: String
    let arguments: [String]
    let groups: [Group]
    let policy: RetentionPolicy
  }

  let snapshots: [RetentionSnapshot]
  let texts: [SnapshotID: String]
  let cases: [Case]

  func text(of snapshot: RetentionSnapshot) -> String { texts[snapshot.id] ?? "?" }

  static func load() throws -> ForgetVectors {
    let root = try JSONValue(parsing: fixture("restic/forget-vectors.json"))
    let members = try #require(root.objectValue)
    var snapshots: [RetentionSnapshot] = []
    var texts: [SnapshotID: String] = [:]
    for (number, value) in (members["snapshots"]?.arrayValue ?? []).enumerated() {
      let fields = try #require(value.objectValue)
      let text = try #require(fields["time"]?.stringValue)
      let snapshot = try RetentionSnapshot(
        id: SnapshotID(words: (0, 0, 0, UInt64(number))), time: time(text),
        hostname: #require(fields["hostname"]?.stringValue), paths: strings(fields["paths"]),
        tags: strings(fields["tags"]))
      snapshots.append(snapshot)
      texts[snapshot.id] = text
    }
    let cases = try (members["cases"]?.arrayValue ?? []).map(readCase)
    return ForgetVectors(snapshots: snapshots, texts: texts, cases: cases)
  }

  private static func readCase(_ value: JSONValue) throws -> Case {
    let fields = try #require(value.objectValue)
    let arguments = strings(fields["args"])
    let groups = try (fields["groups"]?.arrayValue ?? []).map { value in
      let group = try #require(value.objectValue)
      let keep = try (group["keep"]?.arrayValue ?? []).map { try #require($0.arrayValue) }
      return Group(
        host: group["host"]?.stringValue ?? "", paths: strings(group["paths"]),
        kept: keep.compactMap { $0[0].stringValue }, reasons: keep.map { strings($0[1]) },
        removed: strings(group["remove"]))
    }
    return Case(
      groupBy: try #require(fields["group_by"]?.stringValue), arguments: arguments,
      groups: groups, policy: try policy(arguments))
  }

  private static func strings(_ value: JSONValue?) -> [String] {
    value?.arrayValue?.compactMap(\.stringValue) ?? []
  }

  private static func policy(_ arguments: [String]) throws -> RetentionPolicy {
    var policy = RetentionPolicy()
    for number in stride(from: 0, to: arguments.count, by: 2) {
      let value = arguments[number + 1]
      switch arguments[number] {
      case "--keep-last": policy.last = try KeepCount(parsing: value)
      case "--keep-hourly": policy.hourly = try KeepCount(parsing: value)
      case "--keep-daily": policy.daily = try KeepCount(parsing: value)
      case "--keep-weekly": policy.weekly = try KeepCount(parsing: value)
      case "--keep-monthly": policy.monthly = try KeepCount(parsing: value)
      case "--keep-yearly": policy.yearly = try KeepCount(parsing: value)
      case "--keep-within": policy.within = try CalendarDuration(parsing: value)
      case "--keep-within-hourly": policy.withinHourly = try CalendarDuration(parsing: value)
      case "--keep-within-daily": policy.withinDaily = try CalendarDuration(parsing: value)
      case "--keep-within-weekly": policy.withinWeekly = try CalendarDuration(parsing: value)
      case "--keep-within-monthly": policy.withinMonthly = try CalendarDuration(parsing: value)
      case "--keep-within-yearly": policy.withinYearly = try CalendarDuration(parsing: value)
      case "--keep-tag": policy.tags.append(TagList(parsing: value))
      default: Issue.record("unknown option \(arguments[number])")
      }
    }
    return policy
  }
}
