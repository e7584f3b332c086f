import Glibc
import Platform
import TestSupport
import Testing

@testable import BackupRepository

/// Whatever stands in the cache, the index is right or says that it cannot know.
@Suite struct IndexCacheDamageTests {
  private func fixture() throws -> (IndexFixture, IndexModel, path: String, bytes: [UInt8]) {
    var model = IndexModel(seed: 21)
    for _ in 0..<2 { model.addFile(packCount: 60) }
    let fixture = try IndexFixture()
    _ = try fixture.load(model)
    _ = fixture.takeReads()
    let path = try #require(try fixture.segmentPaths().first)
    return (fixture, model, path, try ByteFiles.read(Array(path.utf8)))
  }

  /// Asks for everything; a damage that shows late must show as such and be gone the next time.
  private func expectRightOrRefused(
    _ fixture: IndexFixture, _ model: inout IndexModel, _ what: String
  ) throws {
    do {
      #expect(try differences(try fixture.load(model), &model) == [], "\(what)")
      try fixture.load(model).forEachPackWithEntries { _, _ in }
    } catch IndexError.cacheDamaged {
      #expect(try differences(try fixture.load(model), &model) == [], "\(what), next")
      #expect(!fixture.takeReads().isEmpty, "\(what): the damaged file was used again")
    }
  }

  @Test func aChangeOfAnyByteOfTheHeaderIsSeen() throws {
    let (fixture, start, path, bytes) = try fixture()
    for offset in 0..<IndexPage.byteCount {
      var damaged = bytes
      damaged[offset] ^= 1 << UInt8(offset & 7)
      // The whole file is put back each time, since the loader drops a damaged one.
      try ByteFiles.write(Array(path.utf8), damaged, mode: 0o600)
      let key = try PageKey(
        secret: [UInt8](repeating: 1, count: 32), repository: [UInt8](repeating: 7, count: 32))
      let cache = try IndexCache(
        cacheDirectory: fixture.directory.path, repository: [UInt8](repeating: 7, count: 32),
        key: key)
      #expect(cache.open().isEmpty, "byte \(offset)")
      #expect(access(path, F_OK) != 0, "byte \(offset): the damaged file stays")
    }
    var model = start
    #expect(try differences(try fixture.load(model), &model) == [])
  }

  @Test func changedBytesAnywhereNeverGiveAWrongAnswer() throws {
    let (fixture, start, path, bytes) = try fixture()
    var model = start
    var random = SeededGenerator(seed: 22)
    for round in 0..<SampledCounts.count(sampled: 25, full: 1_000) {
      for other in try fixture.segmentPaths() { unlink(other) }
      var damaged = bytes
      let offset = random.below(damaged.count)
      damaged[offset] ^= UInt8(1 + random.below(255))
      try ByteFiles.write(Array(path.utf8), damaged, mode: 0o600)
      _ = fixture.takeReads()
      try expectRightOrRefused(fixture, &model, "round \(round), byte \(offset)")
    }
  }

  @Test func everyPageIsGuarded() throws {
    let (fixture, start, path, bytes) = try fixture()
    var model = start
    for page in 0..<(bytes.count / IndexPage.byteCount) {
      for other in try fixture.segmentPaths() { unlink(other) }
      var damaged = bytes
      damaged[page * IndexPage.byteCount + 35] ^= 1
      try ByteFiles.write(Array(path.utf8), damaged, mode: 0o600)
      _ = fixture.takeReads()
      try expectRightOrRefused(fixture, &model, "page \(page)")
      #expect(access(path, F_OK) != 0, "page \(page) was never looked at")
    }
  }

  @Test func pagesCannotBeExchanged() throws {
    let (fixture, start, path, bytes) = try fixture()
    var model = start
    var damaged = bytes
    let size = IndexPage.byteCount
    damaged.replaceSubrange(size..<(2 * size), with: bytes[(2 * size)..<(3 * size)])
    damaged.replaceSubrange((2 * size)..<(3 * size), with: bytes[size..<(2 * size)])
    try ByteFiles.write(Array(path.utf8), damaged, mode: 0o600)
    try expectRightOrRefused(fixture, &model, "exchanged pages")
    #expect(access(path, F_OK) != 0)
  }

  @Test func aFileCutShortOrGrownIsReplaced() throws {
    let (fixture, start, path, bytes) = try fixture()
    var model = start
    let size = bytes.count
    for length in [0, 1, 100, 4_095, 4_096, 8_192, size - 4_096, size - 1, size + 1, size + 4_096] {
      for other in try fixture.segmentPaths() { unlink(other) }
      let content = Array((bytes + [UInt8](repeating: 0, count: 4_096)).prefix(length))
      try ByteFiles.write(Array(path.utf8), content, mode: 0o600)
      _ = fixture.takeReads()
      #expect(try differences(try fixture.load(model), &model) == [], "length \(length)")
      #expect(!fixture.takeReads().isEmpty, "length \(length)")
    }
  }

  @Test func aCacheOfAnotherKeyIsNotBelieved() throws {
    let (first, start, path, _) = try fixture()
    var model = start
    let other = try IndexFixture(secret: 2, in: first.directory)
    #expect(try differences(try other.load(model), &model) == [])
    #expect(!other.takeReads().isEmpty)
    #expect(access(path, F_OK) != 0)
  }

  @Test func aFileThatOthersCanWriteAndALinkAreNotUsed() throws {
    let (fixture, start, path, bytes) = try fixture()
    var model = start
    chmod(path, 0o666)
    #expect(try differences(try fixture.load(model), &model) == [])
    #expect(!fixture.takeReads().isEmpty)
    for other in try fixture.segmentPaths() { unlink(other) }
    let aside = fixture.directory.path("aside")
    try ByteFiles.write(Array(aside.utf8), bytes, mode: 0o600)
    symlink(aside, path)
    #expect(try differences(try fixture.load(model), &model) == [])
    #expect(!fixture.takeReads().isEmpty)
  }

  @Test func strangeNamesAreLeftAlone() throws {
    let (fixture, start, path, _) = try fixture()
    var model = start
    let folder = String(path.prefix(upTo: path.lastIndex(of: "/") ?? path.endIndex))
    mkdir("\(folder)/x.segment", 0o700)
    mkfifo("\(folder)/y.segment", 0o600)
    try ByteFiles.write(Array("\(folder)/note".utf8), [1, 2, 3])
    #expect(try differences(try fixture.load(model), &model) == [])
    #expect(fixture.takeReads().isEmpty)
    #expect(access("\(folder)/note", F_OK) == 0)
  }

  @Test func damageFoundWhileMergingIsRepairedAtOnce() throws {
    let (fixture, start, path, bytes) = try fixture()
    var model = start
    var damaged = bytes
    damaged[IndexPage.byteCount + 7] ^= 1
    try ByteFiles.write(Array(path.utf8), damaged, mode: 0o600)
    model.addFile(packCount: 200)
    #expect(try differences(try fixture.load(model), &model) == [])
    #expect(access(path, F_OK) != 0)
  }
}
