import BackupRepository
import Platform

/// The restore of a volume (VolSync reference 8.3). Nothing is made where there is no repository,
/// and finding no snapshot is a failure that lists those there are.
struct ResticRestoreRun {
  private let access: ResticAccess
  private let root: String
  private let job: ResticJob.Restore

  init(_ access: ResticAccess, _ root: String, _ job: ResticJob.Restore) {
    self.access = access
    self.root = root
    self.job = job
  }

  /// Runs to the end; blocks.
  /// - Throws: `RepositoryError`, also when something could not be restored.
  func run() throws(RepositoryError) -> ResticSummary {
    let options = try options()
    return try access.holding(.shared, of: try access.open()) {
      (repository) throws(RepositoryError) in
      let snapshot = try chosen(from: repository)
      access.tell(
        .note("restoring snapshot \(snapshot.id.short) of \(snapshot.record.time.text)"))
      let report = try Restore(
        repository, snapshot.record, options, isCancelled: access.isCancelled
      ) { [tell = access.tell] event in
        if case .problem(let problem) = event {
          tell(.warning(path: printable(problem.path), message: problem.message))
        }
      }.run()
      access.tell(.note("restored snapshot \(snapshot.id.short) successfully"))
      return ResticRestoreRun.summary(of: report, snapshot)
    }
  }

  private func options() throws(RepositoryError) -> RestoreOptions {
    var options = RestoreOptions(target: root)
    guard job.deletesExtra else { return options }
    options.deletesExtra = true
    // The file system's own directory, which no backup of a volume has.
    options.excludes = PathPatterns(
      try ResticJob.excludes.map { (name) throws(RepositoryError) in try PathPattern("/\(name)") })
    return options
  }

  private func chosen(from repository: Repository) throws(RepositoryError) -> StoredSnapshot {
    let all = try repository.snapshots(try repository.makeCodec()) { [tell = access.tell] in
      tell(.warning(path: "snapshot \($0.short)", message: $1.description))
    }
    let found: RetentionSnapshot
    do throws(RetentionError) {
      found = try SnapshotChoice.restorePoint(
        in: all.map(RetentionSnapshot.init),
        filter: SnapshotFilter(paths: [ResticJob.recordedPath]),
        asOf: job.asOfSeconds.map { CivilTime(seconds: $0) }, previous: job.previous)
    } catch {
      throw .other(error)
    }
    guard let snapshot = all.first(where: { $0.id == found.id }) else {
      preconditionFailure("a chosen snapshot is one of those given")
    }
    return snapshot
  }

  private static func summary(
    of report: RestoreReport, _ snapshot: StoredSnapshot
  ) -> ResticSummary {
    var summary = ResticSummary(.restore)
    summary.snapshot = snapshot.id.hex
    summary.fileCount = Int64(report.filesRestored + report.filesUnchanged)
    summary.sizeBytes = report.bytesTotal
    summary.sizeBytesAdded = report.bytesWritten
    summary.entryCountDeleted = report.entriesDeleted
    return summary
  }
}
