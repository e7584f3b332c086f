import ObjectStorage
import Platform
import Remotes
import TreeComparison

/// Deletes what only the destination has as it is found (`--delete-during`). Confined to the thread
/// that compares.
final class PromptDeletions {
  private let run: MirrorRun
  private var batch: [MirrorEntry] = []
  private var count: Int64 = 0
  private var sizeBytes: Int64 = 0

  init(_ run: MirrorRun) { self.run = run }

  /// Deletes a file now, or with the next ones; false for what has to wait for the end:
  /// directories, and everything once something has failed.
  func take(_ entry: MirrorEntry) throws(MirrorError) -> Bool {
    let options = run.options
    guard options.deletionMode == .during, !options.tracksRenames, !entry.isDirectory,
      run.statistics.now.errorCount == 0 || options.ignoresErrors
    else { return false }
    count += 1
    sizeBytes += entry.sizeBytes
    if let limit = options.deletionCountMax, count > limit {
      throw .deletionsEnded(limit: "--max-delete \(limit)")
    }
    if let limit = options.deletionSizeBytesMax, sizeBytes > limit {
      throw .deletionsEnded(limit: "--max-delete-size of \(limit) bytes")
    }
    switch run.destination {
    case .local(let local): run.delete(entry, local)
    case .store(let store):
      batch.append(entry)
      if batch.count == S3Limits.deleteCountMax { try flush(store) }
    }
    return true
  }

  func finish() throws(MirrorError) {
    if case .store(let store) = run.destination { try flush(store) }
  }

  private func flush(_ store: StoreSide) throws(MirrorError) {
    guard !batch.isEmpty else { return }
    try run.delete(batch, store)
    batch = []
  }
}

extension MirrorRun {
  /// Compares the names of both sides and deletes what only the destination has
  /// (`--delete-before`), with the guards of a deletion at the end.
  func deleteFirst() throws(MirrorError) {
    let plan = DeletionPlan(directory: options.temporaryDirectory)
    let sides = MirrorListings(self)
    defer { sides.stop() }
    var join = MergeJoin<MirrorEntry, MirrorEntry, MirrorError>(
      left: { () throws(MirrorError) in try sides.nextSource() },
      right: { () throws(MirrorError) in try sides.nextDestination() },
      order: MirrorEntry.order)
    while let place = try join.next() {
      if isCancelled() { throw .cancelled }
      if case .right(let entry) = place, !removeLeftover(entry) { try plan.add(entry) }
    }
    try checkSource(sides)
    try delete(plan, sourceFileCount: sides.sourceFileCount)
  }

  /// A store has no directories, so one without objects is one that is not there.
  func checkSource(_ sides: MirrorListings) throws(MirrorError) {
    if case .store(let store) = source, sides.sourceEntryCount == 0, options.filter == nil,
      !store.paths.prefix.isEmpty
    {
      throw .noSource(source.description)
    }
  }
}
