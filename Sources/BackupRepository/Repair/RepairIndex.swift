import Platform

/// What `repair index` may do.
package struct RepairIndexOptions: Sendable {
  /// `--read-all-packs`: trusts no index file at all.
  package var readsAllPacks = false
  package var threadCount = 0
  package var temporaryDirectory = "/tmp"
  package var isCancelled: @Sendable () -> Bool = { false }

  package init() {}
}

/// What happens while an index is repaired.
package enum RepairIndexEvent: Sendable {
  case damagedIndex(IndexID, RepositoryError)
  /// The header of a pack cannot be read: the new index does not list it.
  case unreadablePack(PackID, RepositoryError)
  case read(packs: Int, of: Int)
}

/// The outcome of `repair index`.
package struct RepairIndexReport: Sendable {
  package var damagedIndexFiles: [IndexID] = []
  /// Packs whose headers were read and whose blobs the index lists now.
  package var readPackCount = 0
  package var unreadablePacks: [PackID] = []
  /// Packs that the index listed and the store does not have.
  package var missingPacks: [PackID] = []
  package var removedIndexCount = 0

  package var isUnchanged: Bool { removedIndexCount == 0 && readPackCount == 0 }
}

/// Makes the index fit the packs: those that no index lists, or whose size is not what the index
/// says, are read from their headers; those that are gone are dropped. Only the index files that
/// this concerns are replaced, the new ones first.
///
/// The caller holds an exclusive lock.
/// Source: the restic repository format, "forget / prune / check".
package struct RepairIndex {
  private let repository: Repository
  private let options: RepairIndexOptions
  private let observe: @Sendable (RepairIndexEvent) -> Void
  private var threadCount: Int {
    options.threadCount > 0 ? options.threadCount : repository.readerCount
  }

  package init(
    _ repository: Repository, _ options: RepairIndexOptions = RepairIndexOptions(),
    observe: @escaping @Sendable (RepairIndexEvent) -> Void = { _ in }
  ) {
    self.repository = repository
    self.options = options
    self.observe = observe
  }

  /// What has to be done.
  private struct Work {
    var damaged: [IndexID] = []
    var read: [(id: PackID, sizeBytes: Int64)] = []
    var missing: [PackID] = []
    var files: Set<IndexID> = []
    /// Packs that the index files to be written anew do not list.
    var dropped: Set<PackID> = []
  }

  package func run() throws(RepositoryError) -> RepairIndexReport {
    let work = try plan()
    var report = RepairIndexReport()
    report.damagedIndexFiles = work.damaged
    report.missingPacks = work.missing
    let headers = PackHeaderScan(repository, observe, isCancelled: options.isCancelled)
    try headers.run(work.read, threadCount: threadCount)
    report.readPackCount = headers.indexedCount
    report.unreadablePacks = headers.unreadable.sorted()
    if !options.readsAllPacks {
      var rewrite = IndexRewrite(
        repository, dropped: work.dropped, marks: try PackMarks.read(repository, work.files))
      try rewrite.run(Array(work.files), isCancelled: options.isCancelled)
    }
    let old = Array(work.files) + work.damaged
    try repository.removeAll(old)
    try repository.synchronize()
    report.removedIndexCount = old.count
    return report
  }

  private func plan() throws(RepositoryError) -> Work {
    var work = Work()
    let damaged = DamagedIndexes()
    let files = try repository.list(IndexID.self)
    let index = try repository.loadIndex(
      threadCount: threadCount, temporaryDirectory: options.temporaryDirectory, cache: .refused
    ) { [observe] id, error in
      damaged.add(id)
      observe(.damagedIndex(id, error))
    }
    work.damaged = damaged.ids
    var listed: [PackID: Int64] = [:]
    try repository.list(PackID.self) { id, sizeBytes in listed[id] = sizeBytes }
    if options.readsAllPacks {
      work.read = listed.map { ($0.key, $0.value) }
      work.files = Set(files).subtracting(work.damaged)
      try index.reading { (index) throws(IndexError) in
        for pack in try IndexedEntries(index).packs where listed[pack] == nil {
          work.missing.append(pack)
        }
      }
    } else {
      try compare(index, listed, &work)
    }
    work.read.sort { $0.id < $1.id }
    return work
  }

  private func compare(
    _ index: BlobIndex, _ listed: [PackID: Int64], _ work: inout Work
  ) throws(RepositoryError) {
    // What each pack is described as; the wrong ones are read.
    var contents: [PackID: Int] = [:]
    var wrong: Set<PackID> = []
    try index.reading { (index) throws(IndexError) in
      try index.forEachPackWithEntries { pack, blobs in
        guard !pack.isMarked else { return }
        var hasher = Hasher()
        hasher.combine(blobs)
        let content = hasher.finalize()
        let isSame = contents.updateValue(content, forKey: pack.id).map { $0 == content } ?? true
        if !isSame || !RepairIndex.isWhole(blobs, sizeBytes: listed[pack.id]) {
          wrong.insert(pack.id)
        }
      }
      try index.forEachPack { pack in
        if !pack.isMarked, wrong.contains(pack.id) { work.files.insert(pack.indexFile) }
      }
    }
    for (id, sizeBytes) in listed where contents[id] == nil || wrong.contains(id) {
      work.read.append((id, sizeBytes))
    }
    work.missing = wrong.filter { listed[$0] == nil }.sorted()
    work.dropped = wrong
  }

  /// Whether blobs stand one behind the other and make a pack of the size that the store lists.
  private static func isWhole(_ blobs: [PackedBlob], sizeBytes: Int64?) -> Bool {
    var end: UInt64 = 0
    for blob in blobs {
      guard UInt64(blob.offset) == end else { return false }
      end += UInt64(blob.sealedLength)
    }
    return PackHeader.packByteCount(of: blobs.lazy.map(PackEntry.init)) == sizeBytes
  }
}

/// Index files that loading could not use; filled by several threads.
private final class DamagedIndexes: @unchecked Sendable {
  private let lock = Lock()
  private var found: [IndexID] = []

  var ids: [IndexID] { lock.withLock { found.sorted() } }

  func add(_ id: IndexID) { lock.withLock { found.append(id) } }
}

/// Reads the headers of many packs and writes index files of them.
private final class PackHeaderScan: @unchecked Sendable {
  private let repository: Repository
  private let observe: @Sendable (RepairIndexEvent) -> Void
  private let isCancelled: @Sendable () -> Bool
  private let builder = IndexBuilder(clock: SystemClock())
  private let lock = Lock()
  private var doneCount = 0
  private var unreadablePacks: [PackID] = []

  init(
    _ repository: Repository, _ observe: @escaping @Sendable (RepairIndexEvent) -> Void,
    isCancelled: @escaping @Sendable () -> Bool
  ) {
    self.repository = repository
    self.observe = observe
    self.isCancelled = isCancelled
  }

  var unreadable: [PackID] { lock.withLock { unreadablePacks } }
  var indexedCount: Int { lock.withLock { doneCount - unreadablePacks.count } }

  func run(
    _ packs: [(id: PackID, sizeBytes: Int64)], threadCount: Int
  ) throws(RepositoryError) {
    let counter = WorkCounter(packs.count)
    try runRepositoryThreads("repair index", threadCount, stop: { counter.stop() }) {
      [self] _ throws(RepositoryError) in
      let codec = try repository.makeCodec()
      while let number = counter.take() {
        if isCancelled() { throw .cancelled }
        try read(packs[number].id, packs[number].sizeBytes, codec, of: packs.count)
      }
    }
    if let rest = builder.finish() { try repository.saveIndex(rest, try repository.makeCodec()) }
  }

  private func read(
    _ id: PackID, _ sizeBytes: Int64, _ codec: RepositoryCodec, of count: Int
  ) throws(RepositoryError) {
    var failure: RepositoryError?
    do throws(RepositoryError) {
      let entries = try PackHeaderReader.read(repository, id, sizeBytes: sizeBytes, codec)
      let due = builder.add(StoredPack(id: id, blobs: entries.map(PackedBlob.init)))
      if let due { try repository.saveIndex(due, codec) }
    } catch {
      guard error.isDamage else { throw error }
      failure = error
    }
    let done = lock.withLock {
      doneCount += 1
      if failure != nil { unreadablePacks.append(id) }
      return doneCount
    }
    if let failure { observe(.unreadablePack(id, failure)) }
    observe(.read(packs: done, of: count))
  }
}
