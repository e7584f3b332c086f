import Glibc
import Platform
import TestSupport
import Testing

@testable import BackupRepository

@Suite struct IndexLoaderTests {
  @Test(arguments: [1, 4], [true, false])
  func theIndexAgreesWithADictionary(threadCount: Int, cached: Bool) throws {
    var model = IndexModel(seed: UInt64(threadCount))
    for _ in 0..<7 { model.addFile(packCount: 60) }
    let fixture = try IndexFixture(threadCount: threadCount)
    _ = cached ? try fixture.load(model) : nil
    _ = fixture.takeReads()
    let index = try fixture.load(model)
    #expect(fixture.takeReads().isEmpty == cached)
    #expect(try differences(index, &model) == [])
    #expect(
      index.entryCount == model.files.values.joined().reduce(0) { $0 + $1.entries.count })
  }

  @Test func iterationGivesEveryEntryOnce() throws {
    var model = IndexModel(seed: 3)
    for _ in 0..<3 { model.addFile(packCount: 80) }
    let index = try IndexFixture().load(model)
    for marked in [false, true] {
      var found: [BlobHandle: Set<BlobLocation>] = [:]
      for type in BlobType.allCases {
        for range: ClosedRange<UInt8> in [0...0, 1...99, 100...255] {
          try index.forEachEntry(type, marked: marked, firstBytes: range) { id, location in
            #expect(range.contains(UInt8(id.words.0 >> 56)))
            found[BlobHandle(type, id), default: []].insert(location)
          }
        }
      }
      #expect(found == model.places(marked: marked))
    }
  }

  @Test func packsComeWithTheirEntriesInOrder() throws {
    var model = IndexModel(seed: 4)
    for _ in 0..<3 { model.addFile(packCount: 50) }
    let index = try IndexFixture().load(model)
    var found: [IndexID: [PackID: [IndexModel.Entry]]] = [:]
    try index.forEachPackWithEntries { pack, blobs in
      #expect(pack.entryCount == blobs.count)
      found[pack.indexFile, default: [:]][pack.id] = blobs.map {
        IndexModel.Entry(
          blob: $0.blob, offset: $0.offset, sealedLength: $0.sealedLength,
          plaintextLength: $0.plaintextLength)
      }
    }
    var bare = 0
    try index.forEachPack { _ in bare += 1 }
    #expect(bare == model.files.values.reduce(0) { $0 + $1.count })
    for (id, packs) in model.files {
      for pack in packs { #expect(found[id]?[pack.id] == pack.entries) }
    }
  }

  @Test func filesThatComeAndGoAreFollowed() throws {
    var model = IndexModel(seed: 8)
    var random = SeededGenerator(seed: 9)
    let fixture = try IndexFixture()
    for round in 0..<SampledCounts.count(sampled: 25, full: 250) {
      let known = Set(model.ids)
      if random.chance(0.35) { model.removeFile() }
      if random.chance(0.7) { model.addFile(packCount: 1 + random.below(round == 5 ? 400 : 12)) }
      let index = try fixture.load(model)
      #expect(fixture.takeReads() == Set(model.ids).subtracting(known), "round \(round)")
      #expect(try differences(index, &model) == [], "round \(round)")
      #expect(index.segments.count <= MergePlan.segmentCountMax)
    }
    // Merging removes what it has merged.
    #expect(try fixture.segmentPaths().count <= MergePlan.segmentCountMax + 1)
  }

  @Test func aSmallFileDoesNotRewriteALargeSegment() throws {
    var model = IndexModel(seed: 10)
    model.addFile(packCount: 500)
    let fixture = try IndexFixture()
    _ = try fixture.load(model)
    let large = try #require(try fixture.segmentPaths().first)
    model.addFile(packCount: 3)
    let index = try fixture.load(model)
    #expect(index.segments.count == 2)
    #expect(try fixture.segmentPaths().contains(large))
    #expect(try differences(index, &model) == [])
  }

  @Test func whatIsMostlyGoneIsRewritten() throws {
    var model = IndexModel(seed: 11)
    for _ in 0..<4 { model.addFile(packCount: 40) }
    let fixture = try IndexFixture()
    let before = try fixture.load(model)
    for _ in 0..<2 { model.removeFile() }
    let index = try fixture.load(model)
    #expect(index.segments.count == 1 && index.segments.first?.served == nil)
    #expect(try fixture.segmentPaths().count == 1)
    #expect(try differences(index, &model) == [])
    // The old one still answers who has it open.
    #expect(before.segments.first?.segment.header.entryCount ?? 0 > index.entryCount)
    for blob in Set(model.blobs) { _ = try before.lookup(blob) }
  }

  @Test func loadersThatRunAtOnceDoNotDisturbEachOther() throws {
    let directory = try TemporaryDirectory()
    var model = IndexModel(seed: 12)
    for _ in 0..<6 { model.addFile(packCount: 30) }
    let whole = model
    let threads = try (0..<4).map { _ in
      let fixture = try IndexFixture(threadCount: 1, in: directory)
      return Thread("loader") { () -> [String] in
        var model = whole
        var found: [String] = []
        for _ in 0..<5 {
          model.removeFile()
          found += try differences(try fixture.load(model), &model)
        }
        return found
      }
    }
    for thread in threads { #expect(try thread.join() == []) }
  }

  @Test func aFailureOfOneIndexFileIsTold() throws {
    var model = IndexModel(seed: 13)
    for _ in 0..<5 { model.addFile(packCount: 5) }
    let bad = try #require(model.ids.first)
    let whole = model
    let fixture = try IndexFixture(threadCount: 3)
    let failure = #expect(throws: IndexError.self) {
      _ = try fixture.loader.load(whole.ids) { id, text in
        if id == bad { throw PlatformError("read", "store", errno: ETIMEDOUT) }
        _ = whole.json(id).withUnsafeBytes { text.assign($0) }
      }
    }
    #expect(failure?.kind == .unreachable)
    #expect(failure?.message.contains(bad.short) == true)
    #expect(try differences(try fixture.load(model), &model) == [])
  }

  @Test func withoutAWritableCacheTheIndexIsTheSame() throws {
    var model = IndexModel(seed: 14)
    for _ in 0..<3 { model.addFile(packCount: 30) }
    let whole = model
    for cache in [nil, "/proc/nowhere"] {
      let loader = try IndexLoader(
        repository: [UInt8](repeating: 7, count: 32), secret: [UInt8](repeating: 1, count: 32),
        cacheDirectory: cache, temporaryDirectory: "/tmp", threadCount: 2)
      let index = try loader.load(whole.ids) { id, text in
        _ = whole.json(id).withUnsafeBytes { text.assign($0) }
      }
      #expect(try differences(index, &model) == [])
    }
  }

  @Test func aRepositoryWithoutIndexFilesIsEmpty() throws {
    var model = IndexModel(seed: 15)
    let index = try IndexFixture().load(model)
    #expect(index.entryCount == 0)
    #expect(try !index.contains(model.missingBlob()))
  }

  @Test func identifiersThatAreNotUniformAreFoundToo() throws {
    // Not what SHA-256 makes, but nothing may depend on it but speed.
    var random = SeededGenerator(seed: 16)
    let ids = (0..<5_000).map { number -> BlobID in
      let first: UInt64 = number % 3 == 0 ? 0 : (number % 3 == 1 ? .max : 1 << 40)
      return BlobID(words: (first, UInt64(random.below(3)), 0, UInt64(number)))
    }
    let blobs = ids.enumerated().map { number, id in
      "{\"id\":\"\(id.hex)\",\"type\":\"data\",\"offset\":\(number),\"length\":32}"
    }
    let pack = String(repeating: "ab", count: 32)
    let json = "{\"packs\":[{\"id\":\"\(pack)\",\"blobs\":[\(blobs.joined(separator: ","))]}]}"
    let index = try IndexFixture().loader.load([IndexID(words: (1, 1, 1, 1))]) { _, text in
      _ = Array(json.utf8).withUnsafeBytes { text.assign($0) }
    }
    for (number, id) in ids.enumerated() {
      #expect(try index.lookup(BlobHandle(.data, id))?.offset == UInt32(number))
      #expect(try !index.contains(BlobHandle(.tree, id)))
    }
    #expect(try !index.contains(BlobHandle(.data, BlobID(words: (0, 3, 0, 0)))))
    #expect(try !index.contains(BlobHandle(.data, BlobID(words: (.max, .max, 0, 0)))))
  }

  @Test func manyBlobsAreFound() throws {
    var model = IndexModel(seed: 17)
    let count = SampledCounts.count(sampled: 4, full: 80)
    for _ in 0..<count { model.addFile(packCount: 1_250, blobsPerPack: 10) }
    let fixture = try IndexFixture()
    _ = try fixture.load(model)
    #expect(try differences(try fixture.load(model), &model) == [])
  }
}
