import CJSON

/// Which blob stands where, of all index files of a repository. Shared by all threads.
///
/// A few sorted segments, the largest first. A look-up costs a search in the fences, which are in
/// memory, and one page of a segment; a location one page of its table of packs more.
///
/// Every call throws `IndexError.cacheDamaged` when a page is not as it was written. The file has
/// then been dropped: ``IndexLoader`` makes a sound one.
final class BlobIndex: Sendable {
  /// The parts, for the loader.
  let segments: [ServedSegment]

  init(_ segments: [ServedSegment]) {
    self.segments = segments.sorted { $0.entryCount > $1.entryCount }
  }

  /// Copies of blobs, those in packs that are marked for deletion included.
  var entryCount: Int { segments.reduce(0) { $0 + $1.entryCount } }

  /// Whether a copy of the blob stands in a pack that is not marked for deletion.
  func contains(_ blob: BlobHandle) throws(IndexError) -> Bool {
    let section = IndexSection(blob.type)
    for segment in segments where try segment.contains(section, blob.id) { return true }
    return false
  }

  /// A copy of the blob; nil when the repository has none.
  func lookup(_ blob: BlobHandle) throws(IndexError) -> BlobLocation? {
    var result: BlobLocation?
    for segment in segments {
      let goesOn = try segment.forEachCopy(IndexSection(blob.type), blob.id) { entry, pack in
        result = BlobLocation(entry, pack)
        return false
      }
      if !goesOn { break }
    }
    return result
  }

  /// All copies of the blob, each place once, in the order of their packs.
  func locations(of blob: BlobHandle) throws(IndexError) -> [BlobLocation] {
    var result: [BlobLocation] = []
    for segment in segments {
      _ = try segment.forEachCopy(IndexSection(blob.type), blob.id) { entry, pack in
        let location = BlobLocation(entry, pack)
        if !result.contains(location) { result.append(location) }
        return true
      }
    }
    return result.sorted { ($0.pack, $0.offset) < ($1.pack, $1.offset) }
  }

  /// Gives every copy of every blob of one kind, whose identifier begins with one of `firstBytes`;
  /// within one segment in order of the identifiers. Several threads may share the work by bytes.
  func forEachEntry(
    _ type: BlobType, marked: Bool = false, firstBytes: ClosedRange<UInt8> = 0...255,
    _ body: (BlobID, BlobLocation) throws(IndexError) -> Void
  ) throws(IndexError) {
    let section = IndexSection(type, marked: marked)
    for served in segments {
      let segment = served.segment
      let first = try segment.lowerBound(section, (UInt64(firstBytes.lowerBound) << 56, 0, 0, 0))
      var end = segment.entryCount(section)
      if firstBytes.upperBound < 255 {
        let next = UInt64(firstBytes.upperBound) + 1
        end = try segment.lowerBound(section, (next << 56, 0, 0, 0))
      }
      try segment.forEachEntry(section, first..<max(first, end)) { (_, entry) throws(IndexError) in
        let pack = try segment.pack(Int(entry.pack))
        guard served.counts(pack) else { return }
        try body(BlobID(words: entry.id), BlobLocation(entry, pack))
      }
    }
  }

  /// Gives every pack that an index file lists; twice when two list it.
  func forEachPack(_ body: (IndexedPack) throws(IndexError) -> Void) throws(IndexError) {
    for served in segments {
      let segment = served.segment
      try segment.forEachPack { (_, pack) throws(IndexError) in
        guard served.counts(pack) else { return }
        try body(IndexedPack(pack, segment))
      }
    }
  }

  /// Gives every pack with its entries in the order of their offsets, as prune, check and repair
  /// need it.
  ///
  /// Takes 4 bytes of memory for each entry and 8 for each pack, and touches every page.
  func forEachPackWithEntries(
    _ body: (IndexedPack, [PackedBlob]) throws(IndexError) -> Void
  ) throws(IndexError) {
    for served in segments {
      let groups = try PackGroups(served.segment)
      try served.segment.forEachPack { (row, pack) throws(IndexError) in
        guard served.counts(pack) else { return }
        try body(IndexedPack(pack, served.segment), try groups.blobs(of: row))
      }
    }
  }
}

extension BlobLocation {
  init(_ entry: EntryRecord, _ pack: RowRecord) {
    self.init(
      pack: PackID(words: pack.id), offset: entry.offset, sealedLength: entry.sealed_length,
      plaintextLength: entry.plaintext_length)
  }
}

/// A pack as an index file lists it.
struct IndexedPack: Hashable, Sendable {
  let id: PackID
  let indexFile: IndexID
  let entryCount: Int
  /// Listed in `packs_to_delete`: to be removed by a later prune; its blobs do not count as stored.
  let isMarked: Bool

  init(_ row: RowRecord, _ segment: Segment) {
    id = PackID(words: row.id)
    indexFile = IndexID(words: segment.files[Int(row.index_file)].id)
    entryCount = row.entryCount
    isMarked = row.isMarked
  }
}

/// The entries of a segment in the order of its packs: 4 bytes each.
struct PackGroups {
  private let segment: Segment
  private var starts: [Int]
  private var numbers: [UInt32]

  init(_ segment: Segment) throws(IndexError) {
    self.segment = segment
    var starts = [Int](repeating: 0, count: segment.header.packCount + 1)
    try PackGroups.forEachEntry(segment) { (_, row) in starts[row + 1] += 1 }
    for row in 0..<segment.header.packCount { starts[row + 1] += starts[row] }
    var numbers = [UInt32](repeating: 0, count: segment.header.entryCount)
    var next = starts
    try PackGroups.forEachEntry(segment) { (number, row) in
      numbers[next[row]] = UInt32(truncatingIfNeeded: number)
      next[row] += 1
    }
    self.starts = starts
    self.numbers = numbers
  }

  /// Gives the number of each entry, through all sections, and the row of its pack.
  private static func forEachEntry(
    _ segment: Segment, _ body: (Int, Int) -> Void
  ) throws(IndexError) {
    var first = 0
    for section in IndexSection.allCases {
      let count = segment.entryCount(section)
      try segment.forEachEntry(section, 0..<count) { (position, entry) throws(IndexError) in
        guard Int(entry.pack) < segment.header.packCount else {
          throw .cacheDamaged(path: segment.path ?? "unnamed", reason: "an entry has no pack")
        }
        body(first + position, Int(entry.pack))
      }
      first += count
    }
  }

  func blobs(of row: Int) throws(IndexError) -> [PackedBlob] {
    var blobs: [PackedBlob] = []
    blobs.reserveCapacity(starts[row + 1] - starts[row])
    for place in starts[row]..<starts[row + 1] {
      var position = Int(numbers[place])
      for section in IndexSection.allCases {
        let count = segment.entryCount(section)
        guard position >= count else {
          let entry = try segment.entry(section, position)
          blobs.append(PackedBlob(entry, section.type))
          break
        }
        position -= count
      }
    }
    return blobs.sorted { $0.offset < $1.offset }
  }
}
