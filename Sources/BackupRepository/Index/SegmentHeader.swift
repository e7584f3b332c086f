/// The first page of a segment file, little-endian.
///
/// | offset | size | meaning |
/// | --- | --- | --- |
/// | 0 | 8 | `DROVERIX` |
/// | 8 | 4 | version, 1 |
/// | 12 | 4 | bytes of a page, 4096 |
/// | 16 | 16 | random name of the segment, part of every tag |
/// | 32 | 32 | counts of entries of the four sections |
/// | 64 | 8 | count of packs |
/// | 72 | 8 | count of index files |
/// | 80 | 4000 | zero |
///
/// Behind it stand, each from a page of its own: the four sections, the packs, the index files, and
/// for each section its fences, the first word of the first entry of each of its pages. All places
/// follow from the counts.
struct SegmentHeader: Equatable {
  static let magic: UInt64 = 0x5849_5245_564f_5244
  static let version: UInt32 = 1
  /// Entries are numbered by 32 bits where they are grouped by pack.
  static let entryCountMax = Int(UInt32.max)
  /// Index files of one segment; a repository that was never pruned in 25 years of hourly backups
  /// has a fifth.
  static let fileCountMax = 1 << 20

  var nonce: [UInt8]
  var entryCounts: [Int]
  var packCount: Int
  var fileCount: Int

  var entryCount: Int { entryCounts.reduce(0, +) }

  func pageCount(_ section: IndexSection) -> Int {
    IndexPage.pageCount(entryCounts[section.rawValue], perPage: IndexPage.entriesPerPage)
  }

  func firstPage(_ section: IndexSection) -> Int {
    var page = 1
    for earlier in IndexSection.allCases where earlier.rawValue < section.rawValue {
      page += pageCount(earlier)
    }
    return page
  }

  var packsFirstPage: Int { firstPage(.markedTree) + pageCount(.markedTree) }

  var filesFirstPage: Int {
    packsFirstPage + IndexPage.pageCount(packCount, perPage: IndexPage.rowsPerPage)
  }

  private var fencesStart: Int {
    filesFirstPage + IndexPage.pageCount(fileCount, perPage: IndexPage.rowsPerPage)
  }

  func fencePageCount(_ section: IndexSection) -> Int {
    IndexPage.pageCount(pageCount(section), perPage: IndexPage.fencesPerPage)
  }

  func fencesFirstPage(_ section: IndexSection) -> Int {
    var page = fencesStart
    for earlier in IndexSection.allCases where earlier.rawValue < section.rawValue {
      page += fencePageCount(earlier)
    }
    return page
  }

  /// All pages of the file, this one included.
  var filePageCount: Int { fencesFirstPage(.markedTree) + fencePageCount(.markedTree) }

  /// Writes the fields to a page of zeros.
  func encode(to page: UnsafeMutableRawPointer) {
    page.storeBytes(of: SegmentHeader.magic.littleEndian, as: UInt64.self)
    page.storeBytes(of: SegmentHeader.version.littleEndian, toByteOffset: 8, as: UInt32.self)
    page.storeBytes(
      of: UInt32(IndexPage.byteCount).littleEndian, toByteOffset: 12, as: UInt32.self)
    for (index, byte) in nonce.enumerated() {
      page.storeBytes(of: byte, toByteOffset: 16 + index, as: UInt8.self)
    }
    for (index, count) in (entryCounts + [packCount, fileCount]).enumerated() {
      page.storeBytes(
        of: UInt64(count).littleEndian, toByteOffset: 32 + 8 * index, as: UInt64.self)
    }
  }

  /// Reads a page; nil when it is no header of this version. The tag is checked apart.
  init?(decoding page: UnsafeRawPointer) {
    func word(_ offset: Int) -> UInt64 {
      UInt64(littleEndian: page.loadUnaligned(fromByteOffset: offset, as: UInt64.self))
    }
    guard word(0) == SegmentHeader.magic,
      word(8) == UInt64(IndexPage.byteCount) << 32 | UInt64(SegmentHeader.version)
    else { return nil }
    let counts = (0..<6).map { word(32 + 8 * $0) }
    let limits =
      Array(repeating: SegmentHeader.entryCountMax, count: 4)
      + [EntryRecord.rowCountMax, SegmentHeader.fileCountMax]
    for (count, limit) in zip(counts, limits) where count > UInt64(limit) { return nil }
    nonce = (0..<PageAuthenticator.nonceByteCount).map {
      page.load(fromByteOffset: 16 + $0, as: UInt8.self)
    }
    entryCounts = counts[..<4].map { Int($0) }
    packCount = Int(counts[4])
    fileCount = Int(counts[5])
    guard entryCount <= SegmentHeader.entryCountMax else { return nil }
  }

  init(nonce: [UInt8], entryCounts: [Int], packCount: Int, fileCount: Int) {
    self.nonce = nonce
    self.entryCounts = entryCounts
    self.packCount = packCount
    self.fileCount = fileCount
  }
}
