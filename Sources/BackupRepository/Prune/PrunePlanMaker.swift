/// The steps of ``PrunePlan``.
struct PrunePlanMaker<Index: PruneIndex> {
  private let index: Index
  private let options: PruneOptions
  private var smallPackBytes: UInt64 = 0

  private(set) var actions: [PruneAction]
  private(set) var repackOrder: [Int] = []
  private(set) var removeFirst: [PackID] = []
  private(set) var leftMarked: [PackID] = []
  private(set) var expired: [(id: PackID, isListed: Bool)] = []
  private(set) var statistics = PruneStatistics()

  init(_ index: Index, _ options: PruneOptions) {
    self.index = index
    self.options = options
    actions = Array(repeating: .keep, count: index.packCount)
  }

  // MARK: Reading the index

  private func reading<Value>(
    _ body: () throws(Index.Failure) -> Value
  ) throws(PrunePlanError) -> Value {
    do { return try body() } catch { throw .indexFailed(error) }
  }

  private func id(_ pack: Int) throws(PrunePlanError) -> PackID {
    try reading { () throws(Index.Failure) in try index.packID(pack) }
  }

  private func number(_ id: PackID) throws(PrunePlanError) -> Int? {
    try reading { () throws(Index.Failure) in try index.packNumber(id) }
  }

  func ids(_ packs: [Int]) throws(PrunePlanError) -> [PackID] {
    var ids: [PackID] = []
    for pack in packs { ids.append(try id(pack)) }
    return ids
  }

  func ids(_ action: PruneAction) throws(PrunePlanError) -> [PackID] {
    try ids(actions.indices.filter { actions[$0] == action })
  }

  // MARK: Listing and marks

  /// Sorts the listed packs into those of the index, marked ones and unreferenced ones, then counts
  /// the blobs.
  mutating func tally(
    used: EntryBitmap, listed: [ListedPack], marks: [PruneMark], now: CivilTime
  ) throws(PrunePlanError) -> PruneTally {
    var packs = Array(repeating: PackTally(), count: index.packCount)
    var marked: [PackID: (isExpired: Bool, isListed: Bool)] = [:]
    for mark in marks {
      let isExpired = mark.isExpired(at: now, delaySeconds: options.markDelaySeconds)
      // Of two marks of one pack the later one counts.
      marked[mark.id] = (isExpired && marked[mark.id]?.isExpired ?? true, false)
      if !isExpired, let pack = try number(mark.id) { packs[pack].isMarked = true }
    }
    for listed in listed {
      if let pack = try number(listed.id) {
        packs[pack].listedBytes = listed.sizeBytes
      } else if marked[listed.id] == nil {
        removeFirst.append(listed.id)
        statistics.bytes.unreferenced &+= listed.sizeBytes
      } else if marked[listed.id]?.isExpired == true {
        statistics.bytes.unreferenced &+= listed.sizeBytes
      }
      marked[listed.id]?.isListed = true
    }
    for (id, mark) in marked.sorted(by: { $0.key < $1.key }) {
      let isIndexed = try number(id) != nil
      if mark.isExpired {
        expired.append((id, mark.isListed && !isIndexed))
      } else {
        leftMarked.append(id)
      }
    }
    smallPackBytes = options.smallPackBytes(among: listed.map(\.sizeBytes))
    var tally = PruneTally(packs: packs, used: used)
    do {
      try tally.countAll(index)
      try tally.chooseCopies(index)
    } catch {
      throw .indexFailed(error)
    }
    return tally
  }

  // MARK: Deciding

  /// Gives each pack its action.
  mutating func decide(_ tally: PruneTally) throws(PrunePlanError) {
    try checkNeeded(tally.packs)
    let unreferencedBytes = statistics.bytes.unreferenced
    statistics = tally.statistics
    statistics.bytes.unreferenced = unreferencedBytes
    var candidates: [Int] = []
    var small: [Int] = []
    for (pack, content) in tally.packs.enumerated() {
      decide(pack, content, candidates: &candidates, small: &small)
    }
    if small.count >= PruneOptions.smallPackCountMin {
      candidates += small
    } else {
      statistics.packs.keep += small.count
    }
    chooseRepacked(candidates, tally.packs)
    if options.repositoryVersion < 2 { statistics.bytes.uncompressed = 0 }
    statistics.packs.unreferenced = removeFirst.count + expired.count { $0.isListed }
    statistics.packs.repack = repackOrder.count
  }

  /// Packs with used blobs have to be there, whole.
  private func checkNeeded(_ packs: [PackTally]) throws(PrunePlanError) {
    var missing: [PackID] = []
    var missingCount = 0
    var damagedCount = 0
    var damaged: Int?
    for (pack, content) in packs.enumerated() where content.usedCount > 0 && !content.isIntact {
      if content.listedBytes == nil {
        missingCount += 1
        if missing.count < PrunePlanError.exampleCountMax { missing.append(try id(pack)) }
      } else {
        damagedCount += 1
        damaged = damaged ?? pack
      }
    }
    guard missingCount == 0 else { throw .packsMissing(count: missingCount, examples: missing) }
    if let damaged {
      throw .packSizes(
        count: damagedCount, first: try id(damaged), expected: packs[damaged].expectedBytes,
        actual: packs[damaged].listedBytes ?? 0)
    }
  }

  private mutating func decide(
    _ pack: Int, _ content: PackTally, candidates: inout [Int], small: inout [Int]
  ) {
    guard let listedBytes = content.listedBytes else {
      actions[pack] = .forget
      countRemoved(content)
      return
    }
    if content.usedCount == 0 {
      statistics.packs.unused += 1
    } else if content.unusedCount == 0 {
      statistics.packs.used += 1
    } else {
      statistics.packs.partlyUsed += 1
    }
    if content.isUncompressed { statistics.bytes.uncompressed &+= content.expectedBytes }

    if content.usedCount == 0 {
      if content.isMarked {
        actions[pack] = .leaveMarked
        statistics.packs.marked += 1
      } else {
        actions[pack] = .remove
        statistics.packs.remove += 1
        if content.isUncompressed { statistics.bytes.uncompressed &-= content.expectedBytes }
        countRemoved(content)
      }
    } else if options.repacksCacheableOnly, content.content == .data {
      statistics.packs.keep += 1
    } else if content.unusedCount > 0 || content.content == .mixed || mustCompress(content) {
      candidates.append(pack)
    } else if listedBytes < smallPackBytes {
      small.append(pack)
    } else {
      statistics.packs.keep += 1
    }
  }

  private mutating func countRemoved(_ content: PackTally) {
    statistics.blobs.remove &+= UInt64(content.unusedCount)
    statistics.bytes.remove &+= content.unusedBytes
  }

  private func mustCompress(_ content: PackTally) -> Bool {
    options.repositoryVersion >= 2 && content.isUncompressed
      && (content.content == .tree || options.repacksUncompressed)
  }

  /// Takes candidates, the most rewarding first, until little enough stays unused.
  private mutating func chooseRepacked(_ candidates: [Int], _ packs: [PackTally]) {
    let unusedMax = options.maxUnused.byteCount(used: statistics.bytes.used)
    for pack in candidates.sorted(by: { precedes($0, $1, packs) }) {
      let content = packs[pack]
      let bytes = content.expectedBytes
      let isSmall = bytes < smallPackBytes
      let isForced = content.content != .data || mustCompress(content)
      let isEnough = statistics.unusedBytesAfter < unusedMax
      let (total, overflow) = statistics.bytes.repack.addingReportingOverflow(bytes)
      let isTooMuch = options.maxRepackBytes.map { overflow || total >= $0 } ?? false
      if isTooMuch || (isEnough && !isForced && !isSmall) {
        statistics.packs.keep += 1
        continue
      }
      actions[pack] = .repack
      repackOrder.append(pack)
      statistics.blobs.repack &+= UInt64(content.usedCount) &+ UInt64(content.unusedCount)
      statistics.bytes.repack = total
      statistics.blobs.repackRemove &+= UInt64(content.unusedCount)
      statistics.bytes.repackRemove &+= content.unusedBytes
      if content.isUncompressed { statistics.bytes.uncompressed &-= bytes }
    }
  }

  /// Packs with trees first, then small ones, then by what is won for each byte written.
  private func precedes(_ a: Int, _ b: Int, _ packs: [PackTally]) -> Bool {
    func order(_ pack: Int) -> Int {
      if packs[pack].content != .data { return 0 }
      return packs[pack].expectedBytes < smallPackBytes ? 1 : 2
    }
    let (orderA, orderB) = (order(a), order(b))
    if orderA != orderB { return orderA < orderB }
    let (first, second) = (packs[a], packs[b])
    let left = first.unusedBytes.multipliedFullWidth(by: second.usedBytes &+ second.headerBytes)
    let right = second.unusedBytes.multipliedFullWidth(by: first.usedBytes &+ first.headerBytes)
    if left != right { return left > right }
    return a < b
  }

  // MARK: What is written anew

  /// Third pass: the entries to write into new packs, and the proof that no used blob is lost.
  ///
  /// A blob that has another copy in a pack that stays is not written again.
  func keptEntries(
    used: EntryBitmap, chosen: EntryBitmap
  ) throws(PrunePlanError) -> EntryBitmap? {
    let kept = EntryBitmap(entryCount: used.entryCount)
    var lost: Int?
    var scratch: [PruneCopy] = []
    try reading { () throws(Index.Failure) in
      try index.forEachBlob { _, copies in
        guard copies.contains(where: { used.contains($0.entry) }) else { return }
        PruneTally.withDistinct(copies, &scratch) { distinct in
          if distinct.contains(where: { actions[$0.pack] == .keep }) { return }
          let saved = distinct.first {
            actions[$0.pack] == .repack && (distinct.count == 1 || chosen.contains($0.entry))
          }
          if let saved { kept.insert(saved.entry) } else { lost = lost ?? distinct.first?.pack }
        }
      }
    }
    if let lost { throw .planWouldLose(try id(lost)) }
    return repackOrder.isEmpty ? nil : kept
  }
}
