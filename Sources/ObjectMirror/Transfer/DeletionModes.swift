import ObjectStorage
import Platform
import Remotes
import TreeComparison

/// Deletes what only the destination has as it is found (`--delete-during`). Confined to the thread
/// that compares.
final class PromptDeletions {
  private let lane: DestinationLane
  private var batch: [MirrorEntry] = []
  private var count: Int64 = 0
  private var sizeBytes: Int64 = 0

  init(_ lane: DestinationLane) { self.lane = lane }

  /// Deletes a file now, or with the next ones; false for what has to wait for the end:
  /// directories, and everything once something has failed.
  func take(_ entry: MirrorEntry) throws(MirrorError) -> Bool {
    let options = lane.options
    guard options.deletionMode == .during, !options.tracksRenames, !entry.isDirectory,
      lane.statistics.now.errorCount == 0 || options.ignoresErrors
    else { return false }
    count += 1
    sizeBytes += entry.sizeBytes
    if let limit = options.deletionCountMax, count > limit {
      throw .deletionsEnded(limit: "--max-delete \(limit)")
    }
    if let limit = options.deletionSizeBytesMax, sizeBytes > limit {
      throw .deletionsEnded(limit: "--max-delete-size of \(limit) bytes")
    }
    switch lane.destination {
    case .local(let local): lane.delete(entry, local)
    case .store(let store):
      batch.append(entry)
      if batch.count == S3Limits.deleteCountMax { try flush(store) }
    }
    return true
  }

  func finish() throws(MirrorError) {
    if case .store(let store) = lane.destination { try flush(store) }
  }

  private func flush(_ store: StoreSide) throws(MirrorError) {
    guard !batch.isEmpty else { return }
    try lane.delete(batch, store)
    batch = []
  }
}

extension DestinationLane {
  /// Compares the names of both sides and deletes what only the destination has
  /// (`--delete-before`), with the guards of a deletion at the end. The source is listed once more
  /// for that.
  func deleteFirst() throws(MirrorError) {
    let deletions = DeletionPlan(directory: options.temporaryDirectory)
    let listed = SourceListing(source, plan, filter: options.filter) { remark in
      if case .failed(let error) = remark { self.failed([], error) }
    }
    defer { listed.stop() }
    let filter = options.deletesExcluded ? nil : options.filter
    let stored = DestinationListing(destination, plan, filter: filter) { self.failed([], $0) }
    defer { stored.stop() }
    var found = FoundFiles()
    var join = MergeJoin<MirrorEntry, MirrorEntry, MirrorError>(
      left: { () throws(MirrorError) in
        let entry = try listed.next()
        if let entry { found.count(source: entry) }
        return entry
      },
      right: { () throws(MirrorError) in
        let entry = try stored.next()
        if let entry { found.count(destination: entry) }
        return entry
      },
      order: MirrorEntry.order)
    while let place = try join.next() {
      if isCancelled() { throw .cancelled }
      if case .right(let entry) = place, !removeLeftover(entry) { try deletions.add(entry) }
    }
    try delete(deletions, found)
  }
}
