import ObjectStorage
import Platform
import TestSupport
import Testing

@testable import BackupRepository

/// What prune reads of the index.
@Suite struct PruneIndexTests {
  @Test func allCopiesComeTogetherOutOfAllSegmentsAndWithoutIndexFilesThatAreGone() throws {
    let fixture = try MaintainedFixture()
    let cache = try TemporaryDirectory()
    var options = RepositoryOptions()
    options.cacheDirectory = cache.path
    let repository = Repository(
      store: fixture.store, config: fixture.repository.config, key: fixture.repository.key,
      keyID: fixture.repository.keyID, options: options)
    let codec = try repository.makeCodec()
    // The same blobs in a second pack, and a pack in two index files.
    let data = try fixture.pack(.data)
    let copy = StoredPack(id: PackID(words: (1, 0, 0, 1)), blobs: data.blobs)
    let first = try repository.saveIndex([copy], codec)
    _ = try repository.loadIndex()
    try repository.saveIndex([copy, data], codec)
    try expectAgreement(try repository.loadIndex())
    try repository.remove(first)
    try expectAgreement(try repository.loadIndex())
  }

  private func expectAgreement(_ index: BlobIndex) throws {
    let entries = try IndexedEntries(index)
    #expect(entries.packs == entries.packs.sorted())
    for (number, id) in entries.packs.enumerated() {
      #expect(try entries.packNumber(id) == number)
    }
    #expect(try entries.packNumber(PackID(words: (.max, 0, 0, 0))) == nil)
    var blobs: [(BlobHandle, [PruneCopy])] = []
    try entries.forEachCopies { handle, copies, _ in blobs.append((handle, Array(copies))) }
    var numbers: Set<Int> = []
    for (handle, copies) in blobs {
      let places = Set(copies.map { "\(entries.packs[$0.pack].hex) \($0.offset)" })
      let expected = Set(try index.locations(of: handle).map { "\($0.pack.hex) \($0.offset)" })
      #expect(places == expected)
      let number = try #require(try index.number(of: handle))
      #expect(copies.contains { $0.entry == number }, "\(handle)")
      for copy in copies { #expect(numbers.insert(copy.entry).inserted) }
    }
    var expected: Set<BlobHandle> = []
    for type in BlobType.allCases {
      try index.forEachEntry(type) { id, _ in expected.insert(BlobHandle(type, id)) }
    }
    #expect(blobs.count == expected.count && Set(blobs.map(\.0)) == expected)
  }
}
