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
  private let full: BoundedChannel<PackBuffer>
  private let lock = Lock()
  private var spare: [PackBuffer] = []
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
    for _ in 0..<max(1, min(repository.store.connectionsMax, 5)) {
      threads.append(Thread("pack store") { [self] in storePacks() })
    }
  }

  package var totals: Totals { lock.withLock { totalsSoFar } }

  /// Adds a sealed blob; blocks while the store cannot keep up.
  /// - Throws: what storing an earlier pack has met.
  package func add(
    _ handle: BlobHandle, _ sealed: UnsafeRawBufferPointer, plaintextLength: UInt32
  ) throws(RepositoryError) {
    if sealed.count >= sizeBytes {
      let pack = PackBuffer(handle.type, capacity: sealed.count + 4096)
      pack.append(handle, sealed, plaintextLength: plaintextLength)
      return try store(pack)
    }
    let number = Int(truncatingIfNeeded: SecureRandom.integer() as UInt64) & 1
    let slot = slots[Int(handle.type.rawValue)][number]
    var complete: [PackBuffer] = []
    slot.lock.withLock {
      if let pack = slot.pack, !pack.hasRoom(for: sealed.count) {
        complete.append(pack)
        slot.pack = nil
      }
      let pack = slot.pack ?? takeSpare(handle.type)
      slot.pack = pack
      pack.append(handle, sealed, plaintextLength: plaintextLength)
      if pack.count >= sizeBytes {
        complete.append(pack)
        slot.pack = nil
      }
    }
    for pack in complete { try store(pack) }
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
    full.fail()
    join()
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

  private func takeSpare(_ type: BlobType) -> PackBuffer {
    let found = lock.withLock { () -> PackBuffer? in
      spare.firstIndex { $0.type == type }.map { spare.remove(at: $0) }
    }
    // The last blob may go beyond the size by nearly as much again; the header comes on top.
    return found ?? PackBuffer(type, capacity: 2 * sizeBytes + (1 << 20))
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
      while true {
        let next: PackBuffer?
        do throws(ChannelClosed) { next = try full.receive() } catch { return }
        guard let pack = next else { return }
        try storePack(pack, codec)
      }
    } catch {
      lock.withLock { failure = failure ?? error }
      full.fail()
    }
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
    recycle(pack)
    onStored(id, entries)
    let due = builder.add(StoredPack(id: id, blobs: entries.map(PackedBlob.init)))
    if let due { try repository.saveIndex(due, codec) }
    lock.withLock {
      totalsSoFar.packCount += 1
      totalsSoFar.packBytes += bytes
      if due != nil { totalsSoFar.indexCount += 1 }
    }
  }

  private func recycle(_ pack: PackBuffer) {
    guard pack.capacity == 2 * sizeBytes + (1 << 20) else { return }
    pack.reset()
    lock.withLock { if spare.count < 2 { spare.append(pack) } }
  }
}
