import CJSON
import Glibc
import Platform
import Synchronization

/// A sorted, memory-mapped part of the index: the entries of some index files. Immutable, shared by
/// all threads.
///
/// Opening reads the header, the list of index files and the fences: some 0.3 % of the file. Every
/// other page is authenticated when it is first touched.
final class Segment: @unchecked Sendable {
  /// Where it stands; nil for an unnamed file.
  let path: String?
  let header: SegmentHeader
  /// The index files it covers, by identifier; with the counts of their entries.
  let files: [RowRecord]
  private let parts: [Part]
  private let packsFirstPage: Int
  private let descriptor: SharedDescriptor
  private let base: UnsafeRawPointer
  private let byteCount: Int
  private let verified: UnsafeMutablePointer<Atomic<UInt64>>
  private let verifiedWordCount: Int
  private let key: PageKey

  /// A section of entries, with what a look-up in it needs.
  private struct Part {
    let firstPage: Int
    let entryCount: Int
    /// The first word of each page. Not an array: counting its owners would cost every look-up a
    /// word that all threads write.
    let fences: UnsafeBufferPointer<UInt64>
  }

  /// Maps an open segment file.
  /// - Throws: `IndexError.cacheDamaged`, `.cache`.
  init(_ descriptor: SharedDescriptor, path: String?, key: PageKey) throws(IndexError) {
    let reader = try SegmentStart(descriptor.raw, path: path, key: key)
    let header = reader.header
    files = try reader.rows(header.filesFirstPage, count: header.fileCount)
    var fences: [[UInt64]] = []
    for section in IndexSection.allCases {
      fences.append(
        try reader.fences(header.fencesFirstPage(section), count: header.pageCount(section)))
    }
    self.header = header
    packsFirstPage = header.packsFirstPage
    self.path = path
    self.key = key
    self.descriptor = descriptor
    byteCount = header.filePageCount * IndexPage.byteCount
    let address = mmap(nil, byteCount, PROT_READ, MAP_SHARED, descriptor.raw, 0)
    guard let address, address != UnsafeMutableRawPointer(bitPattern: -1) else {
      throw .cache(.last("mmap", path ?? "index"))
    }
    // Nothing is thrown from here on, so that what is allocated is freed by `deinit`.
    madvise(address, byteCount, MADV_RANDOM)
    base = UnsafeRawPointer(address)
    verifiedWordCount = (header.filePageCount + 63) / 64
    verified = .allocate(capacity: verifiedWordCount)
    parts = IndexSection.allCases.map { section in
      Part(
        firstPage: header.firstPage(section), entryCount: header.entryCounts[section.rawValue],
        fences: fences[section.rawValue].withUnsafeBufferPointer(Segment.copy))
    }
    for word in 0..<verifiedWordCount { (verified + word).initialize(to: Atomic(0)) }
  }

  private static func copy(_ words: UnsafeBufferPointer<UInt64>) -> UnsafeBufferPointer<UInt64> {
    let copy = UnsafeMutableBufferPointer<UInt64>.allocate(capacity: words.count)
    _ = copy.initialize(from: words)
    return UnsafeBufferPointer(copy)
  }

  deinit {
    for part in parts { part.fences.deallocate() }
    verified.deinitialize(count: verifiedWordCount)
    verified.deallocate()
    munmap(UnsafeMutableRawPointer(mutating: base), byteCount)
  }

  // MARK: Pages

  /// A page whose tag has been checked.
  private func page(_ number: Int) throws(IndexError) -> UnsafeRawPointer {
    let page = base + number * IndexPage.byteCount
    if isVerified(number) { return page }
    let nonce = header.nonce
    guard try key.with({ $0.isAuthentic(page, number: number, nonce: nonce) }) else {
      throw damaged("page \(number) is not as it was written")
    }
    setVerified(number)
    return page
  }

  private func isVerified(_ number: Int) -> Bool {
    verified[number >> 6].load(ordering: .relaxed) & (1 << UInt64(number & 63)) != 0
  }

  private func setVerified(_ number: Int) {
    verified[number >> 6].bitwiseOr(1 << UInt64(number & 63), ordering: .relaxed)
  }

  /// Drops the file, so that the next start makes it anew, and gives the error to throw.
  private func damaged(_ reason: String) -> IndexError {
    if let path { unlink(path) }
    return .cacheDamaged(path: path ?? "unnamed", reason: reason)
  }

  // MARK: Entries

  func entry(_ section: IndexSection, _ position: Int) throws(IndexError) -> EntryRecord {
    let number = parts[section.rawValue].firstPage + position / IndexPage.entriesPerPage
    let offset = position % IndexPage.entriesPerPage * MemoryLayout<EntryRecord>.stride
    return try page(number).load(fromByteOffset: offset, as: EntryRecord.self)
  }

  /// The row of a pack that an entry of this segment names.
  func pack(_ row: Int) throws(IndexError) -> RowRecord {
    guard row < header.packCount else { throw damaged("an entry names pack \(row)") }
    let number = packsFirstPage + row / IndexPage.rowsPerPage
    let offset = row % IndexPage.rowsPerPage * MemoryLayout<RowRecord>.stride
    let record = try page(number).load(fromByteOffset: offset, as: RowRecord.self)
    guard Int(record.index_file) < files.count else {
      throw damaged("a pack names index file \(record.index_file)")
    }
    return record
  }

  func entryCount(_ section: IndexSection) -> Int { parts[section.rawValue].entryCount }

  /// The position of the first entry that is not below `id`.
  func lowerBound(
    _ section: IndexSection, _ id: (UInt64, UInt64, UInt64, UInt64)
  ) throws(IndexError) -> Int {
    let part = parts[section.rawValue]
    let count = part.entryCount
    var page = max(0, Segment.firstFence(part.fences, notBelow: id.0) - 1)
    let perPage = IndexPage.entriesPerPage
    while page * perPage < count {
      let start = page * perPage
      let records = try self.page(part.firstPage + page)
        .assumingMemoryBound(to: EntryRecord.self)
      var low = 0
      var high = min(perPage, count - start)
      let end = high
      while low < high {
        let middle = (low + high) / 2
        if records[middle].id < id { low = middle + 1 } else { high = middle }
      }
      if low < end { return start + low }
      page += 1
    }
    return count
  }

  /// The first page whose first word is not below `word`: a guess, as words are uniform, and then a
  /// search around it.
  private static func firstFence(
    _ fences: UnsafeBufferPointer<UInt64>, notBelow word: UInt64
  ) -> Int {
    let count = fences.count
    guard count > 0 else { return 0 }
    let guess = Int(word.multipliedFullWidth(by: UInt64(count)).high)
    var low = guess
    var high = guess
    var step = 16
    while low > 0, fences[low - 1] >= word {
      low = max(0, low - step)
      step *= 2
    }
    step = 16
    while high < count, fences[high] < word {
      high = min(count, high + step)
      step *= 2
    }
    while low < high {
      let middle = (low + high) / 2
      if fences[middle] < word { low = middle + 1 } else { high = middle }
    }
    return low
  }

  // MARK: In bulk

  /// Pages that one read brings in.
  private static let bulkPageCount = 64

  /// Gives the entries of a range in order, by plain reads: nothing stays mapped.
  func forEachEntry(
    _ section: IndexSection, _ range: Range<Int>,
    _ body: (Int, EntryRecord) throws(IndexError) -> Void
  ) throws(IndexError) {
    let perPage = IndexPage.entriesPerPage
    let buffer = UnsafeMutableRawBufferPointer.allocate(
      byteCount: Segment.bulkPageCount * IndexPage.byteCount, alignment: 64)
    defer { buffer.deallocate() }
    var position = range.lowerBound
    while position < range.upperBound {
      let page = position / perPage
      let lastPage = (range.upperBound - 1) / perPage
      let pageCount = min(Segment.bulkPageCount, lastPage - page + 1)
      let pages = try read(parts[section.rawValue].firstPage + page, pageCount, into: buffer)
      let end = min(range.upperBound, (page + pageCount) * perPage)
      while position < end {
        let place =
          (position / perPage - page) * IndexPage.byteCount
          + position % perPage * MemoryLayout<EntryRecord>.stride
        try body(position, pages.load(fromByteOffset: place, as: EntryRecord.self))
        position += 1
      }
    }
  }

  /// Gives all rows of packs in order.
  func forEachPack(_ body: (Int, RowRecord) throws(IndexError) -> Void) throws(IndexError) {
    for row in 0..<header.packCount { try body(row, try pack(row)) }
  }

  private func read(
    _ first: Int, _ count: Int, into buffer: UnsafeMutableRawBufferPointer
  ) throws(IndexError) -> UnsafeRawPointer {
    let target = UnsafeMutableRawBufferPointer(rebasing: buffer[..<(count * IndexPage.byteCount)])
    let got: Int
    do {
      got = try FileIO.read(
        descriptor.raw, into: target, at: Int64(first * IndexPage.byteCount))
    } catch {
      throw .cache(error)
    }
    guard got == target.count, let pages = target.baseAddress else {
      throw damaged("the file has become shorter")
    }
    let nonce = header.nonce
    let wrong = try key.with { authenticator -> Int? in
      for page in 0..<count where !isVerified(first + page) {
        let start = UnsafeRawPointer(pages + page * IndexPage.byteCount)
        guard authenticator.isAuthentic(start, number: first + page, nonce: nonce) else {
          return first + page
        }
      }
      return nil
    }
    if let wrong { throw damaged("page \(wrong) is not as it was written") }
    return UnsafeRawPointer(pages)
  }
}
