import FileTree
import ObjectStorage
import Platform
import Remotes

/// One run of a mirror: one source, listed and read once, and any number of destinations, each of
/// which is made what the source is.
///
/// Memory depends on no count of files: listings, queues, deletions and contents are bounded, the
/// rest waits in files without a name.
package final class MirrorRun: @unchecked Sendable {
  /// Destinations of one run.
  package static let destinationCountMax = 32

  let source: MirrorSide
  let destinations: [MirrorSide]
  let options: MirrorOptions
  let mediaTypes: MediaTypes
  let observe: @Sendable (Int?, MirrorEvent) -> Void
  let isCancelled: @Sendable () -> Bool
  let begun = WallTime.now()
  private let lock = Lock()
  // Guarded by `lock`.
  private var lanes: [DestinationLane] = []

  /// `observe` is called by all threads of the run, with the number of the destination; with none
  /// for what concerns the source alone.
  package init(
    from source: MirrorSide, to destinations: [MirrorSide], _ options: MirrorOptions,
    mediaTypes: MediaTypes = MediaTypes(),
    isCancelled: @escaping @Sendable () -> Bool = { false },
    observe: @escaping @Sendable (Int?, MirrorEvent) -> Void = { _, _ in }
  ) {
    self.source = source
    self.destinations = destinations
    self.options = options
    self.mediaTypes = mediaTypes
    self.isCancelled = isCancelled
    self.observe = observe
  }

  /// The figures of each destination so far; empty before the run has begun.
  package var figures: [MirrorFigures] { lock.withLock { lanes }.map(\.statistics.now) }

  /// Runs to the end. Failures of single files are told to `observe` and counted; what ends one
  /// destination is in its outcome.
  /// - Throws: what concerns all destinations: a source that cannot be listed, sides that overlap,
  ///   a cancellation. Nothing is deleted then.
  package func run() throws(MirrorError) -> MirrorOutcome {
    try checkSides()
    let plan = try ListingPlan(source: source, destinations: destinations, options)
    let broadcast = EntryBroadcast(destinations.count, directory: options.temporaryDirectory)
    let share = SourceShare(
      source, destinations.map(\.activity), hashes: wantsDigests, options.sharing)
    let lanes = destinations.indices.map {
      DestinationLane($0, of: self, plan, broadcast.queues[$0], share)
    }
    lock.withLock { self.lanes = lanes }
    let threads = lanes.map { lane in Thread("mirror-lane") { lane.run() } }
    let listed = Result { () throws(MirrorError) in try list(plan, broadcast, lanes) }
    var outcomes: [DestinationOutcome] = []
    for thread in threads {
      // The bodies throw nothing.
      if let outcome = try? thread.join() { outcomes.append(outcome) }
    }
    let (listedCount, totals) = try listed.get()
    if isCancelled() { throw .cancelled }
    return MirrorOutcome(
      destinations: outcomes, sourceListedCount: listedCount, sourceTotals: totals,
      sourceReadBytes: share.counter.byteCount)
  }

  /// Hands the source's one listing to all destinations; gives the count of its entries, and what
  /// its files amount to.
  private func list(
    _ plan: ListingPlan, _ broadcast: EntryBroadcast, _ lanes: [DestinationLane]
  ) throws(MirrorError) -> (count: Int64, totals: SourceTotals) {
    // Of a directory the division plays no part.
    let listing = SourceListing(
      source, plan, filter: options.filter, division: lanes.first?.division
    ) { [observe] remark in
      switch remark {
      case .failed(let error):
        // No destination knows then what to delete.
        for lane in lanes { lane.statistics.add(error) }
        observe(nil, .failed(path: [], error))
      case .passedOver(let name, let reason):
        observe(nil, .passedOver(name: name, reason: reason))
      }
    }
    defer { listing.stop() }
    var count: Int64 = 0
    var totals = SourceTotals()
    do throws(MirrorError) {
      while let batch = try listing.nextBatch() {
        if isCancelled() { throw .cancelled }
        count += Int64(batch.count)
        for entry in batch where !entry.isDirectory {
          totals.fileCount += 1
          totals.sizeBytes += max(0, entry.sizeBytes)
        }
        guard broadcast.send(batch) else { break }
      }
    } catch {
      broadcast.finish(error)
      throw error
    }
    broadcast.finish()
    return (count, totals)
  }

  /// Whether a store takes part, which knows contents by their MD5.
  private var wantsDigests: Bool {
    ([source] + destinations).contains { side in
      if case .store = side { true } else { false }
    }
  }

  private func checkSides() throws(MirrorError) {
    guard (1...MirrorRun.destinationCountMax).contains(destinations.count) else {
      throw .usage("a mirror has 1 to \(MirrorRun.destinationCountMax) destinations")
    }
    let sides = [source] + destinations
    for (index, side) in sides.enumerated() {
      for other in sides[(index + 1)...] where side.overlaps(other) {
        throw .overlap(side.description, other.description)
      }
    }
    for destination in destinations {
      try options.backup?.check(source, destination, isFiltered: options.filter != nil)
    }
  }
}
