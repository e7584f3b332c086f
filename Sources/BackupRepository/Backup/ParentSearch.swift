/// Finds the snapshot that a backup compares files with.
///
/// The newest of the same host whose paths include all targets and that is not younger than the new
/// one; of several of one time the last. Source: the restic repository format, "backup rules".
enum ParentSearch {
  static func parent(
    of snapshots: [StoredSnapshot], host: String, paths: [String], notAfter time: GoTime
  ) -> StoredSnapshot? {
    var found: StoredSnapshot?
    for snapshot in snapshots {
      let record = snapshot.record
      guard record.hostname == host, !time.isBefore(record.time),
        Set(record.paths).isSuperset(of: paths)
      else { continue }
      if let best = found, record.time.isBefore(best.record.time) { continue }
      found = snapshot
    }
    return found
  }
}
