import Platform

/// The blobs that this run stores: queued, being stored or stored. Shared by all threads.
///
/// Prevents two workers from storing the same blob. About 50 bytes a blob.
final class PendingIndex: Sendable {
  /// Parts with a lock each, chosen by the first byte of the identifier; enough that 64 threads
  /// seldom meet.
  private static let shardCount = 64

  private let shards: [[PendingShard]]

  init() {
    shards = BlobType.allCases.map { _ in
      (0..<PendingIndex.shardCount).map { _ in PendingShard() }
    }
  }

  private func shard(_ blob: BlobHandle) -> PendingShard {
    shards[Int(blob.type.rawValue)][Int(blob.id.words.0 >> 58)]
  }

  /// Adds the blob; false when it is there already, so that somebody else stores it.
  func insertIfAbsent(_ blob: BlobHandle) -> Bool { shard(blob).insertIfAbsent(blob.id) }

  func contains(_ blob: BlobHandle) -> Bool { shard(blob).contains(blob.id) }

  /// Takes a blob out again whose storing has failed; false when it was not there.
  @discardableResult
  func remove(_ blob: BlobHandle) -> Bool { shard(blob).remove(blob.id) }

  var count: Int { shards.joined().reduce(0) { $0 + $1.count } }
}

/// A hash table of identifiers with open addressing; the identifiers are their own hashes.
private final class PendingShard: @unchecked Sendable {
  private typealias Words = (UInt64, UInt64, UInt64, UInt64)
  private static let empty: Words = (0, 0, 0, 0)

  private let lock = Lock()
  private var slots: [BlobID] = []
  private var used = 0
  /// The identifier of zeros marks an empty slot, so its own presence is kept here.
  private var hasZero = false

  var count: Int { lock.withLock { used + (hasZero ? 1 : 0) } }

  func insertIfAbsent(_ id: BlobID) -> Bool {
    lock.withLock {
      if id.words == PendingShard.empty {
        defer { hasZero = true }
        return !hasZero
      }
      // At most seven eighths of the slots are in use.
      if (used + 1) * 8 > slots.count * 7 { grow() }
      let place = place(of: id)
      guard slots[place].words == PendingShard.empty else { return false }
      slots[place] = id
      used += 1
      return true
    }
  }

  func contains(_ id: BlobID) -> Bool {
    lock.withLock {
      if id.words == PendingShard.empty { return hasZero }
      return !slots.isEmpty && slots[place(of: id)] == id
    }
  }

  func remove(_ id: BlobID) -> Bool {
    lock.withLock {
      if id.words == PendingShard.empty {
        defer { hasZero = false }
        return hasZero
      }
      guard !slots.isEmpty else { return false }
      let place = place(of: id)
      guard slots[place] == id else { return false }
      close(place)
      used -= 1
      return true
    }
  }

  private func home(_ id: BlobID) -> Int {
    Int(truncatingIfNeeded: id.words.1) & (slots.count - 1)
  }

  /// Where the identifier stands, or the empty slot where it would.
  private func place(of id: BlobID) -> Int {
    var place = home(id)
    while slots[place].words != PendingShard.empty, slots[place] != id {
      place = (place + 1) & (slots.count - 1)
    }
    return place
  }

  private func grow() {
    let old = slots
    slots = Array(repeating: BlobID(words: PendingShard.empty), count: max(16, old.count * 2))
    for id in old where id.words != PendingShard.empty { slots[place(of: id)] = id }
  }

  /// Empties a slot and moves back what could no longer be found behind it.
  private func close(_ start: Int) {
    let mask = slots.count - 1
    var hole = start
    var next = (hole + 1) & mask
    while slots[next].words != PendingShard.empty {
      let distance = (next - home(slots[next])) & mask
      if distance >= (next - hole) & mask {
        slots[hole] = slots[next]
        hole = next
      }
      next = (next + 1) & mask
    }
    slots[hole] = BlobID(words: PendingShard.empty)
  }
}
