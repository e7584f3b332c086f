/// Finding one snapshot in a list: by reference, as a parent, or by time.
package enum SnapshotChoice {
  /// Identifiers and snapshots that a message lists; more help nobody.
  package static let listedCountMax = 20

  /// The snapshot that a reference means. The filter counts only for `latest`, as in restic.
  ///
  /// - Throws: `RetentionError.noSnapshot`, `.ambiguous`, `.noneSelected`.
  package static func find(
    _ reference: SnapshotReference, in snapshots: [RetentionSnapshot],
    filter: SnapshotFilter = SnapshotFilter()
  ) throws(RetentionError) -> RetentionSnapshot {
    switch reference.name {
    case .latest(let skipped):
      let fitting = newestFirst(snapshots.filter(filter.matches))
      guard skipped < fitting.count else {
        throw nothing(of: snapshots, for: filter, skipping: skipped)
      }
      // Of snapshots of one time the last in the list is the latest, as in restic.
      guard skipped == 0, let latest = latest(in: snapshots, filter: filter) else {
        return fitting[skipped]
      }
      return latest
    case .prefix(let prefix):
      return try find(prefix: prefix, in: snapshots)
    }
  }

  private static func find(
    prefix: String, in snapshots: [RetentionSnapshot]
  ) throws(RetentionError) -> RetentionSnapshot {
    let found = snapshots.filter { $0.id.hex.hasPrefix(prefix) }
    guard let first = found.first else { throw .noSnapshot(reference: prefix) }
    guard found.allSatisfy({ $0.id == first.id }) else {
      let shown = prefix.utf8.count < 8 ? 8 : 64
      let names = found.prefix(listedCountMax).map { String($0.id.hex.prefix(shown)) }
      throw .ambiguous(prefix: prefix, candidates: names)
    }
    return first
  }

  /// The newest fitting snapshot, not newer than `limit`; of one time the last in the list.
  ///
  /// This is the parent of a backup, with the filter of its host and paths.
  package static func latest(
    in snapshots: [RetentionSnapshot], filter: SnapshotFilter, notAfter limit: CivilTime? = nil
  ) -> RetentionSnapshot? {
    var latest: RetentionSnapshot?
    for snapshot in snapshots where filter.matches(snapshot) {
      if let limit, snapshot.time.isAfter(limit) { continue }
      if let latest, latest.time.isAfter(snapshot.time) { continue }
      latest = snapshot
    }
    return latest
  }

  /// The snapshot to restore: the newest fitting one, or with `asOf` the newest whose time, cut to
  /// seconds, is not later than that; then `previous` more are skipped.
  ///
  /// The seconds are VolSync's way; but two snapshots of one second do not hide each other here.
  /// A negative `previous` counts as 0.
  /// - Throws: `RetentionError.noneSelected`, which lists what there is.
  package static func restorePoint(
    in snapshots: [RetentionSnapshot], filter: SnapshotFilter, asOf: CivilTime? = nil,
    previous: Int = 0
  ) throws(RetentionError) -> RetentionSnapshot {
    let eligible = snapshots.filter { snapshot in
      filter.matches(snapshot) && asOf.map { snapshot.time.seconds <= $0.seconds } ?? true
    }
    let skipped = max(0, previous)
    guard skipped < eligible.count else {
      throw nothing(of: snapshots, for: filter, asOf: asOf, skipping: skipped)
    }
    return newestFirst(eligible)[skipped]
  }

  private static func nothing(
    of snapshots: [RetentionSnapshot], for filter: SnapshotFilter, asOf: CivilTime? = nil,
    skipping skipped: Int
  ) -> RetentionError {
    var wanted = filter.description
    if let asOf { wanted += ", not after \(asOf)" }
    if skipped > 0 { wanted += ", \(skipped) newer ones skipped" }
    let available = newestFirst(snapshots).prefix(listedCountMax).map { snapshot in
      "\(snapshot.id.short) of \(snapshot.time), host \(snapshot.hostname), "
        + "paths [\(snapshot.paths.joined(separator: ", "))]"
    }
    return .noneSelected(filter: wanted, available: available)
  }
}

extension CivilTime: CustomStringConvertible {
  /// For people: `2016-01-18 23:30:00 -05:00`, the zone left out in UTC.
  package var description: String {
    func pad(_ value: Int, _ width: Int = 2) -> String {
      let text = String(value)
      return String(repeating: "0", count: max(0, width - text.utf8.count)) + text
    }
    let fields = calendar
    let minutes = Int(zoneOffsetSeconds.magnitude) / 60
    let zone =
      minutes == 0
      ? "" : " \(zoneOffsetSeconds < 0 ? "-" : "+")\(pad(minutes / 60)):\(pad(minutes % 60))"
    return "\(pad(Int(fields.year), 4))-\(pad(fields.month))-\(pad(fields.day)) "
      + "\(pad(fields.hour)):\(pad(fields.secondOfDay / 60 % 60)):\(pad(fields.secondOfDay % 60))"
      + zone
  }
}
