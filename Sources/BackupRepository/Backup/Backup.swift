import Platform

/// One backup: reads the source, stores what the repository lacks, and writes a snapshot.
///
/// Nothing refers to anything that is not stored: packs first, then index files, the snapshot last.
/// A run that fails or is killed loses nothing that was there before.
package struct Backup {
  private let repository: Repository
  private let options: BackupOptions
  private let observe: @Sendable (BackupEvent) -> Void

  /// `observe` is called on several threads at once.
  package init(
    _ repository: Repository, _ options: BackupOptions,
    observe: @escaping @Sendable (BackupEvent) -> Void = { _ in }
  ) {
    self.repository = repository
    self.options = options
    self.observe = observe
  }

  /// Runs to the end. Blocks.
  /// - Throws: `RepositoryError.usage` and `.refused` when there is nothing to back up,
  ///   `.cancelled`, and whatever reading or writing the repository throws. Files that cannot be
  ///   read are no failure: they are told as `BackupEvent.problem`, counted in the report, and left
  ///   out.
  package func run() throws(RepositoryError) -> BackupReport {
    let start = now()
    let targets = try options.root == nil ? targetTree() : nil
    let paths = recordedPaths()
    let codec = try repository.makeCodec()
    let parent = try parent(codec, paths, notAfter: options.time ?? start)
    observe(.parent(parent))
    let index = try repository.loadIndex(
      threadCount: options.workerCount, temporaryDirectory: options.temporaryDirectory)
    let writer =
      options.isDryRun
      ? nil : PackWriter(repository, sizeBytes: options.packSizeBytes, clock: options.clock)
    let session: BackupSession
    let tree: BlobID
    do throws(RepositoryError) {
      session = try BackupSession(
        repository, options, index, writer, start: start, observe: observe)
      tree = try session.run(targets, previous: parent?.record.tree)
      if options.isCancelled() { throw RepositoryError.cancelled }
      try options.mayGoOn()
      try judge(session.schedule.counts, parent)
    } catch {
      writer?.abandon()
      throw error
    }
    try writer?.finish(codec)
    return try finish(session, tree, parent, paths, start, codec)
  }

  private func judge(
    _ counts: BackupTally, _ parent: StoredSnapshot?
  ) throws(RepositoryError) {
    guard var sourceGuard = options.sourceGuard else { return }
    sourceGuard.last = sourceGuard.last ?? parent?.record.summary.map(SourceTotals.init)
    guard let loss = sourceGuard.loss(in: SourceTotals(counts.summary)) else { return }
    throw .guarded(
      .shrunkenSource, reason: "\(loss.text): no snapshot was stored", hint: SourceLoss.hint)
  }

  private func now() -> GoTime { .now(options.clock) }

  private func targetTree() throws(RepositoryError) -> TargetNode {
    if let stream = options.stream { return try TargetNode.tree(ofStream: stream.path) }
    guard !options.targets.isEmpty, !options.targets.contains([]) else {
      throw .usage("nothing to back up was named")
    }
    return try TargetNode.tree(of: options.targets)
  }

  /// The paths as the record has them.
  private func recordedPaths() -> [String] {
    if let stream = options.stream {
      let path = PathText.clean([PathText.slash] + stream.path)
      return [String(decoding: path, as: UTF8.self)]
    }
    if let root = options.root { return [root.recordedPath] }
    return options.targets.map { String(decoding: PathText.absolute($0), as: UTF8.self) }
  }

  private func parent(
    _ codec: RepositoryCodec, _ paths: [String], notAfter time: GoTime
  ) throws(RepositoryError) -> StoredSnapshot? {
    // A stream is read whatever the parent tells.
    if options.stream != nil { return nil }
    switch options.parent {
    case .none: return nil
    case .given(let id):
      return StoredSnapshot(id: id, record: try repository.snapshot(id, codec))
    case .newest:
      let snapshots = try repository.snapshots(codec) { [observe] id, error in
        // A damaged record cannot be a parent; that is no reason to go without a backup.
        observe(.problem(BackupProblem(path: Array("snapshot \(id.short)".utf8), error: error)))
      }
      return ParentSearch.parent(
        of: snapshots, host: options.hostname, paths: paths, notAfter: time)
    }
  }

  private func finish(
    _ session: BackupSession, _ tree: BlobID, _ parent: StoredSnapshot?, _ paths: [String],
    _ start: GoTime, _ codec: RepositoryCodec
  ) throws(RepositoryError) -> BackupReport {
    let counts = session.schedule.counts
    var report = BackupReport(tree: tree)
    report.parent = parent
    report.summary = counts.summary
    report.summary.backupStart = start
    report.summary.backupEnd = now()
    report.unreadableCount = counts.unreadableCount
    report.vanishedCount = counts.vanishedCount
    if options.isDryRun { return report }
    if options.skipsUnchanged, let parent, parent.record.tree == tree { return report }
    try options.mayGoOn()
    var record = SnapshotRecord(time: options.time ?? start, tree: tree, paths: paths)
    record.parent = parent?.id
    record.hostname = options.hostname
    record.username = options.username
    record.userID = options.userID
    record.groupID = options.groupID
    record.excludes = options.excludeTexts
    record.tags = options.tags
    record.programVersion = options.programVersion
    record.summary = report.summary
    let id = try repository.save(record.encoded(), as: SnapshotID.self, codec)
    report.snapshot = StoredSnapshot(id: id, record: record)
    return report
  }
}

extension SourceTotals {
  fileprivate init(_ summary: SnapshotSummary) {
    self.init(
      fileCount: Int64(clamping: summary.totalFilesProcessed),
      sizeBytes: Int64(clamping: summary.totalBytesProcessed))
  }
}
