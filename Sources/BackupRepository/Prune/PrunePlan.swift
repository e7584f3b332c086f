/// What becomes of a pack that the index lists.
package enum PruneAction: UInt8, Sendable {
  case keep
  /// Its used blobs are written into new packs, then it goes.
  case repack
  case remove
  /// It is in the index only, and nothing in it is used: the index drops it.
  case forget
  /// Nothing in it is used, but another tool has marked it for deletion: that one takes it away.
  case leaveMarked
}

/// What prune does: a pure function of the index, the used entries, the listing and the options.
///
/// The order of carrying it out, so that at every point each used blob is in a pack and an index:
/// ``removeFirst``; new packs with the blobs of ``keptEntries``; their index; the index files that
/// name ``remove``, ``repack``, ``forget`` or ``expiredMarks`` anew without them; the old index
/// files away; then the packs ``repack`` and ``remove``.
///
/// **Packs that another tool has marked** (rustic's `packs_to_delete`) are neither indexed nor
/// unreferenced: a backup of that tool that runs without a lock may be about to refer to them, or
/// will find them by their mark. They stay until their delay is over, 23 hours as that tool's own
/// default; then they go in ``remove``, after the index has dropped the marks. An index file that
/// is written anew for other reasons must keep the marks of ``leftMarked``, or the packs would be
/// unreferenced for the next run. A pack that is marked and also in the index counts by the index,
/// but is not deleted before the delay is over. A used blob that is only in marked packs counts as
/// missing, and stops the run.
///
/// Source: the restic repository format, "forget / prune / check".
package struct PrunePlan: Sendable {
  /// Packs that no index lists, by identifier: gone first.
  package let removeFirst: [PackID]
  /// In the order in which they are best done.
  package let repack: [PackID]
  package let remove: [PackID]
  package let forget: [PackID]
  package let leftMarked: [PackID]
  package let expiredMarks: [PackID]
  /// For each pack of the index, by its number.
  package let actions: [PruneAction]
  /// The entries to write into new packs; nil when nothing is repacked.
  package let keptEntries: EntryBitmap?
  package let statistics: PruneStatistics

  /// Whether index files have to be written anew.
  package var changesIndex: Bool {
    !(repack.isEmpty && remove.isEmpty && forget.isEmpty && expiredMarks.isEmpty)
  }

  package var isEmpty: Bool { removeFirst.isEmpty && !changesIndex }

  /// Plans.
  ///
  /// `used` holds, for each used blob, the number of one of its entries at least; `missing` names
  /// used blobs that the index does not have (`missingCount` of them, if they are more than named).
  /// Blocking for some seconds with ten million entries; needs no more than some 60 bytes a pack
  /// and three bits an entry.
  /// - Throws: `PrunePlanError`; nothing may be pruned then.
  package init<Index: PruneIndex>(
    _ index: Index, used: EntryBitmap, missing: [BlobHandle] = [], missingCount: Int = 0,
    listed: [ListedPack], marks: [PruneMark] = [], now: CivilTime,
    options: PruneOptions = PruneOptions()
  ) throws(PrunePlanError) {
    try options.check()
    guard missing.isEmpty, missingCount <= 0 else {
      throw .blobsMissing(count: max(missing.count, missingCount), examples: missing)
    }
    precondition(used.entryCount == index.entryCount, "a bit for each entry")
    var maker = PrunePlanMaker(index, options)
    let tallied = try maker.tally(used: used, listed: listed, marks: marks, now: now)
    try maker.decide(tallied)
    keptEntries = try maker.keptEntries(used: used, chosen: tallied.chosen)
    removeFirst = maker.removeFirst.sorted()
    repack = try maker.ids(maker.repackOrder)
    remove = try maker.ids(.remove) + maker.expired.filter(\.isListed).map(\.id)
    forget = try maker.ids(.forget)
    leftMarked = maker.leftMarked
    expiredMarks = maker.expired.map(\.id)
    actions = maker.actions
    statistics = maker.statistics
  }
}
