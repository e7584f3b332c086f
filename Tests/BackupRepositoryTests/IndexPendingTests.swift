import Platform
import TestSupport
import Testing

@testable import BackupRepository

@Suite struct IndexPendingTests {
  private func blob(_ number: Int, _ type: BlobType = .data) -> BlobHandle {
    var random = SeededGenerator(seed: UInt64(number))
    return BlobHandle(
      type, BlobID(words: (random.next(), random.next(), random.next(), random.next())))
  }

  @Test func ofManyThreadsOneStoresEachBlob() throws {
    let pending = PendingIndex()
    let count = 20_000
    let threads = (0..<4).map { thread in
      Thread("pending") { () -> Int in
        var won = 0
        for step in 0..<count {
          let number = (step * 7 + thread * 5_000) % count
          if pending.insertIfAbsent(self.blob(number)) { won += 1 }
        }
        return won
      }
    }
    var won = 0
    for thread in threads { won += try thread.join() }
    #expect(won == count)
    #expect(pending.count == count)
    for number in 0..<count { #expect(pending.contains(blob(number))) }
    #expect(!pending.contains(blob(count)))
  }

  @Test func itAgreesWithASet() {
    let pending = PendingIndex()
    var model: Set<BlobHandle> = []
    var random = SeededGenerator(seed: 3)
    // Few second words and shards, so that chains form, wrap and are closed again.
    let zero = BlobHandle(.tree, BlobID(words: (0, 0, 0, 0)))
    for _ in 0..<SampledCounts.count(sampled: 30_000, full: 1_000_000) {
      let id = BlobID(
        words: (UInt64(random.below(2)), UInt64(random.below(24)), 0, UInt64(random.below(4))))
      let blob = random.chance(0.02) ? zero : BlobHandle(random.chance(0.5) ? .data : .tree, id)
      switch random.below(3) {
      case 0: #expect(pending.insertIfAbsent(blob) == model.insert(blob).inserted)
      case 1: #expect(pending.remove(blob) == (model.remove(blob) != nil))
      default: #expect(pending.contains(blob) == model.contains(blob))
      }
    }
    #expect(pending.count == model.count)
  }

  private func pack(_ number: Int, blobCount: Int) -> StoredPack {
    StoredPack(
      id: PackID(words: (UInt64(number), 0, 0, 0)),
      blobs: (0..<blobCount).map {
        PackedBlob(blob: blob($0), offset: UInt32($0), sealedLength: 40, plaintextLength: 0)
      })
  }

  private final class TurnedClock: Clock {
    private let lock = Lock()
    private nonisolated(unsafe) var now = MonotonicTime(nanoseconds: 5)
    func wallTime() -> WallTime { WallTime(seconds: 0) }
    func monotonicTime() -> MonotonicTime { lock.withLock { now } }
    func sleep(seconds: Double) { lock.withLock { now = now.advanced(bySeconds: seconds) } }
  }

  @Test func anIndexFileEndsAtFiftyThousandBlobs() {
    let builder = IndexBuilder(clock: TurnedClock())
    var ended: [[StoredPack]] = []
    for number in 0..<120 {
      if let packs = builder.add(pack(number, blobCount: 1_000)) { ended.append(packs) }
    }
    #expect(ended.map(\.count) == [50, 50])
    #expect(builder.finish()?.map(\.id.words.0) == (100..<120).map { UInt64($0) })
    #expect(builder.finish() == nil)
  }

  @Test func anIndexFileEndsAfterTenMinutes() {
    let clock = TurnedClock()
    let builder = IndexBuilder(clock: clock)
    clock.sleep(seconds: 5_000)
    #expect(builder.add(pack(0, blobCount: 1)) == nil)
    clock.sleep(seconds: 599)
    #expect(builder.add(pack(1, blobCount: 1)) == nil)
    clock.sleep(seconds: 1)
    #expect(builder.add(pack(2, blobCount: 1))?.count == 3)
    #expect(builder.add(pack(3, blobCount: 1)) == nil)
  }
}
