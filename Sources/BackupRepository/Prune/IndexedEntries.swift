import CJSON
import Platform

/// The entries of a ``BlobIndex`` with numbers, for planning a prune and for counting: all copies
/// of a blob come together, out of all segments.
///
/// Takes 36 bytes of memory for each pack, nothing for each entry. Packs that are marked for
/// deletion are no part of it.
struct IndexedEntries: PruneIndex {
  /// Each pack once, in order; its place is its number.
  let packs: [PackID]
  private let index: BlobIndex
  /// For each segment and row of a pack the number of the pack.
  private let packNumbers: [[UInt32]]
  private static let none = UInt32.max

  init(_ index: BlobIndex) throws(IndexError) {
    self.index = index
    var ids: [PackID] = []
    for served in index.segments {
      try served.segment.forEachPack { _, row in
        if served.counts(row), !row.isMarked { ids.append(PackID(words: row.id)) }
      }
    }
    ids.sort()
    var packs: [PackID] = []
    packs.reserveCapacity(ids.count)
    for id in ids where packs.last != id { packs.append(id) }
    var packNumbers: [[UInt32]] = []
    for served in index.segments {
      var numbers = [UInt32](repeating: Self.none, count: served.segment.header.packCount)
      // Rows are in the order of their packs too.
      var next = 0
      try served.segment.forEachPack { number, row in
        guard served.counts(row), !row.isMarked else { return }
        let id = PackID(words: row.id)
        while next < packs.count, packs[next] < id { next += 1 }
        numbers[number] = UInt32(next)
      }
      packNumbers.append(numbers)
    }
    self.packs = packs
    self.packNumbers = packNumbers
  }

  var entryCount: Int { index.numberCount }
  var packCount: Int { packs.count }

  func packID(_ pack: Int) throws(IndexError) -> PackID { packs[pack] }

  func packNumber(_ id: PackID) throws(IndexError) -> Int? {
    var low = 0
    var high = packs.count
    while low < high {
      let middle = (low + high) / 2
      if packs[middle] < id { low = middle + 1 } else { high = middle }
    }
    return low < packs.count && packs[low] == id ? low : nil
  }

  func forEachBlob(
    _ body: (BlobType, UnsafeBufferPointer<PruneCopy>) -> Void
  ) throws(IndexError) {
    try forEachCopies { handle, copies, _ in body(handle.type, copies) }
  }

  /// Gives each blob once with its copies and, beside them, their plaintext lengths (0 when not
  /// compressed), in the order of the identifiers.
  func forEachCopies(
    _ body: (BlobHandle, UnsafeBufferPointer<PruneCopy>, UnsafeBufferPointer<UInt32>) -> Void
  ) throws(IndexError) {
    for type in BlobType.allCases {
      var cursors = try makeCursors(type)
      var copies: [PruneCopy] = []
      var lengths: [UInt32] = []
      while let id = cursors.compactMap({ $0.record?.id }).min(by: <) {
        copies.removeAll(keepingCapacity: true)
        lengths.removeAll(keepingCapacity: true)
        for number in cursors.indices {
          try take(id, &cursors[number], &copies, &lengths)
        }
        guard !copies.isEmpty else { continue }
        copies.withUnsafeBufferPointer { copies in
          lengths.withUnsafeBufferPointer { lengths in
            body(BlobHandle(type, BlobID(words: id)), copies, lengths)
          }
        }
      }
    }
  }

  /// A place in the section of one segment.
  private struct Cursor {
    let segment: Segment
    let section: IndexSection
    let packNumbers: [UInt32]
    /// The number of the section's first entry.
    let base: Int
    var position = 0
    var record: EntryRecord?

    mutating func move(to position: Int) throws(IndexError) {
      self.position = position
      record =
        position < segment.entryCount(section) ? try segment.entry(section, position) : nil
    }
  }

  private func makeCursors(_ type: BlobType) throws(IndexError) -> [Cursor] {
    let section = IndexSection(type)
    var cursors: [Cursor] = []
    var base = 0
    for (served, numbers) in zip(index.segments, packNumbers) {
      let segment = served.segment
      let before = IndexSection.allCases.filter { $0.rawValue < section.rawValue }
      var cursor = Cursor(
        segment: segment, section: section, packNumbers: numbers,
        base: base + before.reduce(0) { $0 + segment.entryCount($1) })
      try cursor.move(to: 0)
      cursors.append(cursor)
      base += segment.header.entryCount
    }
    return cursors
  }

  /// Takes the copies of a blob in one segment.
  ///
  /// The first that counts gets the number of the first of all: that one ``BlobIndex/number(of:)``
  /// gives, also when it stands in an index file that is gone.
  private func take(
    _ id: (UInt64, UInt64, UInt64, UInt64), _ cursor: inout Cursor, _ copies: inout [PruneCopy],
    _ lengths: inout [UInt32]
  ) throws(IndexError) {
    let first = cursor.position
    var isFirst = true
    while let record = cursor.record, record.id == id {
      let row = Int(record.pack)
      let pack = row < cursor.packNumbers.count ? cursor.packNumbers[row] : Self.none
      if pack != Self.none {
        copies.append(
          PruneCopy(
            entry: cursor.base + (isFirst ? first : cursor.position), pack: Int(pack),
            offset: record.offset, sealedLength: record.sealed_length,
            isCompressed: record.plaintext_length > 0))
        lengths.append(record.plaintext_length)
        isFirst = false
      }
      try cursor.move(to: cursor.position + 1)
    }
  }
}
