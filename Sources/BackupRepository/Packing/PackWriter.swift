import Cryptography
import ObjectStorage
import Pipelines
package import Platform

/// Gathers sealed blobs into packs, stores the packs and writes their index files. Shared by all
/// threads of a run.
///
/// Two packs of each type are open, and each blob goes to one of them at random: lengths of
/// neighbouring blobs then tell nothing about the data. A full pack goes to a few threads that hash
/// and store it; after that its blobs go to an index file, so that nothing is ever listed that is
/// not durable.
package final class PackWriter: @unchecked Sendable {
  /// Pack size when nothing else is asked for, and the limits of what may be asked for.
  package static let sizeBytesStandard = 16 << 20
  package static let sizeBytesRange = (4 << 20)...(128 << 20)

  /// Reads a size in MiB as restic takes it; nil for 0, which asks for the usual one.
  /// - Throws: `RepositoryError.usage`.
  package static func sizeBytes(parsing text: String) throws(RepositoryError) -> Int? {
    guard text != "0" else { return nil }
    guard let size = Int(text), size <= 128, sizeBytesRange.contains(size << 20) else {
      throw .usage("'\(printable(text.utf8))' is not a pack size: 4 to 128 MiB")
    }
    return size << 20
  }
  private static let openCount = 2
  private static let storingCountMax = 5

  /// What was stored so far.
  package struct Totals: Sendable {
    package var packCount = 0
    package var packBytes: Int64 = 0
    package var indexCount = 0
  }

  private final class Slot: @unchecked Sendable {
    let lock = Lock()
    var pack: PackBuffer?
  }

  private let repository: Repository
  private let sizeBytes: Int
  private let builder: IndexBuilder
  private let slots: [[Slot]]
  private let pools: [PackBufferPool]
  private let full: BoundedChannel<PackBuffer>
  private let lock = Lock()
  private var failure: RepositoryError?
  private var totalsSoFar = Totals()
  private var threads: [Thread<Void>] = []
  /// Told of every pack that is durable.
  private let onStored: @Sendable (PackID, [PackEntry]) -> Void

  package init(
    _ repository: Repository, sizeBytes: Int = PackWriter.sizeBytesStandard,
    clock: any Clock = SystemClock(),
    onStored: @escaping @Sendable (PackID, [PackEntry]) -> Void = { _, _ in }
  ) {
    self.repository = repository
    self.sizeBytes = sizeBytes
    self.onStored = onStored
    builder = IndexBuilder(clock: clock)
    slots = BlobType.allCases.map { _ in (0..<PackWriter.openCount).map { _ in Slot() } }
    full = BoundedChannel(countMax: 1)
    let threadCount = max(1, min(repository.store.connectionsMax, PackWriter.storingCountMax))
    // The last blob may go beyond the size by nearly as much again; the header comes on top.
    let capacity = 2 * sizeBytes + (1 << 20)
    pools = BlobType.allCases.map {
      PackBufferPool($0, capacity: capacity, countMax: PackWriter.openCount + threadCount)
    }
    for _ in 0..<threadCount {
      threads.append(Thread("pack store") { [self] in storePacks() })
    }
  }

  package var totals: Totals { lock.withLock { totalsSoFar } }

  /// Adds a sealed blob; blocks while the store cannot keep up.
  /// - Throws: what storing an earlier pack has met.
  package func add(
    _ handle: BlobHandle, _ sealed: UnsafeRawBufferPointer, plaintextLength: UInt32
  ) throws(RepositoryError) {
    try add(handle.type, byteCount: sealed.count) { (pack) throws(RepositoryError) in
      pack.append(handle, sealed, plaintextLength: plaintextLength)
    }
  }

  /// Seals a blob into a pack; blocks while the store cannot keep up.
  /// - Throws: what storing an earlier pack has met.
  func add(
    sealing content: UnsafeRawBufferPointer, by codec: RepositoryCodec, _ handle: BlobHandle,
    plaintextLength: UInt32
  ) throws(RepositoryError) {
    let byteCount = content.count + Sealer.overheadByteCount
    try add(handle.type, byteCount: byteCount) { (pack) throws(RepositoryError) in
      try pack.append(sealing: content, by: codec, handle, plaintextLength: plaintextLength)
    }
  }

  private func add(
    _ type: BlobType, byteCount: Int, _ append: (PackBuffer) throws(RepositoryError) -> Void
  ) throws(RepositoryError) {
    if byteCount >= sizeBytes {
      let pack = PackBuffer(type, capacity: byteCount + 4096, isPooled: false)
      try append(pack)
      return try store(pack)
    }
    let number = Int(truncatingIfNeeded: SecureRandom.integer() as UInt64) & 1
    let slot = slots[Int(type.rawValue)][number]
    try slot.lock.withLock { () throws(RepositoryError) in
      // What is full goes to the storing threads before a new buffer is waited for: its memory may
      // be the next one.
      if let pack = slot.pack, !pack.hasRoom(for: byteCount) {
        slot.pack = nil
        try store(pack)
      }
      if slot.pack == nil { slot.pack = try emptyPack(type) }
      guard let pack = slot.pack else { return }
      try append(pack)
      guard pack.count >= sizeBytes else { return }
      slot.pack = nil
      try store(pack)
    }
  }

  /// Stores what is left and the last index file, and ends the threads. Called once, also after a
  /// failure.
  /// - Throws: the first failure of the run.
  package func finish(_ codec: RepositoryCodec) throws(RepositoryError) {
    for type in slots {
      if lock.withLock({ failure }) != nil { break }
      for pack in mergedRest(type) { _ = try? store(pack) }  // its failure is thrown below
    }
    full.close()
    join()
    try check()
    guard let packs = builder.finish() else { return }
    try repository.saveIndex(packs, codec)
    lock.withLock { totalsSoFar.indexCount += 1 }
  }

  /// Ends the threads without storing what is open.
  package func abandon() {
    stop()
    join()
  }

  private func stop() {
    full.fail()
    for pool in pools { pool.fail() }
  }

  private func join() {
    let all = lock.withLock {
      defer { threads = [] }
      return threads
    }
    // Their bodies do not throw.
    for thread in all { _ = try? thread.join() }
  }

  /// The open packs of a type; one when both fit together.
  private func mergedRest(_ type: [Slot]) -> [PackBuffer] {
    let rest = type.compactMap { slot in
      slot.lock.withLock {
        defer { slot.pack = nil }
        return slot.pack
      }
    }
    guard rest.count == 2, rest[0].count + rest[1].count <= sizeBytes,
      rest[0].hasRoom(forAllOf: rest[1])
    else { return rest }
    rest[0].append(contentsOf: rest[1])
    return [rest[0]]
  }

  private func emptyPack(_ type: BlobType) throws(RepositoryError) -> PackBuffer {
    guard let pack = pools[Int(type.rawValue)].take() else {
      try check()
      throw .cancelled
    }
    return pack
  }

  private func check() throws(RepositoryError) {
    if let failure = lock.withLock({ failure }) { throw failure }
  }

  private func store(_ pack: PackBuffer) throws(RepositoryError) {
    do throws(ChannelClosed) { try full.send(pack) } catch {
      try check()
      throw .cancelled
    }
  }

  // MARK: Storing threads

  private func storePacks() {
    do throws(RepositoryError) {
      let codec = try repository.makeCodec()
      while let pool = try storeNext(codec) { pool?.release() }
    } catch {
      lock.withLock { failure = failure ?? error }
      stop()
    }
  }

  /// Stores the next pack, and lets go of its memory; gives the pool that it counted in. nil at the
  /// end.
  private func storeNext(_ codec: RepositoryCodec) throws(RepositoryError) -> PackBufferPool?? {
    let next: PackBuffer?
    do throws(ChannelClosed) { next = try full.receive() } catch { return nil }
    guard let pack = next else { return nil }
    try storePack(pack, codec)
    return .some(pack.isPooled ? pools[Int(pack.type.rawValue)] : nil)
  }

  private func storePack(_ pack: PackBuffer, _ codec: RepositoryCodec) throws(RepositoryError) {
    try pack.close(codec)
    let id = codec.identifier(of: pack.filled, PackID.self)
    let body = ObjectBody(memory: [pack.filled], owner: pack)
    let path = try repository.path(id)
    try repository.storing { () throws(ObjectStoreError) in
      try repository.store.put(path, body)
    }
    let entries = pack.entries
    let bytes = Int64(pack.count)
    onStored(id, entries)
    let due = builder.add(StoredPack(id: id, blobs: entries.map(PackedBlob.init)))
    if let due { try repository.saveIndex(due, codec) }
    lock.withLock {
      totalsSoFar.packCount += 1
      totalsSoFar.packBytes += bytes
      if due != nil { totalsSoFar.indexCount += 1 }
    }
  }
}
