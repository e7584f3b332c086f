import Glibc
import Platform
import Synchronization
import TestSupport
import Testing

@testable import ObjectMirror

/// Several readers of one content: one read of each piece, and nobody waits for ever.
@Suite struct ContentWindowTests {
  /// Bytes that are made from their offset, and counted when they are read.
  private final class Content: SourceContent {
    let path = Array("made".utf8)
    let sizeBytes: Int64
    let facts = SourceFacts()
    let readBytes = Atomic<Int>(0)

    init(_ sizeBytes: Int64) { self.sizeBytes = sizeBytes }

    static func byte(_ offset: Int64) -> UInt8 {
      UInt8(truncatingIfNeeded: offset &* 31 &+ offset >> 9)
    }

    func read(
      at offset: Int64, into buffer: UnsafeMutableRawBufferPointer
    ) throws(MirrorError) -> Int {
      let count = Int(min(Int64(buffer.count), sizeBytes - offset))
      for index in 0..<count { buffer[index] = Content.byte(offset + Int64(index)) }
      readBytes.add(count, ordering: .relaxed)
      return count
    }

    func checkUnchanged() throws(MirrorError) {}
    func forAnotherReader() -> any SourceContent { self }
  }

  private let content = Content(1_000_003)
  private var options: SharingOptions {
    var options = SharingOptions()
    options.pieceSizeBytes = 10_000
    options.pieceCountMax = 4
    options.patienceSecondsMin = 0.05
    return options
  }

  private func file(
    lanes: Int, _ options: SharingOptions
  ) throws -> (file: SharedFile, paces: [LanePace]) {
    let paces = (0..<lanes).map { _ in LanePace(options, Activity()) }
    let window = try ContentWindow(
      content, expected: 1 << UInt64(lanes) - 1, hashes: true, options, paces)
    return (SharedFile(content, window: window, hashes: true), paces)
  }

  private static func readAll(_ reader: ContentReader, step: Int) throws -> Bool {
    let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: step, alignment: 1)
    defer { buffer.deallocate() }
    var offset: Int64 = 0
    while offset < reader.sizeBytes {
      let count = try reader.take(at: offset, into: buffer)
      for index in 0..<count where buffer[index] != Content.byte(offset + Int64(index)) {
        return false
      }
      offset += Int64(count)
    }
    return offset == reader.sizeBytes
  }

  private func reader(_ file: SharedFile, _ lane: Int, _ paces: [LanePace]) -> ContentReader {
    let joined = file.window?.join(lane) ?? false
    return ContentReader(file, lane: lane, pace: paces[lane], isInWindow: joined)
  }

  @Test func allReadTheSamePieces() throws {
    var options = options
    (options.patienceSecondsMin, options.patienceSecondsMax) = (600, 600)
    options.delaySecondsMax = 600
    let (file, paces) = try file(lanes: 3, options)
    let threads = (0..<3).map { lane in
      let reader = reader(file, lane, paces)
      return Thread("reader") { try ContentWindowTests.readAll(reader, step: 700 + lane * 9000) }
    }
    for thread in threads { #expect(try thread.join()) }
    #expect(content.readBytes.load(ordering: .relaxed) == 1_000_003)
    #expect(file.window?.md5 == (try file.digests().md5))
  }

  /// One joins and reads nothing, one never comes: the third goes on, and the first gets all it
  /// wants later.
  @Test func whoDoesNotGoOnIsLetGoOf() throws {
    let (file, paces) = try file(lanes: 3, options)
    let (first, lagging) = (reader(file, 0, paces), reader(file, 1, paces))
    #expect(try ContentWindowTests.readAll(first, step: 4096))
    #expect(content.readBytes.load(ordering: .relaxed) == 1_000_003)
    #expect(try first.md5() == file.digests().md5)
    let before = content.readBytes.load(ordering: .relaxed)
    #expect(try ContentWindowTests.readAll(lagging, step: 5000))
    #expect(content.readBytes.load(ordering: .relaxed) == before + 1_000_003)
    #expect(try lagging.md5() == file.digests().md5)
    // Who comes when the window has gone on reads for itself as well.
    #expect(file.window?.join(2) == false)
  }

  /// A content that goes out anew after a failure is read again by that one alone.
  @Test func beginningAnewLeavesTheWindow() throws {
    let (file, paces) = try file(lanes: 2, options)
    let (again, other) = (reader(file, 0, paces), reader(file, 1, paces))
    let thread = Thread("reader") { try ContentWindowTests.readAll(other, step: 3000) }
    #expect(try ContentWindowTests.readAll(again, step: 3000))
    #expect(try ContentWindowTests.readAll(again, step: 3000))
    #expect(try thread.join())
    #expect(try again.md5() == other.md5())
  }

  /// A destination that does something is waited for, one that has gone is not.
  @Test func patienceDependsOnProgress() {
    let pace = LanePace(options, Activity())
    let start = MonotonicTime.now()
    let late = start.advanced(bySeconds: 10)
    #expect(!pace.isLate(since: start, now: start))
    #expect(pace.isLate(since: start, now: late))
    #expect(pace.isLoose(late))
    pace.progress()
    // It is at work again, and waited for after a while.
    #expect(pace.isLoose(MonotonicTime.now()))
    #expect(!pace.isLoose(MonotonicTime.now().advanced(bySeconds: 6)))
    #expect(
      !pace.working { pace.isLate(since: start, now: MonotonicTime.now().advanced(bySeconds: 9)) })
    pace.leave()
    #expect(pace.isLoose(start))
    // Who comes late too often has used up what the others give it.
    let tardy = LanePace(options, Activity())
    #expect(tardy.charge(since: start, now: start.advanced(bySeconds: 1)))
    #expect(!tardy.charge(since: start, now: start.advanced(bySeconds: 8)))
  }

  /// Patience is a part of the time that has passed, of some length at least and at most.
  @Test(arguments: [(0.1, 0.15), (3, 0.15), (20, 0.8), (1000, 2)])
  func patienceGrowsWithTheRun(waitBegins: Double, patience: Double) {
    let begin = MonotonicTime.now()
    let start = begin.advanced(bySeconds: waitBegins)
    func isLate(after seconds: Double) -> Bool {
      LanePace(SharingOptions(), Activity())
        .isLate(since: start, now: start.advanced(bySeconds: seconds))
    }
    // The time that is waited counts as well.
    #expect(!isLate(after: patience * 0.98))
    #expect(isLate(after: patience * 1.1))
  }

  /// What its connections carry keeps a destination from being late.
  @Test func trafficIsProgress() {
    let activity = Activity()
    let pace = LanePace(options, activity)
    let start = MonotonicTime.now()
    usleep(100_000)
    activity.noteTraffic()
    // By the time of the note.
    let noted = activity.idleSince ?? start
    #expect(!pace.isLate(since: start, now: noted.advanced(bySeconds: 0.04)))
    #expect(pace.isLate(since: start, now: noted.advanced(bySeconds: 0.06)))
  }

  /// Bytes to one that answers that it does not serve now are no progress, until it does.
  @Test func trafficToOneThatRefusesIsNoProgress() {
    let activity = Activity()
    let first = activity.idleSince
    activity.noteRefusal()
    usleep(1000)
    activity.noteTraffic()
    #expect(activity.idleSince == first)
    activity.note()
    let second = activity.idleSince
    #expect(second != first)
    usleep(1000)
    activity.noteTraffic()
    #expect(activity.idleSince != second)
    #expect(activity.working { activity.idleSince } == nil)
  }

  /// One whose answers take long may do nothing for a few of them.
  @Test func patienceIsLongerThanAnswersTake() {
    let activity = Activity()
    let pace = LanePace(SharingOptions(), activity)
    activity.noteAnswer(after: 0.2)
    // It is an average.
    activity.noteAnswer(after: 1)
    #expect(abs(activity.answerSeconds - 0.3) < 0.001)
    let start = (activity.idleSince ?? .now()).advanced(bySeconds: 0.1)
    #expect(!pace.isLate(since: start, now: start.advanced(bySeconds: 0.89)))
    #expect(pace.isLate(since: start, now: start.advanced(bySeconds: 0.91)))
    // But not for ever.
    for _ in 0..<20 { activity.noteAnswer(after: 60) }
    let other = LanePace(SharingOptions(), activity)
    #expect(other.isLate(since: start, now: start.advanced(bySeconds: 2.2)))
  }
}
