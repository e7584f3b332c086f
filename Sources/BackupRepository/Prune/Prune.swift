import Platform

/// Removes what no snapshot uses, in an order that loses nothing wherever it is interrupted:
/// unreferenced packs go; what is still used of packs to be given up is written into new packs, and
/// their index; the index files that name given-up packs are replaced; then those packs go. See
/// ``PrunePlan``.
///
/// The caller holds an exclusive lock.
/// Source: the restic repository format, "forget / prune / check".
package struct Prune {
  private let repository: Repository
  private let options: PruneRunOptions
  private let observe: @Sendable (PruneEvent) -> Void
  private var threadCount: Int {
    options.threadCount > 0 ? options.threadCount : processorCount
  }

  package init(
    _ repository: Repository, _ options: PruneRunOptions = PruneRunOptions(),
    observe: @escaping @Sendable (PruneEvent) -> Void = { _ in }
  ) {
    self.repository = repository
    self.options = options
    self.observe = observe
  }

  package func run() throws(RepositoryError) -> PruneReport {
    let roots = try usedTrees()
    observe(.started(.index))
    let index = try repository.loadIndex(
      threadCount: threadCount, temporaryDirectory: options.temporaryDirectory)
    let entries = try index.reading { (index) throws(IndexError) in try IndexedEntries(index) }
    observe(.started(.snapshots))
    let used = try walk(roots, index)
    let marks = try readMarks(index)
    let plan = try makePlan(entries, used, marks)
    var report = PruneReport()
    report.statistics = plan.statistics
    report.isDryRun = options.isDryRun
    observe(.planned(plan.statistics))
    if !options.isDryRun { try apply(plan, index, entries, marks, &report) }
    return report
  }

  private func checkCancelled() throws(RepositoryError) {
    if options.isCancelled() { throw .cancelled }
  }

  // MARK: Planning

  /// The trees of all snapshots; one that cannot be read may use anything.
  private func usedTrees() throws(RepositoryError) -> [BlobID] {
    var damage: RepositoryError?
    let snapshots = try repository.snapshots(try repository.makeCodec()) { id, error in
      if !options.ignoredSnapshots.contains(id) { damage = damage ?? error.located(at: id.short) }
    }
    if let damage { throw damage }
    return snapshots.filter { !options.ignoredSnapshots.contains($0.id) }.map(\.record.tree)
  }

  private func walk(_ roots: [BlobID], _ index: BlobIndex) throws(RepositoryError) -> UsedBlobSet {
    var walk = UsedBlobs.Options()
    walk.threadCount = max(threadCount, repository.readerCount)
    walk.isCancelled = options.isCancelled
    let missing = MissingBlobs()
    let used = try UsedBlobs.walk(
      repository, index, roots: roots, options: walk,
      visitTree: { (id, tree) throws(RepositoryError) in
        // Nodes that are left out may have used anything.
        guard let damage = tree.damage.first else { return }
        throw .corrupt(.tree, place: id.short, reason: damage.reason)
      },
      visitBlob: { (blob, isIndexed) throws(RepositoryError) in
        if !isIndexed { missing.add(blob) }
      },
      onDamage: { (id, error) throws(RepositoryError) in
        if case .missing(.tree, _) = error { return }
        throw error
      })
    if missing.count > 0 {
      throw .other(
        PrunePlanError.blobsMissing(count: missing.count, examples: missing.examples))
    }
    return used
  }

  private func readMarks(
    _ index: BlobIndex
  ) throws(RepositoryError) -> [(id: PackID, time: GoTime?)] {
    var files: Set<IndexID> = []
    try index.reading { (index) throws(IndexError) in
      try index.forEachPack { if $0.isMarked { files.insert($0.indexFile) } }
    }
    return try PackMarks.all(repository, files)
  }

  private func makePlan(
    _ entries: IndexedEntries, _ used: UsedBlobSet, _ marks: [(id: PackID, time: GoTime?)]
  ) throws(RepositoryError) -> PrunePlan {
    var listed: [ListedPack] = []
    try repository.list(PackID.self) { id, sizeBytes in
      listed.append(ListedPack(id: id, sizeBytes: UInt64(max(0, sizeBytes))))
    }
    var planning = options.plan
    planning.repositoryVersion = repository.version == .v1 ? 1 : 2
    let now = options.clock.wallTime()
    do throws(PrunePlanError) {
      return try PrunePlan(
        entries, used: used.known, listed: listed,
        marks: marks.map { PruneMark(id: $0.id, time: $0.time.map { CivilTime($0) }) },
        now: CivilTime(seconds: now.seconds, nanoseconds: now.nanoseconds), options: planning)
    } catch {
      throw .other(error)
    }
  }

  // MARK: Applying

  private func apply(
    _ plan: PrunePlan, _ index: BlobIndex, _ entries: IndexedEntries,
    _ marks: [(id: PackID, time: GoTime?)], _ report: inout PruneReport
  ) throws(RepositoryError) {
    try checkCancelled()
    if !plan.removeFirst.isEmpty {
      observe(.started(.remove))
      try repository.removeAll(plan.removeFirst, isCancelled: options.isCancelled)
      report.removedPackCount += plan.removeFirst.count
    }
    if plan.keptEntries != nil {
      observe(.started(.repack))
      let totals = try Repacker(repository, index, entries, plan, options, observe).run(
        threadCount: threadCount)
      report.newPackCount = totals.packCount
      report.newPackBytes = totals.packBytes
      report.newIndexCount = totals.indexCount
    }
    guard plan.changesIndex else { return try repository.synchronize() }
    try checkCancelled()
    observe(.started(.rewriteIndex))
    try replaceIndexes(plan, index, marks, &report)
    // From here on nothing refers to them any more, and that is durable.
    observe(.started(.remove))
    let doomed = plan.repack + plan.remove
    try repository.removeAll(doomed, isCancelled: options.isCancelled)
    report.removedPackCount += doomed.count
    try repository.synchronize()
  }

  private func replaceIndexes(
    _ plan: PrunePlan, _ index: BlobIndex, _ marks: [(id: PackID, time: GoTime?)],
    _ report: inout PruneReport
  ) throws(RepositoryError) {
    let dropped = Set(plan.repack).union(plan.remove).union(plan.forget)
    let expired = Set(plan.expiredMarks)
    var files: Set<IndexID> = []
    // A run that died between new and old index files has left packs in both: they become one.
    var listed: Set<PackID> = []
    var doubled: Set<PackID> = []
    try index.reading { (index) throws(IndexError) in
      try index.forEachPack { pack in
        if !pack.isMarked, !listed.insert(pack.id).inserted { doubled.insert(pack.id) }
      }
      try index.forEachPack { pack in
        let isNamed =
          pack.isMarked
          ? expired.contains(pack.id) : dropped.contains(pack.id) || doubled.contains(pack.id)
        if isNamed { files.insert(pack.indexFile) }
      }
    }
    let left = Set(plan.leftMarked)
    var times: [PackID: GoTime] = [:]
    for mark in marks where left.contains(mark.id) {
      times[mark.id] = mark.time ?? PackMarks.never
    }
    var rewrite = IndexRewrite(repository, dropped: dropped, marks: times)
    try rewrite.run(Array(files), isCancelled: options.isCancelled)
    report.newIndexCount += rewrite.newFiles.count
    try repository.removeAll(Array(files))
    report.removedIndexCount = files.count
    try repository.synchronize()
  }
}

/// Used blobs that the index lacks; filled by several threads.
private final class MissingBlobs: @unchecked Sendable {
  private let lock = Lock()
  private var first: [BlobHandle] = []
  private var total = 0

  var count: Int { lock.withLock { total } }
  var examples: [BlobHandle] { lock.withLock { first } }

  func add(_ blob: BlobHandle) {
    lock.withLock {
      total += 1
      if first.count < PrunePlanError.exampleCountMax { first.append(blob) }
    }
  }
}
