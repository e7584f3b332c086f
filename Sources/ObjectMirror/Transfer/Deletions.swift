import ObjectStorage
import Platform

/// What a comparison has found on both sides.
struct FoundFiles {
  var source = SourceTotals()
  var destinationCount: Int64 = 0

  mutating func count(source entry: MirrorEntry) {
    guard !entry.isDirectory else { return }
    source.fileCount += 1
    source.sizeBytes += max(0, entry.sizeBytes)
  }

  mutating func count(destination entry: MirrorEntry) {
    if !entry.isDirectory { destinationCount += 1 }
  }
}

/// What only the destination has, until all else is done.
final class DeletionPlan {
  private let spool: PathSpool
  private(set) var fileCount: Int64 = 0
  private(set) var sizeBytes: Int64 = 0

  init(directory: String) { spool = PathSpool(directory: directory) }

  /// Entries come in the order of the listing.
  func add(_ entry: MirrorEntry) throws(MirrorError) {
    var record = [UInt8](entry.isDirectory ? [1] : [0])
    let count = UInt32(entry.path.count)
    for shift in stride(from: 0, to: 32, by: 8) {
      record.append(UInt8(truncatingIfNeeded: count >> UInt32(shift)))
    }
    record += entry.path
    record += entry.key
    if !entry.isDirectory {
      fileCount += 1
      sizeBytes += entry.sizeBytes
    }
    try spool.append(record)
  }

  /// The next one; what a directory holds comes before it.
  func next() throws(MirrorError) -> MirrorEntry? {
    guard let record = try spool.popLast() else { return nil }
    let count = record[1..<5].reversed().reduce(0) { $0 << 8 | Int($1) }
    return MirrorEntry(
      record[0] == 1 ? .directory : .file, path: Array(record[5..<(5 + count)]),
      key: Array(record[(5 + count)...]))
  }
}

extension DestinationLane {
  /// Deletes what was put aside: only when everything else went well, and the guards agree.
  func delete(_ plan: DeletionPlan, _ found: FoundFiles) throws(MirrorError) {
    guard statistics.now.errorCount == 0 || options.ignoresErrors else { return }
    if let loss = options.sourceGuard?.loss(in: found.source) { throw .shrunkenSource(loss) }
    if found.source.fileCount == 0, plan.fileCount > 0, !options.allowsEmptySource {
      throw .emptySource(destination: destination.description, fileCount: plan.fileCount)
    }
    if let limit = options.deletionCountMax, plan.fileCount > limit {
      throw .tooManyDeletions(planned: plan.fileCount, limit: limit)
    }
    if options.deletionLimit?.isExceeded(lost: plan.fileCount, of: found.destinationCount) == true {
      throw .massDeletion(
        destination: destination.description, planned: plan.fileCount,
        total: found.destinationCount)
    }
    if let limit = options.deletionSizeBytesMax, plan.sizeBytes > limit {
      throw .tooLargeDeletions(planned: plan.sizeBytes, limit: limit)
    }
    switch destination {
    case .local(let local): try delete(plan, local)
    case .store(let store): try delete(plan, store)
    }
  }

  private func delete(_ plan: DeletionPlan, _ local: LocalSide) throws(MirrorError) {
    while let entry = try plan.next() {
      if isCancelled() { throw .cancelled }
      pace.progress()
      guard entry.isDirectory else {
        delete(entry, local)
        continue
      }
      do throws(MirrorError) {
        var isRemoved = true
        if !options.isDryRun { isRemoved = try local.removeDirectory(entry.path) }
        guard isRemoved else { continue }
        statistics.change { $0.directoriesRemovedCount += 1 }
        observe(.directoryRemoved(path: entry.path))
      } catch {
        failed(entry.path, error)
      }
    }
  }

  func delete(_ entry: MirrorEntry, _ local: LocalSide) {
    do throws(MirrorError) {
      if !options.isDryRun {
        if let backup = options.backup {
          try backup.keep(entry, of: destination)
        } else {
          try local.remove(entry.path)
        }
      }
      deleted(entry)
    } catch {
      failed(entry.path, error)
    }
  }

  private func deleted(_ entry: MirrorEntry) {
    statistics.change { $0.deletedCount += 1 }
    observe(.deleted(path: entry.path))
  }

  private func delete(_ plan: DeletionPlan, _ store: StoreSide) throws(MirrorError) {
    var batch: [MirrorEntry] = []
    while let entry = try plan.next() {
      if isCancelled() { throw .cancelled }
      guard !entry.isDirectory else { continue }
      batch.append(entry)
      if batch.count == S3Limits.deleteCountMax {
        try delete(batch, store)
        batch = []
      }
    }
    if !batch.isEmpty { try delete(batch, store) }
  }

  func delete(_ batch: [MirrorEntry], _ store: StoreSide) throws(MirrorError) {
    guard !options.isDryRun else { return batch.forEach(deleted) }
    if let backup = options.backup { return keep(batch, backup) }
    var keys: [String] = []
    for entry in batch { keys.append(try store.key(of: entry)) }
    let failures = try store.calling { (client) throws(S3Error) in
      try client.deleteObjects(store.bucket, keys)
    }
    let remaining = Dictionary(failures.map { (Array($0.key.utf8), $0.error) }) { first, _ in first
    }
    for (entry, key) in zip(batch, keys) {
      if let error = remaining[Array(key.utf8)] {
        failed(entry.path, .store(error))
      } else {
        deleted(entry)
      }
    }
  }
  private func keep(_ batch: [MirrorEntry], _ backup: BackupPlace) {
    for entry in batch {
      do throws(MirrorError) {
        try backup.keep(entry, of: destination)
        deleted(entry)
      } catch {
        failed(entry.path, error)
      }
    }
  }
}
