import CJSON
import Glibc
import Platform

/// Writes the pages of a segment file in order. One thread at a time.
final class SegmentWriter {
  /// Pages that are written by one call.
  private static let batchPageCount = 64
  /// Bytes after which the kernel is asked to begin with writing, so that the end need not wait.
  private static let writebackByteCount: Int64 = 16 << 20

  private let descriptor: Int32
  private let nonce: [UInt8]
  private let key: PageKey
  private let batch: UnsafeMutableRawBufferPointer
  private var firstPage = 1
  private var pageCount = 0
  private var recordCount = 0
  private var recordsPerPage = 1
  private var recordByteCount = 8
  private var writtenBack: Int64 = 0

  /// First words of the pages of each section of entries.
  private(set) var fences: [[UInt64]] = [[], [], [], []]
  private(set) var entryCounts = [0, 0, 0, 0]
  private var section: IndexSection?

  init(descriptor: Int32, nonce: [UInt8], key: PageKey) {
    self.descriptor = descriptor
    self.nonce = nonce
    self.key = key
    batch = .allocate(
      byteCount: SegmentWriter.batchPageCount * IndexPage.byteCount, alignment: 64)
    batch.initializeMemory(as: UInt8.self, repeating: 0)
  }

  deinit { batch.deallocate() }

  /// Ends what was written before and starts a part of records of one size on a page of its own.
  func beginPart(recordByteCount: Int) throws(IndexError) {
    if recordCount > 0 { try endPage() }
    section = nil
    self.recordByteCount = recordByteCount
    recordsPerPage = IndexPage.payloadByteCount / recordByteCount
  }

  func begin(_ section: IndexSection) throws(IndexError) {
    try beginPart(recordByteCount: MemoryLayout<EntryRecord>.stride)
    self.section = section
  }

  func append(_ entry: EntryRecord) throws(IndexError) {
    guard let section else { preconditionFailure("an entry outside of a section") }
    if recordCount == 0 { fences[section.rawValue].append(entry.id.0) }
    entryCounts[section.rawValue] += 1
    try appendRecord(entry)
  }

  func append(_ row: RowRecord) throws(IndexError) { try appendRecord(row) }
  func append(_ fence: UInt64) throws(IndexError) { try appendRecord(fence.littleEndian) }

  private func appendRecord<Record: BitwiseCopyable>(_ record: Record) throws(IndexError) {
    assert(MemoryLayout<Record>.stride == recordByteCount)
    batch.storeBytes(
      of: record, toByteOffset: pageCount * IndexPage.byteCount + recordCount * recordByteCount,
      as: Record.self)
    recordCount += 1
    if recordCount == recordsPerPage { try endPage() }
  }

  private func endPage() throws(IndexError) {
    recordCount = 0
    pageCount += 1
    if pageCount == SegmentWriter.batchPageCount { try flush() }
  }

  private func flush() throws(IndexError) {
    guard pageCount > 0, let base = batch.baseAddress else { return }
    let pages = pageCount
    try key.with { authenticator in
      for page in 0..<pages {
        authenticator.seal(
          base + page * IndexPage.byteCount, number: firstPage + page, nonce: nonce)
      }
    }
    let bytes = UnsafeRawBufferPointer(rebasing: batch[..<(pages * IndexPage.byteCount)])
    let offset = Int64(firstPage * IndexPage.byteCount)
    do { try FileIO.write(descriptor, bytes, at: offset) } catch { throw .cache(error) }
    let end = offset + Int64(bytes.count)
    if end - writtenBack >= SegmentWriter.writebackByteCount {
      FileSystem.startWriteback(descriptor, offset: writtenBack, length: end - writtenBack)
      writtenBack = end
    }
    memset(base, 0, bytes.count)
    firstPage += pages
    pageCount = 0
  }

  /// Writes the last pages and, as the last of all, the header.
  func finish(_ header: SegmentHeader) throws(IndexError) {
    if recordCount > 0 { try endPage() }
    try flush()
    precondition(firstPage == header.filePageCount, "a segment has the pages its counts say")
    guard let base = batch.baseAddress else { return }
    header.encode(to: base)
    try key.with { $0.seal(base, number: 0, nonce: nonce) }
    let bytes = UnsafeRawBufferPointer(rebasing: batch[..<IndexPage.byteCount])
    do { try FileIO.write(descriptor, bytes, at: 0) } catch { throw .cache(error) }
  }
}
