import CJSON

/// A segment and which of its index files count: those that the repository still has and that no
/// other segment serves.
struct ServedSegment: Sendable {
  let segment: Segment
  /// For each index file of the segment; nil when all count.
  let served: [Bool]?
  /// Entries of the files that count.
  let entryCount: Int

  init(_ segment: Segment, where isServed: (IndexID) -> Bool) {
    let served = segment.files.map { isServed(IndexID(words: $0.id)) }
    var count = 0
    for (file, isServed) in zip(segment.files, served) where isServed {
      count += Int(file.entry_count)
    }
    self.segment = segment
    self.served = served.allSatisfy { $0 } ? nil : served
    entryCount = count
  }

  var isUseless: Bool { served.map { !$0.contains(true) } ?? segment.files.isEmpty }

  func counts(_ pack: RowRecord) -> Bool { served.map { $0[Int(pack.index_file)] } ?? true }

  /// Gives the copies of a blob until `body` says false.
  ///
  /// - Returns: false when `body` has.
  func forEachCopy(
    _ section: IndexSection, _ id: BlobID, _ body: (EntryRecord, RowRecord) -> Bool
  ) throws(IndexError) -> Bool {
    var position = try segment.lowerBound(section, id.words)
    while position < segment.entryCount(section) {
      let entry = try segment.entry(section, position)
      guard entry.id == id.words else { return true }
      let pack = try segment.pack(Int(entry.pack))
      if counts(pack), !body(entry, pack) { return false }
      position += 1
    }
    return true
  }

  func contains(_ section: IndexSection, _ id: BlobID) throws(IndexError) -> Bool {
    guard served == nil else { return try !forEachCopy(section, id) { _, _ in false } }
    let position = try segment.lowerBound(section, id.words)
    guard position < segment.entryCount(section) else { return false }
    return try segment.entry(section, position).id == id.words
  }
}
