import Platform
import TestSupport
import Testing

@testable import ObjectMirror

/// One listing for several destinations: nothing is lost, and who is behind holds nobody up.
@Suite struct EntryQueueTests {
  private static func entry(_ number: Int) -> MirrorEntry {
    var random = SeededGenerator(seed: UInt64(number))
    let path = Array("d\(number)/".utf8) + random.bytes(random.below(40)).map { $0 | 1 }
    let kinds: [MirrorEntry.Kind] = [.file, .directory, .link]
    return MirrorEntry(
      kinds[number % 3], path: path, key: path + [0x2f], sizeBytes: Int64(random.below(1 << 40)),
      modified: number % 5 == 0
        ? nil : WallTime(seconds: Int64(-5 + random.below(1 << 33)), nanoseconds: 999_999_999),
      etag: number % 2 == 0 ? "" : "é\(number)-7")
  }

  private static func drain(_ queue: EntryQueue) throws -> [NumberedEntry] {
    var result: [NumberedEntry] = []
    while let item = try queue.next() { result.append(item) }
    return result
  }

  /// The one that is behind gets everything in order, most of it by way of the file, however its
  /// reading mixes with the sending.
  @Test(arguments: [1, 2000, 1 << 20])
  func whoIsBehindGetsEverythingInOrder(_ weightMax: Int) throws {
    let directory = try TemporaryDirectory()
    let broadcast = EntryBroadcast(2, directory: directory.path, weightMax: weightMax)
    let (fast, slow) = (broadcast.queues[0], broadcast.queues[1])
    var (seen, early): ([NumberedEntry], [NumberedEntry]) = ([], [])
    var random = SeededGenerator(seed: 3)
    var number = 0
    var spooled: Int64 = 0
    for _ in 0..<60 {
      let batch = (0..<(1 + Int(random.below(20)))).map { _ -> MirrorEntry in
        number += 1
        return EntryQueueTests.entry(number - 1)
      }
      #expect(broadcast.send(batch))
      for _ in batch { if let item = try fast.next() { seen.append(item) } }
      spooled = max(spooled, slow.spooledByteCount)
      while early.count < seen.count, random.chance(0.4) {
        if let item = try slow.next() { early.append(item) }
      }
    }
    broadcast.finish()
    #expect(try EntryQueueTests.drain(fast).isEmpty)
    early += try EntryQueueTests.drain(slow)
    #expect(weightMax == 1 << 20 ? spooled == 0 : spooled > 0)
    for items in [seen, early] {
      #expect(items.map(\.number) == (0..<Int64(number)).map { $0 })
      #expect(items.map(\.entry) == (0..<number).map { EntryQueueTests.entry($0) })
    }
    #expect(try runChecked("ls", ["-A", directory.path]).outputText == "")
  }

  /// Those who have gone are not waited for; when all have gone, the listing ends.
  @Test func whoHasGoneIsNotWaitedFor() throws {
    let broadcast = EntryBroadcast(2, directory: "/tmp", weightMax: 1)
    #expect(broadcast.send([EntryQueueTests.entry(1)]))
    broadcast.queues[0].abandon()
    #expect(throws: MirrorError.self) { try broadcast.queues[0].next() }
    #expect(try broadcast.queues[1].next()?.number == 0)
    #expect(broadcast.send([EntryQueueTests.entry(2)]))
    broadcast.queues[1].abandon()
    #expect(!broadcast.send([EntryQueueTests.entry(3)]))
  }

  /// A listing that has failed is no whole listing to anybody.
  @Test func aFailureComesBehindWhatWasListed() throws {
    let broadcast = EntryBroadcast(2, directory: "/tmp")
    #expect(broadcast.send([EntryQueueTests.entry(1)]))
    broadcast.finish(.cancelled)
    for queue in broadcast.queues {
      #expect(try queue.next()?.number == 0)
      #expect(throws: MirrorError.self) { try queue.next() }
    }
  }

  @Test func damagedRecordsAreNoEntries() throws {
    var bytes: [UInt8] = []
    EntryRecord.append(EntryQueueTests.entry(1), to: &bytes)
    for count in 1..<bytes.count { #expect(EntryRecord.entries(of: Array(bytes[..<count])) == nil) }
    #expect(EntryRecord.entries(of: bytes) == [EntryQueueTests.entry(1)])
    #expect(EntryRecord.entries(of: [3] + bytes.dropFirst()) == nil)
  }
}
