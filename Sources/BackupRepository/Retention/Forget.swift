package import Platform

/// Which snapshots forget looks at, and what becomes of them.
package struct ForgetOptions: Sendable {
  package enum Choice: Sendable {
    /// Those that the policy does not keep, group by group.
    case policy(
      RetentionPolicy, grouping: SnapshotGrouping = .standard,
      emptyPolicy: EmptyPolicyMeaning = .keepEverything)
    /// These, whatever they are; also the last one, as whoever names it wants it gone.
    case named([SnapshotID])
  }

  package var choice: Choice
  /// Only snapshots that fit; with ``Choice/named(_:)`` it has no meaning.
  package var filter = SnapshotFilter()
  package var isDryRun = false
  package var clock: any Clock = SystemClock()
  package var isCancelled: @Sendable () -> Bool = { false }

  package init(_ choice: Choice) { self.choice = choice }
}

/// The outcome of forget.
package struct ForgetReport: Sendable {
  /// What the policy decided; empty for named snapshots.
  package var groups: [ForgetGroup] = []
  /// What was removed, or would have been.
  package var removed: [SnapshotID] = []
  /// Snapshots that cannot be read: no policy removes them. Empty when the caller read them.
  package var damaged: [(id: SnapshotID, error: RepositoryError)] = []
  package var isDryRun = false
}

/// Removes snapshots. What only they have used stays until a prune.
///
/// The caller holds an exclusive lock.
package struct Forget {
  private let repository: Repository
  private let options: ForgetOptions
  private let snapshots: [StoredSnapshot]?

  /// `snapshots` are all that can be read, when the caller has read them under the same lock.
  package init(
    _ repository: Repository, _ options: ForgetOptions, snapshots: [StoredSnapshot]? = nil
  ) {
    self.repository = repository
    self.options = options
    self.snapshots = snapshots
  }

  package func run() throws(RepositoryError) -> ForgetReport {
    var report = ForgetReport()
    report.isDryRun = options.isDryRun
    switch options.choice {
    case .named(let ids): report.removed = try existing(ids)
    case .policy(let policy, let grouping, let emptyPolicy):
      try decide(policy, grouping, emptyPolicy, &report)
    }
    guard !options.isDryRun, !report.removed.isEmpty else { return report }
    for id in report.removed {
      if options.isCancelled() { throw .cancelled }
      try repository.remove(id)
    }
    try repository.synchronize()
    return report
  }

  private func existing(_ ids: [SnapshotID]) throws(RepositoryError) -> [SnapshotID] {
    let there = Set(try repository.list(SnapshotID.self))
    var seen: Set<SnapshotID> = []
    for id in ids where !there.contains(id) {
      throw .other(RetentionError.noSnapshot(reference: id.hex))
    }
    return ids.filter { seen.insert($0).inserted }
  }

  private func decide(
    _ policy: RetentionPolicy, _ grouping: SnapshotGrouping, _ emptyPolicy: EmptyPolicyMeaning,
    _ report: inout ForgetReport
  ) throws(RepositoryError) {
    if policy.isEmpty, emptyPolicy == .removeEverything, options.filter.isEmpty {
      throw .usage("removing all snapshots asks for a filter: --host, --path or --tag")
    }
    let all: [StoredSnapshot]
    if let snapshots { all = snapshots } else { all = try readSnapshots(&report) }
    let fitting = all.map(RetentionSnapshot.init).filter(options.filter.matches)
    let now = options.clock.wallTime()
    do throws(RetentionError) {
      let plan = try ForgetPlan(
        fitting, policy: policy, grouping: grouping,
        now: CivilTime(seconds: now.seconds, nanoseconds: now.nanoseconds),
        emptyPolicy: emptyPolicy)
      report.groups = plan.groups
      report.removed = plan.removed.map(\.id)
    } catch {
      throw .other(error)
    }
  }

  private func readSnapshots(
    _ report: inout ForgetReport
  ) throws(RepositoryError) -> [StoredSnapshot] {
    var damaged: [(id: SnapshotID, error: RepositoryError)] = []
    let all = try repository.snapshots(try repository.makeCodec()) { damaged.append(($0, $1)) }
    report.damaged = damaged
    return all
  }
}

extension RetentionSnapshot {
  /// What a stored snapshot tells.
  package init(_ snapshot: StoredSnapshot) {
    self.init(
      id: snapshot.id, time: CivilTime(snapshot.record.time),
      hostname: snapshot.record.hostname, paths: snapshot.record.paths,
      tags: snapshot.record.tags)
  }
}
