import Platform

/// A pack that has been stored, and what is in it, for an index file.
struct StoredPack: Sendable {
  let id: PackID
  /// In the order of their offsets.
  let blobs: [PackedBlob]
}

/// Collects stored packs until they make an index file. Shared by the threads that store packs.
///
/// A pack is added after it is durable, and never divided over two index files.
/// Source: the restic repository format, "indexing": an index file is ended at 50,000 blobs or
/// after ten minutes.
final class IndexBuilder: @unchecked Sendable {
  /// Blobs at which an index file is full.
  static let entryCountTarget = 50_000
  /// Age at which it is ended, checked when a pack is added: what a crash can lose.
  static let ageSecondsMax: Double = 600

  private let clock: any Clock
  private let lock = Lock()
  private var packs: [StoredPack] = []
  private var entryCount = 0
  private var started = MonotonicTime(nanoseconds: 0)

  init(clock: any Clock) { self.clock = clock }

  /// Adds a stored pack.
  ///
  /// - Returns: the packs of an index file that the caller writes now; nil while it is not due.
  func add(_ pack: StoredPack) -> [StoredPack]? {
    let now = clock.monotonicTime()
    return lock.withLock { () -> [StoredPack]? in
      if packs.isEmpty { started = now }
      packs.append(pack)
      entryCount += pack.blobs.count
      let isFull = entryCount >= IndexBuilder.entryCountTarget
      guard isFull || now.seconds(since: started) >= IndexBuilder.ageSecondsMax else { return nil }
      return take()
    }
  }

  /// The packs of the last index file; nil when none are left.
  func finish() -> [StoredPack]? {
    lock.withLock { packs.isEmpty ? nil : take() }
  }

  private func take() -> [StoredPack] {
    defer {
      packs = []
      entryCount = 0
    }
    return packs
  }
}
