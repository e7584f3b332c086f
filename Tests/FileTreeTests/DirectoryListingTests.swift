import FileTree
import TestSupport
import Testing

@Suite struct DirectoryListingTests {
  private func listing(_ names: [[UInt8]]) -> DirectoryListing {
    let listing = DirectoryListing(path: [])
    for (index, name) in names.enumerated() {
      var entry = Entry()
      entry.inode = UInt64(index)
      entry.name = ArenaSlice(
        offset: name.withUnsafeBytes { listing.arena.appendString($0) }, count: UInt32(name.count))
      listing.entries.append(entry)
    }
    return listing
  }

  @Test func emptyListingSorts() {
    let empty = listing([])
    empty.sort()
    #expect(empty.entries.count == 0)
    #expect(([1] as [UInt8]).withUnsafeBytes { empty.index(of: $0) } == nil)
    #expect(empty.bytes(ArenaSlice()).count == 0)
  }

  /// Names that share prefixes of all lengths around that of the sort keys.
  @Test func sortIsByBytesAndEachNameIsFound() {
    var random = SeededGenerator(seed: 12)
    for round in 0..<100 {
      let bytes: [UInt8] = round.isMultiple(of: 2) ? [0x61, 0x62] : [0x01, 0x2e, 0x7f, 0x80, 0xff]
      let names = Set(
        (0..<random.below(200)).map { _ in (0...random.below(11)).map { _ in random.pick(bytes) } })
      let shuffled = names.sorted { $0.hashValue < $1.hashValue }
      let list = listing(shuffled)
      list.sort()
      let sorted = list.entries.map { [UInt8](list.name(of: $0)) }
      #expect(sorted == names.sorted { $0.lexicographicallyPrecedes($1) })
      for (index, entry) in list.entries.enumerated() {
        #expect(shuffled[Int(entry.inode)] == sorted[index])
        #expect(sorted[index].withUnsafeBytes { list.index(of: $0) } == index)
      }
      #expect(([0x63] as [UInt8]).withUnsafeBytes { list.index(of: $0) } == nil)
    }
  }
}
