import Glibc
import Platform
import TestSupport
import Testing

@testable import Replication

/// Only what has changed of a file travels as data.
@Suite struct DeltaTests {
  /// Replicates `old`, then `new` under the same name; gives the second run's summary.
  private func change(
    _ old: [UInt8], _ new: [UInt8], inPlace: Bool
  ) throws -> (summary: SessionSummary, trees: TreePair) {
    let trees = try TreePair()
    try trees.write("file", old)
    _ = try trees.run().summary()
    try trees.write("file", new, seconds: 1_700_000_100)
    let outcome = try trees.run { $0.send.inPlace = inPlace }
    let summary = try outcome.summary()
    #expect(outcome.warnings == [])
    #expect(try trees.differences() == "")
    #expect(try trees.leftovers() == [])
    return (summary, trees)
  }

  @Test("1000 bytes put in front of a file of 3 MiB", arguments: [false, true])
  func insertionIntoSmallFile(inPlace: Bool) throws {
    var random = SeededGenerator(seed: 1)
    let old = random.bytes(3 << 20)
    let summary = try change(old, random.bytes(1000) + old, inPlace: inPlace).summary
    #expect(summary.literalBytes < 20_000)
    #expect(summary.matchedBytes > 3_100_000)
  }

  @Test("1000 bytes put in front of a file of 100 MiB", arguments: [false, true])
  func insertionIntoLargeFile(inPlace: Bool) throws {
    var random = SeededGenerator(seed: 2)
    let old = random.bytes(100 << 20)
    let summary = try change(old, random.bytes(1000) + old, inPlace: inPlace).summary
    // Each segment of 32 MiB loses a block or two at its ends.
    #expect(summary.literalBytes < 200_000)
  }

  @Test("1000 bytes taken from the front of a file of 70 MiB", arguments: [false, true])
  func removal(inPlace: Bool) throws {
    var random = SeededGenerator(seed: 3)
    let old = random.bytes(70 << 20)
    let summary = try change(old, [UInt8](old.dropFirst(1000)), inPlace: inPlace).summary
    #expect(summary.literalBytes < 200_000)
  }

  @Test("One byte changed in each of ten places", arguments: [false, true])
  func scatteredChanges(inPlace: Bool) throws {
    var random = SeededGenerator(seed: 4)
    let old = random.bytes(40 << 20)
    var new = old
    for _ in 0..<10 { new[random.below(new.count)] ^= 1 }
    let summary = try change(old, new, inPlace: inPlace).summary
    #expect(summary.literalBytes <= 10 * 4096)
    #expect(summary.fileCountTransferred == 1)
  }

  @Test("Bytes added at the end", arguments: [false, true])
  func appended(inPlace: Bool) throws {
    var random = SeededGenerator(seed: 5)
    let old = random.bytes((33 << 20) + 123)
    let summary = try change(old, old + random.bytes(5000), inPlace: inPlace).summary
    #expect(summary.literalBytes < 20_000)
  }

  @Test("A file cut short", arguments: [false, true])
  func truncated(inPlace: Bool) throws {
    var random = SeededGenerator(seed: 6)
    let old = random.bytes((40 << 20) + 5)
    let summary = try change(old, [UInt8](old[..<(33 << 20)]), inPlace: inPlace).summary
    #expect(summary.literalBytes < 20_000)
  }

  @Test("Zeros where there was data, and data where there were zeros", arguments: [false, true])
  func zeros(inPlace: Bool) throws {
    var random = SeededGenerator(seed: 7)
    var old = random.bytes(8 << 20)
    for index in (2 << 20)..<(3 << 20) { old[index] = 0 }
    var new = old
    for index in (4 << 20)..<(6 << 20) { new[index] = 0 }
    let block = random.bytes(100_000)
    new.replaceSubrange((2 << 20)..<((2 << 20) + block.count), with: block)
    let summary = try change(old, new, inPlace: inPlace).summary
    #expect(summary.literalBytes < 140_000)
  }

  @Test("A seeded mixture of edits arrives whole", arguments: [false, true])
  func mixture(inPlace: Bool) throws {
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
      _ = try change(old, new, inPlace: inPlace)
    }
  }

  @Test("A sparse file of 64 GiB, new and changed", arguments: [false, true])
  func sparse(inPlace: Bool) throws {
    let trees = try TreePair()
    var random = SeededGenerator(seed: 8)
    let file = Array("\(trees.source)/sparse".utf8)
    try ByteFiles.truncate(file, sizeBytes: 64 << 30)
    for offset in [0, 20 << 30, (64 << 30) - 8192] {
      try ByteFiles.overwrite(file, random.bytes(8192), at: offset)
    }
    let first = try trees.run { $0.send.inPlace = inPlace }.summary()
    #expect(first.literalBytes < 1 << 20)
    #expect(try blocks("\(trees.destination)/sparse") < 1 << 20)
    try ByteFiles.overwrite(file, random.bytes(8192), at: 40 << 30)
    try ByteFiles.overwrite(file, random.bytes(4096), at: 20 << 30)
    let second = try trees.run { $0.send.inPlace = inPlace }.summary()
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

  @Test("A file that grows by a hole stays sparse", arguments: [false, true])
  func growingHole(inPlace: Bool) throws {
    let trees = try TreePair()
    var random = SeededGenerator(seed: 9)
    try trees.write("file", random.bytes(1 << 20))
    _ = try trees.run().summary()
    let file = Array("\(trees.source)/file".utf8)
    try ByteFiles.overwrite(file, random.bytes(4096), at: 512 << 20)
    let summary = try trees.run { $0.send.inPlace = inPlace }.summary()
    #expect(summary.literalBytes < 64 << 10)
    #expect(try trees.differences() == "")
    #expect(try blocks("\(trees.destination)/file") < 4 << 20)
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
