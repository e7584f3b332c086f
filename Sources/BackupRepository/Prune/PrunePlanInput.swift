package import Platform

/// One copy of a blob: an entry of the index.
package struct PruneCopy: Sendable {
  /// Number of the entry, below the count of entries; no two entries share one.
  package var entry: Int
  /// Number of the pack, below the count of packs; each pack has one number only.
  package var pack: Int
  /// Of the sealed blob in the pack.
  package var offset: UInt32
  package var sealedLength: UInt32
  package var isCompressed: Bool

  package init(
    entry: Int, pack: Int, offset: UInt32, sealedLength: UInt32, isCompressed: Bool
  ) {
    self.entry = entry
    self.pack = pack
    self.offset = offset
    self.sealedLength = sealedLength
    self.isCompressed = isCompressed
  }
}

/// The index as the planner reads it: three times in sequence, never by identifier.
///
/// Entries of packs that another tool has marked for deletion (`packs_to_delete`) are not part of
/// it.
package protocol PruneIndex {
  associatedtype Failure: DroverError

  var entryCount: Int { get }
  var packCount: Int { get }

  func packID(_ pack: Int) throws(Failure) -> PackID
  /// The number of a pack; nil when no index file lists it.
  func packNumber(_ id: PackID) throws(Failure) -> Int?

  /// Gives each blob once with all its copies, always in the same order. Copies come best in
  /// ascending order of pack and offset; the buffer is valid during the call only.
  func forEachBlob(
    _ body: (BlobType, UnsafeBufferPointer<PruneCopy>) -> Void
  ) throws(Failure)
}

/// A pack as the store lists it.
package struct ListedPack: Sendable, Equatable {
  package let id: PackID
  package let sizeBytes: UInt64

  package init(id: PackID, sizeBytes: UInt64) {
    self.id = id
    self.sizeBytes = sizeBytes
  }
}

/// A pack that another tool wants to delete later (rustic's `packs_to_delete`).
package struct PruneMark: Sendable, Equatable {
  package let id: PackID
  /// When it was marked; nil when that is not known.
  package let time: CivilTime?

  package init(id: PackID, time: CivilTime?) {
    self.id = id
    self.time = time
  }

  /// Whether the delay is over. A mark without a time, or of the future, never is: its clock was
  /// wrong, and nothing is lost by leaving the pack.
  func isExpired(at now: CivilTime, delaySeconds: Int64) -> Bool {
    guard let time, !time.isAfter(now) else { return false }
    return now.seconds - time.seconds >= max(0, delaySeconds)
  }
}
