import CJSON
import Glibc
import Platform

/// Sorts runs and older segments into one new segment, in memory that does not grow with the blobs.
final class SegmentBuilder: @unchecked Sendable {
  /// Entries that one thread sorts at a time: 1.5 MB, which its cache holds.
  private static let groupEntryCount = 1 << 15

  private let spool: IndexSpool
  private let key: PageKey
  private let nonce: [UInt8]
  private var older: [OlderSegment] = []
  private var packs: [RowRecord]
  private var files: [RowRecord]
  /// From the row of a pack in the order it came to its row in the table.
  private var sortedRows: [UInt32] = []

  /// An older segment: its rows in the new table, `UInt32.max` for those that no longer count, and
  /// where its buckets start.
  private struct OlderSegment {
    let segment: Segment
    let rows: [UInt32]
    let starts: [[Int]]
  }

  private struct Group {
    let section: IndexSection
    let bytes: Range<Int>
  }

  init(_ spool: IndexSpool, nonce: [UInt8], key: PageKey) {
    self.spool = spool
    self.key = key
    self.nonce = nonce
    packs = spool.packs
    files = spool.files
  }

  // MARK: Input

  /// Takes over what counts of an older segment.
  func add(_ older: ServedSegment) throws(IndexError) {
    let segment = older.segment
    var fileNumbers = [UInt32](repeating: .max, count: segment.files.count)
    for (number, file) in segment.files.enumerated() where older.served?[number] ?? true {
      fileNumbers[number] = UInt32(files.count)
      files.append(file)
    }
    var rows = [UInt32](repeating: .max, count: segment.header.packCount)
    try segment.forEachPack { (row, pack) throws(IndexError) in
      guard older.counts(pack) else { return }
      guard packs.count < EntryRecord.rowCountMax else {
        throw .tooLarge(what: "packs", limit: EntryRecord.rowCountMax)
      }
      rows[row] = UInt32(packs.count)
      var pack = pack
      pack.index_file = fileNumbers[Int(pack.index_file)]
      packs.append(pack)
    }
    var starts: [[Int]] = []
    for section in IndexSection.allCases {
      var places: [Int] = []
      for byte in 0..<UInt64(256) {
        places.append(try segment.lowerBound(section, (byte << 56, 0, 0, 0)))
      }
      starts.append(places + [segment.entryCount(section)])
    }
    self.older.append(OlderSegment(segment: segment, rows: rows, starts: starts))
  }

  // MARK: Output

  /// Writes the segment to an empty file.
  func build(into descriptor: Int32, threadCount: Int) throws(IndexError) {
    sortTables()
    let writer = WriterBox(SegmentWriter(descriptor: descriptor, nonce: nonce, key: key))
    let groups = makeGroups()
    let counter = WorkCounter(groups.count)
    let gate = TurnGate()
    try runIndexThreads(max(1, min(threadCount, groups.count))) { (_) throws(IndexError) in
      let sorter = GroupSorter()
      while let number = counter.take() {
        do throws(IndexError) {
          try self.gather(groups[number], into: sorter)
          sorter.sort()
        } catch {
          counter.stop()
          gate.fail()
          throw error
        }
        try gate.pass(number) { () throws(IndexError) in
          try writer.write(sorter, groups[number].section)
        }
      }
    }
    try finish(writer.writer)
  }

  private func sortTables() {
    let sorter = KeySorter()
    let order = sorter.sort(
      count: packs.count, prefix: { packs[$0].id.0 },
      isOrdered: { RowRecord.isOrdered(packs[$0], packs[$1]) })
    sortedRows = [UInt32](repeating: 0, count: packs.count)
    var sorted: [RowRecord] = []
    sorted.reserveCapacity(packs.count)
    let fileOrder = files.indices.sorted { files[$0].id < files[$1].id }
    var fileNumbers = [UInt32](repeating: 0, count: files.count)
    for (number, old) in fileOrder.enumerated() { fileNumbers[old] = UInt32(number) }
    for (row, key) in order.enumerated() {
      sortedRows[Int(key.position)] = UInt32(row)
      var pack = packs[Int(key.position)]
      pack.index_file = fileNumbers[Int(pack.index_file)]
      sorted.append(pack)
    }
    packs = sorted
    files = fileOrder.map { files[$0] }
  }

  /// Parts each section into ranges of first bytes of about ``groupEntryCount``.
  private func makeGroups() -> [Group] {
    var groups: [Group] = []
    for section in IndexSection.allCases {
      var first = 0
      var count = 0
      for byte in 0..<256 {
        count += countMax(section, byte..<(byte + 1))
        guard count >= SegmentBuilder.groupEntryCount || byte == 255 else { continue }
        if count > 0 { groups.append(Group(section: section, bytes: first..<(byte + 1))) }
        first = byte + 1
        count = 0
      }
    }
    return groups
  }

  private func buckets(_ section: IndexSection, _ bytes: Range<Int>) -> Range<Int> {
    let first = section.rawValue << 8
    return (first + bytes.lowerBound)..<(first + bytes.upperBound)
  }

  /// Entries of the inputs in a range of first bytes, those that no longer count included.
  private func countMax(_ section: IndexSection, _ bytes: Range<Int>) -> Int {
    let buckets = buckets(section, bytes)
    var count = 0
    for run in spool.runs {
      count += Int(run.starts[buckets.upperBound] - run.starts[buckets.lowerBound])
    }
    for older in older {
      let starts = older.starts[section.rawValue]
      count += starts[bytes.upperBound] - starts[bytes.lowerBound]
    }
    return count
  }

  private func gather(_ group: Group, into sorter: GroupSorter) throws(IndexError) {
    sorter.clear(room: countMax(group.section, group.bytes))
    let buckets = buckets(group.section, group.bytes)
    for run in spool.runs {
      let count = Int(run.starts[buckets.upperBound] - run.starts[buckets.lowerBound])
      guard count > 0 else { continue }
      let target = sorter.grow(by: count)
      try spool.read(run, buckets, into: target)
      for index in target.indices { target[index].pack = sortedRows[Int(target[index].pack)] }
    }
    for older in older {
      let starts = older.starts[group.section.rawValue]
      let range = starts[group.bytes.lowerBound]..<starts[group.bytes.upperBound]
      try older.segment.forEachEntry(group.section, range) { (_, entry) throws(IndexError) in
        guard Int(entry.pack) < older.rows.count, older.rows[Int(entry.pack)] != .max else {
          return
        }
        var entry = entry
        entry.pack = sortedRows[Int(older.rows[Int(entry.pack)])]
        sorter.grow(by: 1)[0] = entry
      }
    }
  }

  private func finish(_ writer: SegmentWriter) throws(IndexError) {
    let rowByteCount = MemoryLayout<RowRecord>.stride
    try writer.beginPart(recordByteCount: rowByteCount)
    for pack in packs { try writer.append(pack) }
    try writer.beginPart(recordByteCount: rowByteCount)
    for file in files { try writer.append(file) }
    let fences = writer.fences
    for section in IndexSection.allCases {
      try writer.beginPart(recordByteCount: MemoryLayout<UInt64>.stride)
      for fence in fences[section.rawValue] { try writer.append(fence) }
    }
    try writer.finish(
      SegmentHeader(
        nonce: nonce, entryCounts: writer.entryCounts, packCount: packs.count,
        fileCount: files.count))
  }
}

/// The writer as the threads pass it on, one after the other.
private final class WriterBox: @unchecked Sendable {
  let writer: SegmentWriter
  private var section: IndexSection?

  init(_ writer: SegmentWriter) { self.writer = writer }

  func write(_ sorter: GroupSorter, _ section: IndexSection) throws(IndexError) {
    if section != self.section { try writer.begin(section) }
    self.section = section
    for key in sorter.order { try writer.append(sorter.entry(key)) }
  }
}

/// Entries of one group and their order. One thread.
private final class GroupSorter {
  private var entries = UnsafeMutableBufferPointer<EntryRecord>.allocate(capacity: 1)
  private var count = 0
  private let sorter = KeySorter()
  private(set) var order: [KeySorter.Key] = []

  deinit { entries.deallocate() }

  func clear(room: Int) {
    count = 0
    guard entries.count < room else { return }
    entries.deallocate()
    entries = .allocate(capacity: room + room / 4)
  }

  func grow(by more: Int) -> UnsafeMutableBufferPointer<EntryRecord> {
    precondition(count + more <= entries.count, "a group has the entries it was counted with")
    defer { count += more }
    return UnsafeMutableBufferPointer(rebasing: entries[count..<count + more])
  }

  func sort() {
    let entries = entries
    order = []
    order = sorter.sort(
      count: count, prefix: { entries[$0].id.0 },
      isOrdered: { EntryRecord.isOrdered(entries[$0], entries[$1]) })
  }

  func entry(_ key: KeySorter.Key) -> EntryRecord { entries[Int(key.position)] }
}
