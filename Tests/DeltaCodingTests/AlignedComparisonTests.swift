import Cryptography
import DeltaCoding
import Testing

@Suite struct AlignedComparisonTests {
  private let key: XXH3Key
  private let poly: Poly1305Key

  init() throws {
    key = try XXH3Key([UInt8](1...32))
    poly = try Poly1305Key([UInt8](33...64))
  }

  private func sums(_ data: [UInt8]) -> [UInt8] {
    var sums = [UInt8](repeating: 0xee, count: Granularity.pageCount(data.count) * 6 + 4)
    let count = sums.withUnsafeMutableBytes { target in
      data.withUnsafeBytes { AlignedComparison.pageSums(of: $0, key: key, into: target) }
    }
    #expect(count == sums.count - 4)
    #expect(sums.suffix(4) == [0xee, 0xee, 0xee, 0xee])
    return Array(sums.prefix(count))
  }

  private func tags(_ data: [UInt8]) -> [UInt8] {
    var tags = [UInt8](repeating: 0xee, count: Granularity.blockCount(data.count) * 16 + 4)
    let count = tags.withUnsafeMutableBytes { target in
      data.withUnsafeBytes { AlignedComparison.blockTags(of: $0, key: poly, into: target) }
    }
    #expect(count == tags.count - 4)
    #expect(tags.suffix(4) == [0xee, 0xee, 0xee, 0xee])
    return Array(tags.prefix(count))
  }

  private func pages(_ data: [UInt8], _ sums: [UInt8], first: Int = 0) throws -> [PageRun] {
    var runs = PageRuns()
    try data.withUnsafeBytes { data in
      try sums.withUnsafeBytes {
        try AlignedComparison.differingPages(
          of: data, key: key, sums: $0, firstPage: first, into: &runs)
      }
    }
    return runs.runs
  }

  private func blocks(_ data: [UInt8], _ tags: [UInt8], first: Int = 0) throws -> [PageRun] {
    var runs = PageRuns()
    try data.withUnsafeBytes { data in
      try tags.withUnsafeBytes {
        try AlignedComparison.differingBlocks(
          of: data, key: poly, tags: $0, firstBlock: first, into: &runs)
      }
    }
    return runs.runs
  }

  @Test(arguments: [0, 1, 4095, 4096, 4097, 65535, 65536, 65537, 300_000])
  func equalDataHasNoRuns(size: Int) throws {
    var random = Generator(seed: UInt64(size))
    let data = random.bytes(size)
    #expect(try pages(data, sums(data)).isEmpty)
    #expect(try blocks(data, tags(data)).isEmpty)
  }

  @Test func everyChangedByteIsFoundAndMerged() throws {
    var random = Generator(seed: 4)
    let old = random.bytes(20 * 4096 + 100)
    let oldSums = sums(old)
    let oldTags = tags(old)
    for page in 0...20 {
      var new = old
      new[page * 4096 + 99] ^= 1
      #expect(try pages(new, oldSums) == [PageRun(first: page, count: 1)])
      #expect(try blocks(new, oldTags) == [PageRun(first: page / 16, count: 1)])
    }
    var new = old
    for page in [3, 4, 5, 9, 20] { new[page * 4096] ^= 0x80 }
    #expect(
      try pages(new, oldSums, first: 100) == [
        PageRun(first: 103, count: 3), PageRun(first: 109, count: 1), PageRun(first: 120, count: 1),
      ])
    #expect(try blocks(new, oldTags, first: 7) == [PageRun(first: 7, count: 2)])
  }

  @Test func pageSumsAreTheLowBytesOfTheKeyedHash() {
    var random = Generator(seed: 11)
    let data = random.bytes(5000)
    let hashes = data.withUnsafeBytes {
      [
        key.hash64(UnsafeRawBufferPointer(rebasing: $0[..<4096])),
        key.hash64(UnsafeRawBufferPointer(rebasing: $0[4096...])),
      ]
    }
    let expected = hashes.flatMap { hash in
      (0..<6).map { UInt8(truncatingIfNeeded: hash >> UInt64(8 * $0)) }
    }
    #expect(sums(data) == expected)
  }

  @Test func zeroBlocksHaveTheTagOfZeros() {
    let data = [UInt8](repeating: 0, count: 65536 + 10)
    let expected = poly.tagOfZeros(count: 65536).bytes + poly.tagOfZeros(count: 10).bytes
    #expect(tags(data) == expected)
    #expect(data.prefix(65536).withUnsafeBytes { poly.tag($0) }.bytes == Array(expected.prefix(16)))
  }

  @Test func aShortPageDiffersFromALongOne() throws {
    let zeros = [UInt8](repeating: 0, count: 4096)
    #expect(try pages(Array(zeros.dropLast()), sums(zeros)) == [PageRun(first: 0, count: 1)])
    #expect(try blocks(Array(zeros.dropLast()), tags(zeros)) == [PageRun(first: 0, count: 1)])
  }

  @Test func wrongNumbersOfSumsAreRefused() {
    let data = [UInt8](repeating: 1, count: 10_000)
    for count in [0, 6, 12, 17, 19, 24] {
      #expect(throws: DeltaError.sumCount(expected: 18, actual: count)) {
        try pages(data, [UInt8](repeating: 0, count: count))
      }
    }
    #expect(throws: DeltaError.sumCount(expected: 16, actual: 32)) {
      try blocks(data, [UInt8](repeating: 0, count: 32))
    }
  }
}

@Suite struct PageRunsTests {
  @Test func adjacentRunsMerge() {
    var runs = PageRuns()
    runs.append(first: 1)
    runs.append(first: 2)
    runs.append(first: 3, count: 0)
    runs.append(first: 5, count: 2)
    runs.append(first: 7, count: 1)
    #expect(runs.runs == [PageRun(first: 1, count: 2), PageRun(first: 5, count: 3)])
    #expect(runs.pageCount == 5)
    runs.removeAll()
    #expect(runs.isEmpty)
  }

  @Test func shortGapsClose() {
    var runs = PageRuns()
    for first in [0, 2, 5, 9, 10, 20] { runs.append(first: first) }
    runs.close(gapsUpTo: 1)
    #expect(
      runs.runs == [
        PageRun(first: 0, count: 3), PageRun(first: 5, count: 1), PageRun(first: 9, count: 2),
        PageRun(first: 20, count: 1),
      ])
    runs.close(gapsUpTo: 100)
    #expect(runs.runs == [PageRun(first: 0, count: 21)])
    var none = PageRuns()
    none.close(gapsUpTo: 3)
    #expect(none.isEmpty)
  }
}
