import DeltaCoding
import FileTree
import Glibc
import Platform
import TestSupport
import Testing

@testable import Replication

/// How a file comes to its new content.
enum DeltaWay: CaseIterable {
  case temporaryFile
  case inPlace
  /// In a temporary file that shares the extents of the old one.
  case clone
}

/// A source and a destination where files are rebuilt in one way.
private struct DeltaBench {
  let trees: TreePair
  private let way: DeltaWay
  private let mount: LoopMount?

  init(_ way: DeltaWay) throws {
    self.way = way
    mount = way == .clone ? try LoopMount(.xfs, sizeBytes: 600 << 20) : nil
    trees = try TreePair(destination: mount?.path)
  }

  func run() throws -> SessionOutcome {
    try trees.run { $0.send.inPlace = way == .inPlace }
  }
}

/// Only what has changed of a file travels as data.
@Suite struct DeltaTests {
  /// Replicates `old`, then `new` under the same name; gives the second run's summary.
  private func change(
    _ old: [UInt8], _ new: [UInt8], _ way: DeltaWay
  ) throws -> SessionSummary {
    let bench = try DeltaBench(way)
    let trees = bench.trees
    try trees.write("file", old)
    _ = try trees.run().summary()
    try trees.write("file", new, seconds: 1_700_000_100)
    let outcome = try bench.run()
    let summary = try outcome.summary()
    #expect(outcome.warnings == [])
    #expect(try trees.differences() == "")
    #expect(try trees.leftovers() == [])
    return summary
  }

  @Test("1000 bytes put in front of a file of 3 MiB", arguments: DeltaWay.allCases)
  func insertionIntoSmallFile(way: DeltaWay) throws {
    var random = SeededGenerator(seed: 1)
    let old = random.bytes(3 << 20)
    let summary = try change(old, random.bytes(1000) + old, way)
    #expect(summary.literalBytes < 20_000)
    #expect(summary.matchedBytes > 3_100_000)
  }

  @Test("1000 bytes put in front of a file of 100 MiB", arguments: DeltaWay.allCases)
  func insertionIntoLargeFile(way: DeltaWay) throws {
    var random = SeededGenerator(seed: 2)
    let old = random.bytes(100 << 20)
    let summary = try change(old, random.bytes(1000) + old, way)
    // Each segment of 32 MiB loses a block or two at its ends.
    #expect(summary.literalBytes < 200_000)
  }

  @Test("1000 bytes taken from the front of a file of 70 MiB", arguments: DeltaWay.allCases)
  func removal(way: DeltaWay) throws {
    var random = SeededGenerator(seed: 3)
    let old = random.bytes(70 << 20)
    let summary = try change(old, [UInt8](old.dropFirst(1000)), way)
    #expect(summary.literalBytes < 200_000)
  }

  @Test("One byte changed in each of ten places", arguments: DeltaWay.allCases)
  func scatteredChanges(way: DeltaWay) throws {
    var random = SeededGenerator(seed: 4)
    let old = random.bytes(40 << 20)
    var new = old
    for _ in 0..<10 { new[random.below(new.count)] ^= 1 }
    let summary = try change(old, new, way)
    #expect(summary.literalBytes <= 10 * 4096)
    #expect(summary.fileCountTransferred == 1)
  }

  @Test("Bytes added at the end", arguments: DeltaWay.allCases)
  func appended(way: DeltaWay) throws {
    var random = SeededGenerator(seed: 5)
    let old = random.bytes((33 << 20) + 123)
    let summary = try change(old, old + random.bytes(5000), way)
    #expect(summary.literalBytes < 20_000)
  }

  @Test("A file cut short", arguments: DeltaWay.allCases)
  func truncated(way: DeltaWay) throws {
    var random = SeededGenerator(seed: 6)
    let old = random.bytes((40 << 20) + 5)
    let summary = try change(old, [UInt8](old[..<(33 << 20)]), way)
    #expect(summary.literalBytes < 20_000)
  }

  @Test("Zeros where there was data, and data where there were zeros", arguments: DeltaWay.allCases)
  func zeros(way: DeltaWay) throws {
    var random = SeededGenerator(seed: 7)
    var old = random.bytes(8 << 20)
    for index in (2 << 20)..<(3 << 20) { old[index] = 0 }
    var new = old
    for index in (4 << 20)..<(6 << 20) { new[index] = 0 }
    let block = random.bytes(100_000)
    new.replaceSubrange((2 << 20)..<((2 << 20) + block.count), with: block)
    let summary = try change(old, new, way)
    #expect(summary.literalBytes < 140_000)
  }

  @Test("A seeded mixture of edits arrives whole", arguments: DeltaWay.allCases)
  func mixture(way: DeltaWay) throws {
    for seed in 0..<SampledCounts.count(sampled: 4, full: 40) {
      var random = SeededGenerator(seed: 1000 + UInt64(seed))
      let old = random.bytes(random.below(36 << 20) + 1)
      var new = old
      for _ in 0..<(1 + random.below(6)) {
        let start = random.below(new.count + 1)
        let end = start + random.below(min(2 << 20, new.count - start) + 1)
        switch random.below(4) {
        case 0: new.removeSubrange(start..<end)
        case 1: new.insert(contentsOf: random.bytes(random.below(300_000)), at: start)
        case 2: new.replaceSubrange(start..<end, with: [UInt8](repeating: 0, count: end - start))
        default: new.replaceSubrange(start..<end, with: random.bytes(end - start))
        }
        if new.isEmpty { new = [1] }
      }
      _ = try change(old, new, way)
    }
  }

  @Test("A sparse file of 64 GiB, new and changed", arguments: DeltaWay.allCases)
  func sparse(way: DeltaWay) throws {
    let bench = try DeltaBench(way)
    let trees = bench.trees
    var random = SeededGenerator(seed: 8)
    let file = Array("\(trees.source)/sparse".utf8)
    try ByteFiles.truncate(file, sizeBytes: 64 << 30)
    for offset in [0, 20 << 30, (64 << 30) - 8192] {
      try ByteFiles.overwrite(file, random.bytes(8192), at: offset)
    }
    let first = try bench.run().summary()
    #expect(first.literalBytes < 1 << 20)
    #expect(try blocks("\(trees.destination)/sparse") < 1 << 20)
    try ByteFiles.overwrite(file, random.bytes(8192), at: 40 << 30)
    try ByteFiles.overwrite(file, random.bytes(4096), at: 20 << 30)
    let second = try bench.run().summary()
    #expect(second.literalBytes < 128 << 10)
    #expect(second.wireBytesSent + second.wireBytesReceived < 4 << 20)
    #expect(try blocks("\(trees.destination)/sparse") < 1 << 20)
    for offset in [0, 20 << 30, 40 << 30, (64 << 30) - 8192] {
      let both = try [trees.source, trees.destination].map {
        try readPiece("\($0)/sparse", at: offset, count: 8192)
      }
      #expect(both[0] == both[1])
    }
  }

  @Test("A file that grows by a hole stays sparse", arguments: DeltaWay.allCases)
  func growingHole(way: DeltaWay) throws {
    let bench = try DeltaBench(way)
    let trees = bench.trees
    var random = SeededGenerator(seed: 9)
    try trees.write("file", random.bytes(1 << 20))
    _ = try trees.run().summary()
    let file = Array("\(trees.source)/file".utf8)
    try ByteFiles.overwrite(file, random.bytes(4096), at: 512 << 20)
    let summary = try bench.run().summary()
    #expect(summary.literalBytes < 64 << 10)
    #expect(try trees.differences() == "")
    #expect(try blocks("\(trees.destination)/file") < 4 << 20)
  }
}

/// Files are rebuilt in clones of the old ones where the file system has such.
@Suite struct CloneTests {
  private func freeBytes(_ path: String) throws -> Int {
    let file = try SharedDescriptor(opening: path)
    #expect(FileSystem.synchronize(file.raw) == 0)
    var status = statvfs()
    guard statvfs(path, &status) == 0 else { throw PlatformError.last("statvfs", path) }
    return Int(status.f_bfree) * Int(status.f_frsize)
  }

  @Test(
    "What did not change is shared with the copy of yesterday",
    arguments: [LoopMount.FileSystem.xfs, .btrfs])
  func whatStaysIsShared(kind: LoopMount.FileSystem) throws {
    let mount = try LoopMount(kind, sizeBytes: 600 << 20)
    let destination = "\(mount.path)/now"
    try runChecked("mkdir", [destination])
    let trees = try TreePair(destination: destination)
    var random = SeededGenerator(seed: 10)
    var content = random.bytes(80 << 20)
    for index in (50 << 20)..<(52 << 20) { content[index] = 0 }
    try trees.write("file", content)
    _ = try trees.run().summary()
    let yesterday = "\(mount.path)/yesterday"
    try runChecked("cp", ["-a", "--reflink=always", "\(destination)/file", yesterday])
    let free = try freeBytes(mount.path)

    let old = content
    for _ in 0..<20 { content[random.below(content.count)] ^= 1 }
    // Zeros where there was data, data where there were zeros, bytes put in, and a shorter end.
    for index in (10 << 20)..<(11 << 20) { content[index] = 0 }
    content.replaceSubrange(51 << 20..<(51 << 20) + 70_000, with: random.bytes(70_000))
    content.insert(contentsOf: random.bytes(333), at: 79 << 20)
    content.removeLast(200_000)
    try trees.write("file", content, seconds: 1_700_000_100)
    _ = try trees.run().summary()
    #expect(try trees.differences(["--checksum"]) == "")
    #expect(try trees.leftovers() == [])
    #expect(try ByteFiles.read(Array(yesterday.utf8)) == old)
    #expect(free - (try freeBytes(mount.path)) < 8 << 20)
  }

  private func makeRebuild(_ directory: String) throws -> (FileRebuild, [UInt8]) {
    let path = Array("\(directory)/file".utf8)
    var random = SeededGenerator(seed: 3)
    try ByteFiles.write(path, random.bytes(1 << 20))
    try ByteFiles.setTime(path, seconds: 1_700_000_000, nanoseconds: 0)
    let parent = try SharedDescriptor(opening: directory)
    let rebuild = FileRebuild(
      request: 1, directory: [], name: Array("file".utf8), sizeBytes: 1 << 20,
      basisName: Array("file".utf8), basisSizeBytes: 1 << 20, isInPlace: false,
      mustSeparate: false, activity: SessionActivity())
    try rebuild.open(in: parent.raw)
    return (rebuild, path)
  }

  /// Blocks of a clone are proved by what the basis was when it was read; if it changed since the
  /// clone was made, nothing is proved.
  @Test(arguments: [false, true])
  func aBasisThatChangesAfterItsCloneIsNotTrusted(changes: Bool) throws {
    let mount = try LoopMount(.xfs, sizeBytes: 300 << 20)
    let (rebuild, path) = try makeRebuild(mount.path)
    #expect(rebuild.isClone)
    if changes { try ByteFiles.overwrite(path, [1, 2, 3], at: 5) }
    switch (rebuild.completeRequests(), changes) {
    case (.finish, false), (.askWhole, true): break
    case (let step, _): Issue.record("\(step) of a basis, changed: \(changes)")
    }
  }

  /// What is copied from the basis at the end must still be what was proved.
  @Test(arguments: [false, true])
  func aBasisThatChangesBeforeItIsCopiedIsNotTrusted(changes: Bool) throws {
    let directory = try TemporaryDirectory()
    let (rebuild, path) = try makeRebuild(directory.path)
    try #require(!rebuild.isClone)
    let layout = try SegmentLayout(sizeBytes: 1 << 20, basisSizeBytes: 1 << 20, segment: 0)
    rebuild.begin(FileRebuild.BasisSegment(layout: layout, zeroBlocks: [0, 0], tags: []))
    _ = rebuild.completeRequests()
    _ = rebuild.end(0, outcome: .complete, isProven: true, isDirty: false, isWritten: false)
    if changes { try ByteFiles.truncate(path, sizeBytes: 1000) }
    #expect(try rebuild.complete(with: StagedWriter()) == !changes)
  }

  /// One name of an inode gets its new time while the other is rebuilt from it.
  @Test("Names that part ways are rebuilt while their time changes", arguments: DeltaWay.allCases)
  func namesThatPart(way: DeltaWay) throws {
    let bench = try DeltaBench(way)
    let trees = bench.trees
    for round in 0..<4 {
      var random = SeededGenerator(seed: 20 + UInt64(round))
      var content = random.bytes(40 << 20)
      try trees.write("a", content, seconds: 1_700_000_000)
      let (a, b) = ("\(trees.source)/a", "\(trees.source)/b")
      if round > 0 { try ByteFiles.remove(Array(b.utf8)) }
      try ByteFiles.link(Array(b.utf8), to: Array(a.utf8))
      _ = try bench.run().summary()
      try ByteFiles.remove(Array(b.utf8))
      try trees.write("a", content, seconds: 1_700_000_100)
      for _ in 0..<5 { content[random.below(content.count)] ^= 1 }
      try trees.write("b", content, seconds: 1_700_000_200)
      let outcome = try bench.run()
      _ = try outcome.summary()
      // One that was told as changing is right after the next run.
      if !outcome.warnings.isEmpty { _ = try bench.run().summary() }
      #expect(try trees.differences(["--checksum"]) == "")
      #expect(try trees.leftovers() == [])
    }
  }
}

/// Bytes that a file takes on its disk.
func blocks(_ path: String) throws -> Int {
  Int(try ByteFiles.status(Array(path.utf8)).st_blocks) * 512
}

func readPiece(_ path: String, at offset: Int, count: Int) throws -> [UInt8] {
  let file = try SharedDescriptor(opening: path)
  var bytes = [UInt8](repeating: 0, count: count)
  let read = try bytes.withUnsafeMutableBytes {
    try FileIO.read(file.raw, into: $0, at: Int64(offset))
  }
  return [UInt8](bytes[..<read])
}
