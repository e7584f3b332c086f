/// What is in one pack; 56 bytes, so that a million packs take 56 MB.
struct PackTally {
  enum Content: UInt8 { case nothing, data, tree, mixed }

  var usedCount: UInt32 = 0
  var unusedCount: UInt32 = 0
  /// Of the unused: copies of used blobs, before one copy of each was chosen.
  var duplicateCount: UInt32 = 0
  var content = Content.nothing
  var isUncompressed = false
  /// Named in `marks`, and the delay is not over.
  var isMarked = false
  var usedBytes: UInt64 = 0
  var unusedBytes: UInt64 = 0
  /// The sealed header and its length.
  var headerBytes: UInt64 = 36
  /// As the store lists it; nil when it does not.
  var listedBytes: UInt64?

  /// What the pack has to be long, by the format.
  var expectedBytes: UInt64 { usedBytes &+ unusedBytes &+ headerBytes }
  var isIntact: Bool { listedBytes == expectedBytes }

  mutating func count(_ type: BlobType, _ copy: PruneCopy) {
    let now: Content = type == .tree ? .tree : .data
    if content == .nothing { content = now } else if content != now { content = .mixed }
    headerBytes &+= copy.isCompressed ? 41 : 37
    if !copy.isCompressed { isUncompressed = true }
  }
}

/// Counts per pack what is used, and chooses one copy of each used blob.
///
/// Memory: a tally for each pack and a bit for each entry; nothing for each blob.
struct PruneTally {
  private(set) var packs: [PackTally]
  private(set) var statistics = PruneStatistics()
  /// The chosen copies, of blobs with several copies only.
  let chosen: EntryBitmap
  private let used: EntryBitmap
  private var hasDuplicates = false
  private var scratch: [PruneCopy] = []

  init(packs: [PackTally], used: EntryBitmap) {
    self.packs = packs
    self.used = used
    chosen = EntryBitmap(entryCount: used.entryCount)
  }

  /// The copies in ascending order, without those that name one place in one pack twice (two index
  /// files may list a pack). A blob with few copies costs no allocation.
  static func withDistinct<Result>(
    _ copies: UnsafeBufferPointer<PruneCopy>, _ scratch: inout [PruneCopy],
    _ body: (UnsafeBufferPointer<PruneCopy>) -> Result
  ) -> Result {
    func precedes(_ a: PruneCopy, _ b: PruneCopy) -> Bool {
      (a.pack, a.offset) < (b.pack, b.offset)
    }
    let isAscending = copies.indices.dropFirst().allSatisfy {
      precedes(copies[$0 - 1], copies[$0])
    }
    if isAscending { return body(copies) }
    scratch.removeAll(keepingCapacity: true)
    for copy in copies.sorted(by: precedes) {
      if let last = scratch.last, !precedes(last, copy) { continue }
      scratch.append(copy)
    }
    return scratch.withUnsafeBufferPointer(body)
  }

  /// First pass: what is used, unused, and there more than once.
  mutating func countAll<Index: PruneIndex>(_ index: Index) throws(Index.Failure) {
    var scratch: [PruneCopy] = []
    try index.forEachBlob { type, copies in
      let isUsed = copies.contains { used.contains($0.entry) }
      Self.withDistinct(copies, &scratch) { distinct in
        for copy in distinct { count(type, copy, isUsed: isUsed, isOne: distinct.count == 1) }
      }
    }
  }

  private mutating func count(_ type: BlobType, _ copy: PruneCopy, isUsed: Bool, isOne: Bool) {
    let bytes = UInt64(copy.sealedLength)
    packs[copy.pack].count(type, copy)
    if isUsed, isOne {
      packs[copy.pack].usedCount &+= 1
      packs[copy.pack].usedBytes &+= bytes
      statistics.blobs.used &+= 1
      statistics.bytes.used &+= bytes
      return
    }
    packs[copy.pack].unusedCount &+= 1
    packs[copy.pack].unusedBytes &+= bytes
    if isUsed {
      hasDuplicates = true
      packs[copy.pack].duplicateCount &+= 1
      statistics.blobs.duplicate &+= 1
      statistics.bytes.duplicate &+= bytes
    } else {
      statistics.blobs.unused &+= 1
      statistics.bytes.unused &+= bytes
    }
  }

  /// Second pass: of each used blob with several copies one becomes the used one.
  mutating func chooseCopies<Index: PruneIndex>(_ index: Index) throws(Index.Failure) {
    guard hasDuplicates else { return }
    var scratch: [PruneCopy] = []
    try index.forEachBlob { _, copies in
      guard copies.count > 1, copies.contains(where: { used.contains($0.entry) }) else { return }
      Self.withDistinct(copies, &scratch) { distinct in
        if distinct.count > 1 { choose(among: distinct) }
      }
    }
  }

  private mutating func choose(among copies: UnsafeBufferPointer<PruneCopy>) {
    var best = copies.count - 1
    for position in copies.indices where rank(copies[position]) > rank(copies[best]) {
      best = position
    }
    // Of equals the first, so that the used blobs gather in few packs; the last only where no copy
    // has anything that speaks for it.
    let bestRank = rank(copies[best])
    if bestRank & 3 > 0 {
      best = copies.indices.first { rank(copies[$0]) == bestRank } ?? best
    }
    let copy = copies[best]
    let bytes = UInt64(copy.sealedLength)
    packs[copy.pack].usedCount &+= 1
    packs[copy.pack].usedBytes &+= bytes
    packs[copy.pack].unusedCount &-= 1
    packs[copy.pack].unusedBytes &-= bytes
    statistics.blobs.used &+= 1
    statistics.bytes.used &+= bytes
    statistics.blobs.duplicate &-= 1
    statistics.bytes.duplicate &-= bytes
    chosen.insert(copy.entry)
  }

  /// What speaks for a copy: a pack that is there whole, before a pack that has used blobs anyhow,
  /// before one that holds nothing but copies (an interrupted prune has made it).
  private func rank(_ copy: PruneCopy) -> Int {
    let pack = packs[copy.pack]
    let whole = pack.isIntact ? 4 : 0
    if pack.usedCount > 0 { return whole + 2 }
    return whole + (pack.duplicateCount == pack.unusedCount ? 1 : 0)
  }
}
