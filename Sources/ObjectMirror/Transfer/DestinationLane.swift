import ObjectStorage
import Pipelines
import Platform
import Remotes
import TreeComparison

/// One destination of a run: compares the source's listing with its own in lock step, copies what
/// differs and, in the end, deletes what the source does not have.
///
/// It has threads, queues, figures, guards and an end of its own, and waits for no other
/// destination, but for the moments that ``SourceShare`` allows.
final class DestinationLane: @unchecked Sendable {
  private struct Pair: Sendable {
    let source: NumberedEntry
    let destination: MirrorEntry
    let place: PairState.Place?
  }

  private struct Job: Sendable {
    let item: NumberedEntry
    let isNew: Bool
    let place: PairState.Place?
  }

  /// Pairs and files that wait; a few megabytes at most.
  private static let queueCountMax = 10_000
  private static let queueWeightMax = 8 << 20

  let destination: MirrorSide
  let options: MirrorOptions
  let observe: @Sendable (MirrorEvent) -> Void
  let statistics = MirrorStatistics()
  let pace: LanePace
  let source: MirrorSide
  let begun: WallTime
  let plan: ListingPlan
  private let index: Int
  private let queue: EntryQueue
  private let share: SourceShare
  private let isRunCancelled: @Sendable () -> Bool
  private let judge: PairJudge
  private let copier: Copier
  private let state: PairState?
  private let pairs = BoundedChannel<Pair>(
    countMax: DestinationLane.queueCountMax, weightMax: DestinationLane.queueWeightMax,
    refillsInBulk: true)
  private let jobs = BoundedChannel<Job>(
    countMax: DestinationLane.queueCountMax, weightMax: DestinationLane.queueWeightMax,
    refillsInBulk: true)
  private let lock = Lock()
  // Guarded by `lock`.
  private var end: MirrorError?
  private var hasAnswered = false

  /// `share` and `queue` are those of the run; `observe` is called by all threads.
  init(
    _ index: Int, of run: MirrorRun, _ plan: ListingPlan, _ queue: EntryQueue,
    _ share: SourceShare
  ) {
    self.index = index
    self.plan = plan
    self.queue = queue
    self.share = share
    source = run.source
    begun = run.begun
    destination = run.destinations[index]
    options = run.options
    isRunCancelled = run.isCancelled
    let tell = run.observe
    observe = { tell(index, $0) }
    pace = share.paces[index]
    judge = PairJudge(
      source: source, destination: destination, options: options.comparison,
      usesServerTimes: options.usesServerTimes, share: share, lane: index)
    copier = Copier(
      source: source, destination: destination, mediaTypes: run.mediaTypes, share: share,
      lane: index, laneCount: run.destinations.count, uploads: options.uploads,
      metadata: options.metadata)
    state = PairState(from: source, to: destination, options)
  }

  /// How the listing of the store is divided, the source's or the destination's.
  var division: ListingDivision? {
    state.map { ListingDivision(marks: $0.marks, concurrency: max(1, options.checkerCount / 2)) }
  }

  // MARK: The whole

  /// Runs to the end.
  func run() -> DestinationOutcome {
    let began = MonotonicTime.now()
    let outcome = Result { () throws(MirrorError) in try mirror() }
    share.leave(index)
    queue.abandon()
    var failure: MirrorError?
    if case .failure(let error) = outcome { failure = ended ?? error }
    let end = DestinationOutcome(
      name: destination.description, figures: statistics.now, failure: failure,
      hasAnswered: lock.withLock { hasAnswered },
      seconds: MonotonicTime.now().seconds(since: began))
    observe(.ended(end))
    return end
  }

  private func mirror() throws(MirrorError) {
    if options.deletes, options.deletesFirst { try deleteFirst() }
    let deletions = DeletionPlan(directory: options.temporaryDirectory)
    let checkers = workers(options.checkerCount, "mirror-check") { self.checkPairs() }
    let transfers = workers(options.transferCount, "mirror-copy") { self.copyFiles() }
    let outcome = Result { () throws(MirrorError) in try compare(deletions) }
    if case .failure(let error) = outcome, error.isLasting { endNow(error) }
    pairs.close()
    join(checkers)
    jobs.close()
    join(transfers)
    let found = try outcome.get()
    if let ended { throw ended }
    if isRunCancelled() { throw .cancelled }
    if options.deletes, !options.deletesFirst {
      try delete(deletions, found)
    }
    sweepUploads()
    if case .local(let local) = destination, !options.isDryRun { try local.synchronize() }
    state?.finish()
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

  // MARK: Ends and failures

  /// Whether nothing more is to be done.
  func isCancelled() -> Bool { isRunCancelled() || ended != nil }

  private var ended: MirrorError? { lock.withLock { end } }

  /// Ends the destination with a failure that all that is left to do would meet as well.
  private func endNow(_ error: MirrorError) {
    lock.withLock { if end == nil { end = error } }
    pairs.fail()
    jobs.fail()
    queue.abandon()
  }

  func failed(_ path: [UInt8], _ error: MirrorError) {
    // What follows from a cancellation is no failure of a file.
    if isCancelled() {
      if case .cancelled = error { return }
      if ended != nil { return }
    }
    guard !isLasting(error) else { return endNow(error) }
    statistics.add(error)
    observe(.failed(path: path, error))
  }

  /// Whether all that is left to do would fail in the same way. What has answered has taken the
  /// keys and has an address: then a refusal is one of a single object, and a name that is not
  /// found a trouble that passes.
  private func isLasting(_ error: MirrorError) -> Bool {
    guard error.isLasting else { return false }
    guard case .store(let failure) = error, lock.withLock({ hasAnswered }) else { return true }
    if failure.failure?.code == "SignatureDoesNotMatch" { return false }
    return failure.kind != .unreachable
  }

  private func answered() {
    pace.progress()
    lock.withLock { hasAnswered = true }
  }

  // MARK: Comparing

  /// Joins both listings and hands out the work; gives what there is.
  private func compare(_ deletions: DeletionPlan) throws(MirrorError) -> FoundFiles {
    let filter = options.deletesExcluded ? nil : options.filter
    let listing = DestinationListing(
      destination, plan, filter: filter, division: state?.isUpload == true ? division : nil
    ) { self.failed([], $0) }
    defer { listing.stop() }
    var found = FoundFiles()
    var join = MergeJoin<NumberedEntry, MirrorEntry, MirrorError>(
      left: { () throws(MirrorError) in
        guard let item = try self.queue.next() else { return nil }
        self.statistics.change { $0.listedCount += 1 }
        found.count(source: item.entry)
        return item
      },
      right: { () throws(MirrorError) in
        let entry = try listing.next()
        self.answered()
        if let entry {
          self.statistics.change { $0.listedCount += 1 }
          found.count(destination: entry)
        }
        return entry
      },
      order: { MirrorEntry.order($0.entry, $1) })
    let prompt = PromptDeletions(self)
    let renames = RenameTracking(self)
    while let place = try join.next() {
      if isCancelled() { throw .cancelled }
      switch place {
      case .left(let item):
        if !renames.takeSource(item) { try take(item) }
      case .both(let item, let entry): try take(item, entry)
      case .right(let entry):
        if removeLeftover(entry) || renames.takeExtra(entry) { continue }
        guard options.deletes, !options.deletesFirst else { continue }
        // A source that holds nothing deletes nothing before that is known.
        if found.source.fileCount > 0, try prompt.take(entry) { continue }
        try deletions.add(entry)
      }
    }
    try prompt.finish()
    try renames.finish { (item) throws(MirrorError) in
      try take(item)
    } moved: { item in
      share.skip(item.number, lane: index)
    } delete: { (entry) throws(MirrorError) in
      try deletions.add(entry)
    }
    return found
  }

  /// What only the source has.
  private func take(_ item: NumberedEntry) throws(MirrorError) {
    let entry = item.entry
    guard entry.isDirectory else {
      return try send(Job(item: item, isNew: true, place: state?.place()))
    }
    guard options.createsEmptyDirectories, case .local(let local) = destination else { return }
    do throws(MirrorError) {
      if !options.isDryRun { _ = try local.directory(entry.path, makes: true) }
      observe(.directoryMade(path: entry.path))
    } catch {
      failed(entry.path, error)
    }
  }

  /// What both have.
  private func take(_ first: NumberedEntry, _ second: MirrorEntry) throws(MirrorError) {
    guard !first.entry.isDirectory else { return }
    statistics.change { $0.checkTotal += 1 }
    let place = state?.place()
    if let record = state?.known(first.entry, second) {
      state?.settle(place, record)
      share.skip(first.number, lane: index)
      statistics.change { $0.checkedCount += 1 }
      return observe(.unchanged(path: first.entry.path))
    }
    do throws(ChannelClosed) {
      try pairs.send(
        Pair(source: first, destination: second, place: place),
        weight: first.entry.weight + second.weight)
    } catch {
      throw .cancelled
    }
  }

  private func send(_ job: Job) throws(MirrorError) {
    let entry = job.item.entry
    statistics.change { figures in
      figures.transferTotal += 1
      figures.transferTotalBytes += entry.sizeBytes
    }
    do throws(ChannelClosed) {
      try jobs.send(job, weight: entry.weight)
    } catch {
      throw .cancelled
    }
  }

  private func checkPairs() {
    // A channel that was closed or has failed gives nothing more.
    while let pair = try? pairs.receive() {
      if isCancelled() { continue }
      do throws(MirrorError) {
        if try !check(pair) { share.skip(pair.source.number, lane: index) }
      } catch {
        share.skip(pair.source.number, lane: index)
        state?.settle(pair.place, nil)
        failed(pair.source.entry.path, error)
      }
      pace.progress()
      statistics.change { $0.checkedCount += 1 }
    }
  }

  /// Whether the content is to be sent.
  private func check(_ pair: Pair) throws(MirrorError) -> Bool {
    let (item, entry) = (pair.source, pair.source.entry)
    let (decision, time) = try judge.judge(item, pair.destination)
    switch decision {
    case .skip(let reason):
      state?.compared(pair.place, entry, pair.destination, reason)
      observe(.unchanged(path: entry.path))
      return false
    case .transfer: break
    case .refuse: throw .immutable(path: entry.path)
    case .setTime:
      var isSet = time != nil
      if let time, !options.isDryRun { isSet = try copier.setTime(entry, time) }
      if isSet {
        state?.settle(pair.place, nil)
        statistics.change { $0.timeSetCount += 1 }
        observe(.timeSet(path: entry.path))
        return false
      }
    case .ask: preconditionFailure("a verdict asks nothing")
    }
    try send(Job(item: item, isNew: false, place: pair.place))
    return true
  }

  // MARK: Copying

  /// Moves what would be overwritten out of the way, where that is asked for.
  private func keep(_ entry: MirrorEntry, _ number: Int64) throws(MirrorError) {
    do throws(MirrorError) {
      try options.backup?.keep(entry, of: destination)
    } catch {
      share.skip(number, lane: index)
      throw error
    }
  }

  private func copyFiles() {
    // A channel that was closed or has failed gives nothing more.
    while let job = try? jobs.receive() {
      if isCancelled() { continue }
      do throws(MirrorError) {
        try copy(job)
      } catch {
        state?.settle(job.place, nil)
        failed(job.item.entry.path, error)
      }
      pace.progress()
    }
  }

  private func copy(_ job: Job) throws(MirrorError) {
    let entry = job.item.entry
    var outcome = Copier.Outcome(sizeBytes: entry.sizeBytes)
    if !options.isDryRun {
      if !job.isNew { try keep(entry, job.item.number) }
      outcome = try copier.copy(job.item)
    }
    state?.copied(job.place, entry, outcome.pair)
    let (sizeBytes, isServerSide) = (outcome.sizeBytes, outcome.isServerSide)
    statistics.change { figures in
      figures.transferredCount += 1
      figures.transferredBytes += sizeBytes
      figures.transferTotalBytes += sizeBytes - entry.sizeBytes
      if isServerSide {
        figures.serverCopyCount += 1
        figures.serverCopyBytes += sizeBytes
      }
    }
    observe(.copied(path: entry.path, sizeBytes: sizeBytes, isNew: job.isNew))
  }
}
