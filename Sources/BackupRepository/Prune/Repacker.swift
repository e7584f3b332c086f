import ObjectStorage
import Platform

/// Writes the used blobs of packs that are given up into new packs, on all cores.
///
/// Each blob is opened and compared with its identifier first. The sealed bytes are then copied as
/// they are; only what is to be compressed is sealed anew. Memory: the places of at most
/// ``batchBlobCount`` blobs at a time (56 bytes each), and a window for each thread.
final class Repacker: Sendable {
  private static let batchBlobCount = 1 << 20
  private static let windowByteCount: UInt64 = 4 << 20
  /// Blobs that are not wanted are read as well when they are shorter than this: one read more
  /// costs as much.
  private static let gapByteCountMax: UInt64 = 256 << 10

  private struct Blob: Sendable {
    let handle: BlobHandle
    /// The place in the order of packs.
    let pack: Int
    let offset: UInt32
    let sealedLength: UInt32
    let plaintextLength: UInt32

    var end: UInt64 { UInt64(offset) + UInt64(sealedLength) }
  }

  private let repository: Repository
  private let index: BlobIndex
  private let entries: IndexedEntries
  private let plan: PrunePlan
  private let options: PruneRunOptions
  private let observe: @Sendable (PruneEvent) -> Void
  private let done = PackCounter()

  init(
    _ repository: Repository, _ index: BlobIndex, _ entries: IndexedEntries, _ plan: PrunePlan,
    _ options: PruneRunOptions, _ observe: @escaping @Sendable (PruneEvent) -> Void
  ) {
    self.repository = repository
    self.index = index
    self.entries = entries
    self.plan = plan
    self.options = options
    self.observe = observe
  }

  /// Writes packs and their index; durable when it returns.
  func run(threadCount: Int) throws(RepositoryError) -> PackWriter.Totals {
    guard let kept = plan.keptEntries else { return PackWriter.Totals() }
    let stored = PackCounter()
    let writer = PackWriter(
      repository, sizeBytes: Int(clamping: options.plan.packSizeBytes), clock: options.clock
    ) { _, entries in
      stored.add(entries.count)
    }
    do throws(RepositoryError) {
      for batch in try batches(kept) {
        try write(try blobs(kept, batch), writer, threadCount)
      }
      try writer.finish(try repository.makeCodec())
    } catch {
      writer.abandon()
      throw error
    }
    guard stored.count == kept.count else {
      throw .refused(
        reason: "\(stored.count) of \(kept.count) blobs were written anew, nothing was removed",
        hint: "Please report this.")
    }
    return writer.totals
  }

  // MARK: What to write

  /// Parts of the order of packs with so many blobs that their places are held in memory.
  private func batches(_ kept: EntryBitmap) throws(RepositoryError) -> [Range<Int>] {
    let places = try packPlaces()
    var counts = [Int](repeating: 0, count: plan.repack.count)
    try forEachKept(kept) { _, copy, _ in
      if let place = places[copy.pack] { counts[place] += 1 }
    }
    var batches: [Range<Int>] = []
    var start = 0
    var sum = 0
    for (place, count) in counts.enumerated() {
      if sum > 0, sum + count > Self.batchBlobCount {
        batches.append(start..<place)
        (start, sum) = (place, 0)
      }
      sum += count
    }
    if start < counts.count { batches.append(start..<counts.count) }
    return batches
  }

  /// The place of each pack to be written anew, by its number in the index.
  private func packPlaces() throws(RepositoryError) -> [Int: Int] {
    var places: [Int: Int] = [:]
    try index.reading { _ throws(IndexError) in
      for (place, id) in plan.repack.enumerated() {
        if let number = try entries.packNumber(id) { places[number] = place }
      }
    }
    return places
  }

  private func forEachKept(
    _ kept: EntryBitmap, _ body: (BlobHandle, PruneCopy, UInt32) -> Void
  ) throws(RepositoryError) {
    try index.reading { _ throws(IndexError) in
      try entries.forEachCopies { handle, copies, lengths in
        for (copy, length) in zip(copies, lengths) where kept.contains(copy.entry) {
          body(handle, copy, length)
        }
      }
    }
  }

  /// The blobs of a batch by pack and offset.
  private func blobs(_ kept: EntryBitmap, _ batch: Range<Int>) throws(RepositoryError) -> [Blob] {
    let places = try packPlaces()
    var blobs: [Blob] = []
    try forEachKept(kept) { handle, copy, plaintextLength in
      guard let place = places[copy.pack], batch.contains(place) else { return }
      blobs.append(
        Blob(
          handle: handle, pack: place, offset: copy.offset, sealedLength: copy.sealedLength,
          plaintextLength: plaintextLength))
    }
    blobs.sort { ($0.pack, $0.offset) < ($1.pack, $1.offset) }
    return blobs
  }

  // MARK: Writing

  private func write(
    _ blobs: [Blob], _ writer: PackWriter, _ threadCount: Int
  ) throws(RepositoryError) {
    var packs: [Range<Int>] = []
    var start = 0
    for position in blobs.indices where blobs[position].pack != blobs[start].pack {
      packs.append(start..<position)
      start = position
    }
    if start < blobs.count { packs.append(start..<blobs.count) }
    let ranges = packs
    let counter = WorkCounter(ranges.count)
    try runRepositoryThreads("repack", threadCount, stop: { counter.stop() }) {
      [self] _ throws(RepositoryError) in
      let worker = try Worker(repository, index)
      while let number = counter.take() {
        try write(blobs[ranges[number]], worker, writer)
        done.add(1)
        observe(.repacked(packs: done.count, of: plan.repack.count))
      }
    }
  }

  /// What one thread needs.
  private final class Worker {
    let opening: RepositoryCodec
    let sealing: RepositoryCodec
    let otherCopies: BlobReader
    let buffer = CodecBuffer()

    init(_ repository: Repository, _ index: BlobIndex) throws(RepositoryError) {
      opening = try repository.makeCodec()
      sealing = try repository.makeCodec()
      otherCopies = try BlobReader(repository, index)
    }
  }

  /// Writes the wanted blobs of one pack.
  private func write(
    _ blobs: ArraySlice<Blob>, _ worker: Worker, _ writer: PackWriter
  ) throws(RepositoryError) {
    var next = blobs.startIndex
    while next < blobs.endIndex {
      if options.isCancelled() { throw .cancelled }
      var last = next + 1
      while last < blobs.endIndex, Repacker.joins(blobs[next], blobs[last - 1], blobs[last]) {
        last += 1
      }
      let start = blobs[next].offset
      let bytes = try read(
        plan.repack[blobs[next].pack], from: Int64(start),
        count: Int(blobs[last - 1].end - UInt64(start)), worker)
      for blob in blobs[next..<last] {
        let offset = Int(blob.offset - start)
        let end = offset + Int(blob.sealedLength)
        let sealed =
          end <= bytes.count ? UnsafeRawBufferPointer(rebasing: bytes[offset..<end]) : nil
        try write(blob, sealed, worker, writer)
      }
      next = last
    }
  }

  private static func joins(_ first: Blob, _ before: Blob, _ blob: Blob) -> Bool {
    UInt64(blob.offset) >= before.end && UInt64(blob.offset) - before.end <= gapByteCountMax
      && blob.end - UInt64(first.offset) <= windowByteCount
  }

  private func read(
    _ pack: PackID, from offset: Int64, count: Int, _ worker: Worker
  ) throws(RepositoryError) -> UnsafeRawBufferPointer {
    guard count <= Int(RepositoryLimits.sealedBlobByteCountMax) else {
      throw .tooLarge(
        what: "a blob of pack \(pack.short)", limit: RepositoryLimits.blobByteCountMax)
    }
    let target = worker.buffer.reserve(count)
    let path = try repository.path(pack)
    let got = try repository.storing { () throws(ObjectStoreError) in
      try repository.store.get(path, offset: offset, into: target)
    }
    return UnsafeRawBufferPointer(rebasing: UnsafeRawBufferPointer(target)[..<got])
  }

  /// Writes one blob. When its bytes are damaged, another copy is looked for.
  private func write(
    _ blob: Blob, _ sealed: UnsafeRawBufferPointer?, _ worker: Worker, _ writer: PackWriter
  ) throws(RepositoryError) {
    let plaintext: UnsafeRawBufferPointer
    var isSound = false
    do throws(RepositoryError) {
      guard let sealed else {
        throw .corrupt(.data, place: blob.handle.id.short, reason: "its pack ends before it")
      }
      plaintext = try worker.opening.openBlob(
        sealed, plaintextLength: blob.plaintextLength, blob.handle)
      isSound = true
    } catch {
      guard error.isDamage else { throw error }
      plaintext = try worker.otherCopies.read(blob.handle)
    }
    if isSound, let sealed, !mustCompress(blob) {
      return try writer.add(blob.handle, sealed, plaintextLength: blob.plaintextLength)
    }
    let new = try worker.sealing.compressed(
      plaintext, isCompressed: blob.handle.type == .tree || repository.compression != .off)
    try writer.add(
      sealing: new.content, by: worker.sealing, blob.handle, plaintextLength: new.plaintextLength)
  }

  private func mustCompress(_ blob: Blob) -> Bool {
    repository.version != .v1 && blob.plaintextLength == 0
      && (blob.handle.type == .tree || options.plan.repacksUncompressed)
  }
}

/// Counts on several threads.
private final class PackCounter: @unchecked Sendable {
  private let lock = Lock()
  private var sum = 0

  var count: Int { lock.withLock { sum } }

  func add(_ number: Int) { lock.withLock { sum += number } }
}
