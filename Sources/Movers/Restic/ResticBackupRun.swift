import BackupRepository
import Control
import Platform

/// The backup of a volume: unlock if that is due, backup, forget, prune if that is due (VolSync
/// reference 8.1). The snapshot counts whatever becomes of what follows it.
struct ResticBackupRun {
  private let access: ResticAccess
  private let root: String
  private let job: ResticJob.Backup
  private let sourceGuard: SourceGuard?
  private let programVersion: String

  init(
    _ access: ResticAccess, _ root: String, _ job: ResticJob.Backup, sourceGuard: SourceGuard?,
    programVersion: String
  ) {
    self.access = access
    self.root = root
    self.job = job
    self.sourceGuard = sourceGuard
    self.programVersion = programVersion
  }

  /// Runs to the end; blocks.
  /// - Throws: `RepositoryError` when no snapshot was stored, or when the run was cancelled.
  func run() throws(RepositoryError) -> ResticSummary {
    let policy = try retention()
    try refuseEmptyVolume()
    let repository = try access.openOrCreate()
    if job.unlock != nil { try unlock(repository) }
    let report = try access.holding(.shared, of: repository) {
      (repository) throws(RepositoryError) in try backUp(into: repository)
    }
    var summary = ResticBackupRun.summary(of: report)
    access.tell(.note("snapshot \(summary.snapshot.prefix(8)) saved"))
    if report.isPartial {
      // What is lacking in the new snapshot may be in an older one alone.
      summary.shortfalls.append(
        "\(report.unreadableCount) files or directories could not be read; "
          + "no older snapshot was forgotten")
    } else {
      var snapshotCount: Int64?
      try afterwards("forget", &summary) { () throws(RepositoryError) in
        snapshotCount = try forget(policy, in: repository)
      }
      summary.snapshotCount = snapshotCount
    }
    var prunedAt: WallTime?
    if job.prunes {
      try afterwards("prune", &summary) { () throws(RepositoryError) in
        try prune(repository)
        prunedAt = SystemClock().wallTime()
      }
    }
    if job.prunes || report.parent == nil || access.isLocal {
      summary.repositoryBytes = packBytes(of: repository)
    }
    let upkeep = ResticUpkeep(prunes: job.prunes, unlock: job.unlock)
    summary.status = upkeep.completed(ResticStatus(), prunedAt: prunedAt)
    return summary
  }

  private func retention() throws(RepositoryError) -> RetentionPolicy {
    do throws(RetentionError) { return try job.retention.policy() } catch { throw .other(error) }
  }

  private func refuseEmptyVolume() throws(RepositoryError) {
    guard !job.allowEmptySource else { return }
    let excluded = ResticJob.excludes.map { Array($0.utf8) }
    let names: [[UInt8]]
    do throws(PlatformError) { names = try DirectoryNames.all(in: Array(root.utf8)) } catch {
      throw .platform(error)
    }
    guard names.allSatisfy(excluded.contains) else { return }
    throw .guarded(
      .emptySource,
      reason: "the volume is empty: nothing was stored or forgotten",
      hint: "Mount it, or allow it with the annotation drover.internal/allow-empty-source.")
  }

  private func unlock(_ repository: Repository) throws(RepositoryError) {
    let removed = try RepositoryLock.removeStaleLocks(
      repository, all: false, options: access.lockOptions)
    access.tell(.note("stale locks removed: \(removed.count)"))
  }

  // MARK: Backup

  private func backUp(into repository: Repository) throws(RepositoryError) -> BackupReport {
    let tell = access.tell
    return try Backup(repository, try options()) { event in
      switch event {
      case .parent(let parent?): tell(.note("using parent snapshot \(parent.id.short)"))
      case .problem(let problem):
        tell(.warning(path: printable(problem.path), message: problem.error.description))
      case .parent(nil), .progress, .item: break
      }
    }.run()
  }

  private func options() throws(RepositoryError) -> BackupOptions {
    let identity = LockIdentity.current()
    var options = BackupOptions()
    var volume = BackupRoot(
      directory: Array(root.utf8), recordedPath: ResticJob.recordedPath)
    volume.mayBeEmpty = job.allowEmptySource
    options.root = volume
    options.excludes = [
      PathPatterns(
        try ResticJob.excludes.map { (text) throws(RepositoryError) in try PathPattern(text) })
    ]
    options.excludeTexts = ResticJob.excludes
    if job.excludesCaches { options.markers = [.cache] }
    options.ignoresInode = job.readsCopy
    options.hostname = ResticJob.hostname
    options.username = identity.username
    options.userID = identity.userID
    options.groupID = identity.groupID
    options.programVersion = programVersion
    options.packSizeBytes = access.repository.packSizeBytes
    options.workerCount = BackupOptions.workerCount(
      readerCount: access.repository.readerCount)
    options.temporaryDirectory = access.temporaryDirectory
    options.isCancelled = access.isCancelled
    options.sourceGuard = sourceGuard
    return options
  }

  private static func summary(of report: BackupReport) -> ResticSummary {
    var summary = ResticSummary(.backup)
    summary.snapshot = report.snapshot?.id.hex ?? ""
    summary.fileCount = Int64(clamping: report.summary.totalFilesProcessed)
    summary.sizeBytes = Int64(clamping: report.summary.totalBytesProcessed)
    summary.sizeBytesAdded = Int64(clamping: report.summary.dataAddedPacked)
    return summary
  }

  // MARK: Upkeep

  /// Does a step that follows the snapshot; its failure is a shortfall, unless the run was
  /// cancelled.
  private func afterwards(
    _ name: String, _ summary: inout ResticSummary, _ step: () throws(RepositoryError) -> Void
  ) throws(RepositoryError) {
    do throws(RepositoryError) { try step() } catch {
      if error.kind == .cancelled { throw error }
      summary.shortfalls.append("\(name) failed: \(error.description)")
    }
  }

  /// The size of all packs; nil when they cannot be listed now. Takes a request for each thousand,
  /// so it is not done after every run.
  private func packBytes(of repository: Repository) -> Int64? {
    var sum: Int64 = 0
    do throws(RepositoryError) {
      try repository.list(PackID.self) { _, sizeBytes in sum += sizeBytes }
      return sum
    } catch {
      access.tell(.note("the size of the repository is not known: \(error.description)"))
      return nil
    }
  }

  /// Gives the count of snapshots of the volume that are left; nil without rules.
  private func forget(
    _ policy: RetentionPolicy, in repository: Repository
  ) throws(RepositoryError) -> Int64? {
    guard !policy.isEmpty else { return nil }
    var options = ForgetOptions(.policy(policy))
    options.filter = SnapshotFilter(
      hosts: [ResticJob.hostname], paths: [ResticJob.recordedPath])
    options.isCancelled = access.isCancelled
    let report = try access.holding(.exclusive, of: repository) {
      (repository) throws(RepositoryError) in try Forget(repository, options).run()
    }
    for (id, error) in report.damaged {
      access.tell(.warning(path: "snapshot \(id.short)", message: error.description))
    }
    if !report.removed.isEmpty {
      access.tell(.note("snapshots removed: \(report.removed.count)"))
    }
    return report.groups.reduce(0) { $0 + Int64($1.keep.count) }
  }

  private func prune(_ repository: Repository) throws(RepositoryError) {
    var options = PruneRunOptions()
    options.plan.packSizeBytes = UInt64(access.repository.packSizeBytes)
    options.temporaryDirectory = access.temporaryDirectory
    options.isCancelled = access.isCancelled
    let report = try access.holding(.exclusive, of: repository) {
      (repository) throws(RepositoryError) in try Prune(repository, options).run()
    }
    access.tell(
      .note("pruned: \(report.removedPackCount) packs removed, \(report.newPackCount) written"))
  }
}
