import FileTree
import ObjectStorage
import Pipelines
import Platform
import Remotes
import TreeComparison

/// One run of a mirror: lists both sides, compares them in lock step, copies what differs and, in
/// the end, deletes what the source does not have.
///
/// Memory depends on no count of files: listings, queues and deletions are bounded, the rest of the
/// deletions waits in a file without a name.
package final class MirrorRun: @unchecked Sendable {
  struct Pair: Sendable {
    let source: MirrorEntry
    let destination: MirrorEntry
  }

  struct Job: Sendable {
    let entry: MirrorEntry
    let isNew: Bool
  }

  /// Pairs and files that wait; a few megabytes at most.
  private static let queueCountMax = 10_000
  private static let queueWeightMax = 8 << 20

  let source: MirrorSide
  let destination: MirrorSide
  let options: MirrorOptions
  let observe: @Sendable (MirrorEvent) -> Void
  let isCancelled: @Sendable () -> Bool
  package let statistics = MirrorStatistics()
  let begun = WallTime.now()
  private let judge: PairJudge
  private let copier: Copier
  private let pairs = BoundedChannel<Pair>(
    countMax: MirrorRun.queueCountMax, weightMax: MirrorRun.queueWeightMax)
  private let jobs = BoundedChannel<Job>(
    countMax: MirrorRun.queueCountMax, weightMax: MirrorRun.queueWeightMax)

  /// `observe` is called by all threads of the run.
  package init(
    from source: MirrorSide, to destination: MirrorSide, _ options: MirrorOptions,
    mediaTypes: MediaTypes = MediaTypes(),
    isCancelled: @escaping @Sendable () -> Bool = { false },
    observe: @escaping @Sendable (MirrorEvent) -> Void = { _ in }
  ) {
    self.source = source
    self.destination = destination
    self.options = options
    self.isCancelled = isCancelled
    self.observe = observe
    judge = PairJudge(
      source: source, destination: destination, options: options.comparison,
      usesServerTimes: options.usesServerTimes)
    copier = Copier(
      source: source, destination: destination, mediaTypes: mediaTypes, uploads: options.uploads,
      metadata: options.metadata)
  }

  /// Runs to the end. Failures of single files are told to `observe` and counted.
  /// - Throws: what ends the run: a side that cannot be listed, a guard, a cancellation. Nothing
  ///   is deleted then.
  package func run() throws(MirrorError) -> MirrorFigures {
    try checkSides()
    if options.deletes, options.deletesFirst { try deleteFirst() }
    let deletions = DeletionPlan(directory: options.temporaryDirectory)
    let checkers = workers(options.checkerCount, "mirror-check") { self.checkPairs() }
    let transfers = workers(options.transferCount, "mirror-copy") { self.copyFiles() }
    let outcome = Result { () throws(MirrorError) in try compare(deletions) }
    pairs.close()
    join(checkers)
    jobs.close()
    join(transfers)
    let sourceFileCount = try outcome.get()
    if isCancelled() { throw .cancelled }
    if options.deletes, !options.deletesFirst {
      try delete(deletions, sourceFileCount: sourceFileCount)
    }
    sweepUploads()
    if case .local(let local) = destination, !options.isDryRun { try local.synchronize() }
    return statistics.now
  }

  private func checkSides() throws(MirrorError) {
    if source.overlaps(destination) {
      throw .overlap(source.description, destination.description)
    }
    if case .store(let from) = source, case .store(let to) = destination,
      !from.isSameService(as: to)
    {
      throw .unserved("mirrors from one service to another are not served")
    }
    try options.backup?.check(source, destination, isFiltered: options.filter != nil)
  }

  private func workers(
    _ count: Int, _ name: String, _ body: @escaping @Sendable () -> Void
  ) -> [Thread<Void>] {
    (0..<max(1, count)).map { _ in Thread(name) { body() } }
  }

  private func join(_ threads: [Thread<Void>]) {
    for thread in threads {
      // The bodies throw nothing.
      try? thread.join()
    }
  }

  func failed(_ path: [UInt8], _ error: MirrorError) {
    // What follows from a cancellation is no failure of a file.
    if case .cancelled = error, isCancelled() { return }
    statistics.add(error)
    observe(.failed(path: path, error))
  }

  // MARK: Comparing

  /// Joins both listings and hands out the work; gives the count of the source's files.
  private func compare(_ deletions: DeletionPlan) throws(MirrorError) -> Int64 {
    let sides = MirrorListings(self)
    defer { sides.stop() }
    var join = MergeJoin<MirrorEntry, MirrorEntry, MirrorError>(
      left: { () throws(MirrorError) in try sides.nextSource() },
      right: { () throws(MirrorError) in try sides.nextDestination() },
      order: MirrorEntry.order)
    let prompt = PromptDeletions(self)
    let renames = RenameTracking(self)
    while let place = try join.next() {
      if isCancelled() { throw .cancelled }
      switch place {
      case .left(let entry):
        if !renames.takeSource(entry) { try take(entry) }
      case .both(let first, let second): try take(first, second)
      case .right(let entry):
        if removeLeftover(entry) || renames.takeExtra(entry) { continue }
        guard options.deletes, !options.deletesFirst else { continue }
        // A source that holds nothing deletes nothing before that is known.
        if sides.sourceFileCount > 0, try prompt.take(entry) { continue }
        try deletions.add(entry)
      }
    }
    try prompt.finish()
    try renames.finish { (entry) throws(MirrorError) in
      try take(entry)
    } delete: { (entry) throws(MirrorError) in
      try deletions.add(entry)
    }
    try checkSource(sides)
    return sides.sourceFileCount
  }

  /// What only the source has.
  private func take(_ entry: MirrorEntry) throws(MirrorError) {
    guard entry.isDirectory else { return try send(entry, isNew: true) }
    guard options.createsEmptyDirectories, case .local(let local) = destination else { return }
    do throws(MirrorError) {
      if !options.isDryRun { _ = try local.directory(entry.path, makes: true) }
      observe(.directoryMade(path: entry.path))
    } catch {
      failed(entry.path, error)
    }
  }

  /// What both have.
  private func take(_ first: MirrorEntry, _ second: MirrorEntry) throws(MirrorError) {
    guard !first.isDirectory else { return }
    statistics.change { $0.checkTotal += 1 }
    do throws(ChannelClosed) {
      try pairs.send(
        Pair(source: first, destination: second), weight: first.weight + second.weight)
    } catch {
      throw .cancelled
    }
  }

  private func send(_ entry: MirrorEntry, isNew: Bool) throws(MirrorError) {
    statistics.change { figures in
      figures.transferTotal += 1
      figures.transferTotalBytes += entry.sizeBytes
    }
    do throws(ChannelClosed) {
      try jobs.send(Job(entry: entry, isNew: isNew), weight: entry.weight)
    } catch {
      throw .cancelled
    }
  }

  private func checkPairs() {
    // A channel that was closed or has failed gives nothing more.
    while let pair = try? pairs.receive() {
      if isCancelled() { continue }
      do throws(MirrorError) { try check(pair) } catch { failed(pair.source.path, error) }
      statistics.change { $0.checkedCount += 1 }
    }
  }

  private func check(_ pair: Pair) throws(MirrorError) {
    let entry = pair.source
    let (decision, time) = try judge.judge(entry, pair.destination)
    switch decision {
    case .skip: observe(.unchanged(path: entry.path))
    case .transfer: try send(entry, isNew: false)
    case .refuse: throw .immutable(path: entry.path)
    case .setTime:
      guard let time else { return try send(entry, isNew: false) }
      if !options.isDryRun, try !copier.setTime(entry, time) {
        return try send(entry, isNew: false)
      }
      statistics.change { $0.timeSetCount += 1 }
      observe(.timeSet(path: entry.path))
    case .ask: preconditionFailure("a verdict asks nothing")
    }
  }

  private func copyFiles() {
    // A channel that was closed or has failed gives nothing more.
    while let job = try? jobs.receive() {
      if isCancelled() { continue }
      do throws(MirrorError) { try copy(job) } catch { failed(job.entry.path, error) }
    }
  }

  private func copy(_ job: Job) throws(MirrorError) {
    var outcome = Copier.Outcome(sizeBytes: job.entry.sizeBytes)
    if !options.isDryRun {
      if !job.isNew { try options.backup?.keep(job.entry, of: destination) }
      outcome = try copier.copy(job.entry)
    }
    let sizeBytes = outcome.sizeBytes
    let isServerSide = outcome.isServerSide
    let listedBytes = job.entry.sizeBytes
    statistics.change { figures in
      figures.transferredCount += 1
      figures.transferredBytes += sizeBytes
      figures.transferTotalBytes += sizeBytes - listedBytes
      if isServerSide {
        figures.serverCopyCount += 1
        figures.serverCopyBytes += sizeBytes
      }
    }
    observe(.copied(path: job.entry.path, sizeBytes: sizeBytes, isNew: job.isNew))
  }
}
