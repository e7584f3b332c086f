import Control
package import Manifests
package import Platform
package import StateStore

/// What a daemon's metrics are made of; told by the daemon, read by whoever asks for the text. Safe
/// to use from any thread.
package final class MetricsRegister: @unchecked Sendable {
  /// Relationships with metrics of their own; the text says how many are left out. A bound on what
  /// one scrape can grow to: some 40 MB.
  package static let relationshipCountMax = 10_000

  private let version: String
  private let started: WallTime
  private let lock = Lock()
  private let condition: Condition
  // Guarded by `lock`.
  private var figures: [ObjectKey: RelationshipFigures] = [:]
  private var omittedCount = 0
  private var revision = 0

  /// `version` is that of the program, `started` when it began.
  package init(version: String, started: WallTime) {
    self.version = version
    self.started = started
    condition = Condition(lock)
  }

  /// Takes over what is served from now on. `history` gives the runs of one that is new, oldest
  /// first; it is asked before this returns.
  package func serve(
    _ relationships: [Relationship], history: (ObjectKey) -> [RunRecord]
  ) {
    let sorted = relationships.sorted { $0.key.sortKey < $1.key.sortKey }
    let kept = sorted.prefix(MetricsRegister.relationshipCountMax)
    let known = lock.withLock { figures }
    var next: [ObjectKey: RelationshipFigures] = [:]
    for relationship in kept {
      if let old = known[relationship.key]?.relationship, old.uid == relationship.uid,
        old.section == relationship.section
      {
        continue
      }
      next[relationship.key] = RelationshipFigures(
        relationship, history: history(relationship.key))
    }
    lock.withLock {
      for relationship in kept where next[relationship.key] == nil {
        // As it is now: runs may have ended meanwhile.
        guard var entry = figures[relationship.key] else { continue }
        var relationship = relationship
        relationship.status = entry.relationship.status
        entry.relationship = relationship
        next[relationship.key] = entry
      }
      figures = next
      omittedCount = sorted.count - kept.count
      note()
    }
  }

  /// A status as it was stored.
  package func note(status: JSONObject, of key: ObjectKey) {
    let status = ReplicationStatus(document: status, section: nil)
    lock.withLock { figures[key]?.relationship.status = status }
  }

  /// A run that has ended.
  package func note(_ run: RunRecord, of key: ObjectKey) {
    lock.withLock {
      figures[key]?.add(run)
      note()
    }
  }

  /// Under the lock.
  private func note() {
    revision += 1
    condition.broadcast()
  }

  /// Waits until a run has ended, or something else is served, since a revision, or until a time;
  /// the revision now.
  func waitForChange(after seen: Int, until deadline: MonotonicTime) -> Int {
    lock.withLock {
      while revision <= seen, condition.wait(until: deadline) {}
      return revision
    }
  }

  /// Ends a ``waitForChange(after:until:)`` under way.
  func wake() { lock.withLock { note() } }

  /// The text at a time.
  package func text(at now: WallTime) -> [UInt8] {
    let (all, omitted) = lock.withLock { (figures, omittedCount) }
    let sorted = all.sorted { $0.key.sortKey < $1.key.sortKey }.map(\.value)
    var writer = MetricsWriter()
    for family in MetricFamily.all { family.write(sorted, at: now, to: &writer) }
    writer.family("drover_relationships", .gauge, "Sources and destinations that are served.")
    writer.sample("drover_relationships", "", Double(sorted.count))
    writer.family(
      "drover_relationships_omitted", .gauge,
      "Sources and destinations beyond the limit of \(MetricsRegister.relationshipCountMax),"
        + " which have no metrics.")
    writer.sample("drover_relationships_omitted", "", Double(omitted))
    writer.family("drover_start_time_seconds", .gauge, "When the daemon began, since 1970.")
    writer.sample("drover_start_time_seconds", "", started.secondsSince1970)
    writer.family("drover_build_info", .gauge, "The version of the program; always 1.")
    writer.sample("drover_build_info", MetricsWriter.labels([("version", version)]), 1)
    return writer.bytes
  }
}

extension WallTime {
  var secondsSince1970: Double { Double(seconds) + Double(nanoseconds) / 1e9 }
}

extension ObjectKey {
  /// By namespace, name and kind.
  fileprivate var sortKey: String { "\(namespace ?? "")/\(name)/\(kind)" }
}
