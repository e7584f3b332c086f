import CJSON
import Platform

/// Makes the ``BlobIndex`` of a repository from its list of index files: what the cache covers is
/// mapped, the rest read on many cores.
///
/// New index files go into a small segment beside the large ones; segments are merged as they grow,
/// so that their number stays logarithmic and each entry is rewritten a few times in its life.
struct IndexLoader: Sendable {
  /// Gives the plaintext JSON of an index file; called on several threads at once.
  typealias Read = @Sendable (IndexID, IndexText) throws -> Void

  /// Where the cache stands; nil when there is none, or none that can be written.
  let cacheDirectory: String?
  /// Where unnamed scratch files stand, 48 bytes a new blob, and the index itself without a cache.
  let temporaryDirectory: String
  /// The 32 bytes of the repository's identifier.
  let repository: [UInt8]
  let compression: StoredCompression
  let threadCount: Int
  let clock: any Clock
  private let key: PageKey

  /// Only a key derived from `secret`, the repository's master key of 32 bytes or more, is used: it
  /// authenticates the pages of the cache.
  /// - Throws: `IndexError.cryptography`.
  init(
    repository: [UInt8], secret: [UInt8], cacheDirectory: String?, temporaryDirectory: String,
    compression: StoredCompression = .allowed, threadCount: Int, clock: any Clock = SystemClock()
  ) throws(IndexError) {
    self.repository = repository
    self.cacheDirectory = cacheDirectory
    self.temporaryDirectory = temporaryDirectory
    self.compression = compression
    self.threadCount = max(1, threadCount)
    self.clock = clock
    key = try PageKey(secret: secret, repository: repository)
  }

  /// Loads the index. `ids` is what the store lists now.
  ///
  /// Trouble with the cache is no failure: the index files are read instead.
  /// - Throws: `IndexError` of an index file, or of the scratch file.
  func load(_ ids: [IndexID], read: @escaping Read) throws(IndexError) -> BlobIndex {
    let cache = openCache()
    let live = Set(ids)
    var segments = cache?.open() ?? []
    // Each round but the last drops a damaged segment.
    while true {
      do throws(IndexError) {
        return try load(live, segments, cache, read)
      } catch .cacheDamaged(let path, _) where segments.contains(where: { $0.path == path }) {
        segments.removeAll { $0.path == path }
      }
    }
  }

  private func openCache() -> IndexCache? {
    guard let cacheDirectory else { return nil }
    // Without a cache everything works, only slower: a read-only home directory is usual.
    return try? IndexCache(cacheDirectory: cacheDirectory, repository: repository, key: key)
  }

  private func load(
    _ live: Set<IndexID>, _ segments: [Segment], _ cache: IndexCache?, _ read: @escaping Read
  ) throws(IndexError) -> BlobIndex {
    var covered: Set<IndexID> = []
    var served: [ServedSegment] = []
    var idle: [Segment] = []
    for segment in segments.sorted(by: { $0.header.entryCount > $1.header.entryCount }) {
      let candidate = ServedSegment(segment) { live.contains($0) && !covered.contains($0) }
      if candidate.isUseless {
        idle.append(segment)
        continue
      }
      served.append(candidate)
      for file in segment.files { covered.insert(IndexID(words: file.id)) }
    }
    cache?.sweep(idle: idle, now: clock.wallTime())
    let missing = live.filter { !covered.contains($0) }.sorted()
    let spool = try makeSpool(cache)
    try parse(missing, spool, read)
    let plan = MergePlan(
      served: served, newEntryCount: spool.entryCount, hasNew: !missing.isEmpty)
    guard plan.isNeeded else { return BlobIndex(served) }
    let merged = try build(spool, plan, cache)
    return BlobIndex(plan.kept + [ServedSegment(merged) { _ in true }])
  }

  private func makeSpool(_ cache: IndexCache?) throws(IndexError) -> IndexSpool {
    if let cache {
      do throws(IndexError) { return try IndexSpool(directory: cache.directory) } catch .cache {
        return try IndexSpool(directory: temporaryDirectory)
      }
    }
    return try IndexSpool(directory: temporaryDirectory)
  }

  // MARK: Reading index files

  private func parse(
    _ ids: [IndexID], _ spool: IndexSpool, _ read: @escaping Read
  ) throws(IndexError) {
    guard !ids.isEmpty else { return }
    let counter = WorkCounter(ids.count)
    try runIndexThreads(min(threadCount, ids.count)) { (_) throws(IndexError) in
      let reader = IndexReader()
      let text = IndexText()
      let writer = IndexRunWriter(spool)
      do throws(IndexError) {
        while let number = counter.take() {
          let id = ids[number]
          try fetch(id, into: text, read)
          try writer.add(try reader.read(text, of: id, compression: compression), of: id)
        }
        try writer.flush()
      } catch {
        counter.stop()
        throw error
      }
    }
  }

  private func fetch(_ id: IndexID, into text: IndexText, _ read: Read) throws(IndexError) {
    do {
      try read(id, text)
    } catch let error as any DroverError {
      throw .unreadable(id, cause: error)
    } catch {
      throw .failed(id, reason: "\(error)")
    }
  }

  // MARK: Writing segments

  private func build(
    _ spool: IndexSpool, _ plan: MergePlan, _ cache: IndexCache?
  ) throws(IndexError) -> Segment {
    let nonce = SecureRandom.bytes(PageAuthenticator.nonceByteCount)
    let builder = SegmentBuilder(spool, nonce: nonce, key: key)
    for older in plan.merged { try builder.add(older) }
    if let cache {
      do throws(IndexError) {
        let segment = try cache.add(nonce: nonce) { (descriptor) throws(IndexError) in
          try builder.build(into: descriptor, threadCount: threadCount)
        }
        for older in plan.merged { cache.remove(older.segment) }
        return segment
      } catch .cache {
        // No room, or not writable: an index that nobody keeps will do. Its builder is a new one.
        return try buildUnnamed(spool, plan)
      }
    }
    return try buildUnnamed(spool, plan)
  }

  private func buildUnnamed(_ spool: IndexSpool, _ plan: MergePlan) throws(IndexError) -> Segment {
    let nonce = SecureRandom.bytes(PageAuthenticator.nonceByteCount)
    let builder = SegmentBuilder(spool, nonce: nonce, key: key)
    for older in plan.merged { try builder.add(older) }
    let descriptor = try openUnnamedFile(temporaryDirectory)
    try builder.build(into: descriptor.raw, threadCount: threadCount)
    return try Segment(descriptor, path: nil, key: key)
  }
}

/// Which segments are merged into the new one.
struct MergePlan {
  /// Segments beyond which small ones are merged even without need; each costs a look-up a page.
  static let segmentCountMax = 12

  private(set) var kept: [ServedSegment] = []
  private(set) var merged: [ServedSegment] = []
  let isNeeded: Bool

  /// A segment is merged when more than a quarter of it no longer counts, or when it has at most
  /// twice the entries that are written anyway: segments then grow by powers, like digits.
  init(served: [ServedSegment], newEntryCount: Int, hasNew: Bool) {
    var writtenCount = newEntryCount
    for segment in served.sorted(by: { $0.entryCount < $1.entryCount }) {
      let total = segment.segment.header.entryCount
      let isWorn = segment.served != nil && segment.entryCount < total - total / 4
      let isSmall = hasNew && segment.entryCount <= 2 * writtenCount
      if isWorn || isSmall {
        merged.append(segment)
        writtenCount += segment.entryCount
      } else {
        kept.append(segment)
      }
    }
    while kept.count >= MergePlan.segmentCountMax { merged.append(kept.removeFirst()) }
    isNeeded = hasNew || !merged.isEmpty
  }
}
