import FileTree
import Glibc
import Platform

/// Reads what the last run has found alike, along the listings of this one. Confined to one thread.
///
/// What the file says is a hint that is verified: a record counts only when the file on the one
/// side and the object on the other still are what it names. A file that is damaged, of other
/// sides, or of another version knows nothing.
package final class PairStateReader {
  private let descriptor: Descriptor
  /// Where the blocks in order end.
  private var endOffset: Int64 = 0
  private var offset = Int64(PairStateFile.headerByteCount)
  private let block = UnsafeMutableRawBufferPointer.allocate(
    byteCount: PairStateFile.blockByteCountMax, alignment: 16)
  private var records: [PairRecord] = []
  private var place = 0
  private var late: [[UInt8]: PairRecord] = [:]

  private init(_ descriptor: consuming Descriptor) { self.descriptor = descriptor }

  deinit { block.deallocate() }

  /// Nil when there is no file that can be used.
  package static func open(path: String, identity: [UInt8]) -> PairStateReader? {
    let raw = retryingOnInterrupt { Glibc.open(path, O_RDONLY | O_CLOEXEC) }
    guard raw >= 0 else { return nil }
    let reader = PairStateReader(Descriptor(owning: raw))
    return reader.start(identity) ? reader : nil
  }

  /// Reads all but the records in order.
  private func start(_ identity: [UInt8]) -> Bool {
    var status = stat()
    guard fstat(descriptor.raw, &status) == 0 else { return false }
    let footerOffset = Int64(status.st_size) - Int64(PairStateFile.footerByteCount)
    guard footerOffset >= offset, hasHeader(identity), let lateOffset = lateOffset(footerOffset),
      lateOffset >= offset, lateOffset <= footerOffset
    else { return false }
    (offset, endOffset) = (lateOffset, footerOffset)
    while offset < endOffset, late.count < PairStateWriter.lateCountMax, readBlock() {
      for record in records { late[record.key] = record }
    }
    (offset, endOffset) = (Int64(PairStateFile.headerByteCount), lateOffset)
    (records, place) = ([], 0)
    return true
  }

  /// The record of a key. Keys are asked for in the order of listings.
  package func record(of key: [UInt8]) -> PairRecord? {
    if !late.isEmpty, let record = late[key] { return record }
    while true {
      guard place < records.count else {
        guard offset < endOffset, readBlock() else { return nil }
        continue
      }
      if records[place].key == key { return records[place] }
      guard records[place].key.precedes(key) else { return nil }
      place += 1
    }
  }

  /// Keys that stand `spacing` records apart, for dividing a listing. They are hints: checksums are
  /// not looked at.
  package func marks(spacing: Int) -> [[UInt8]] {
    var marks: [[UInt8]] = []
    var (place, count) = (Int64(PairStateFile.headerByteCount), 0)
    while place < endOffset, let head = blockHead(at: place),
      let bytes = read(head.byteCount, at: place + 8)
    {
      var reader = ByteReader(bytes)
      while reader.remaining > 0, let key = PairCoding.nextKey(&reader) {
        count += 1
        if count.isMultiple(of: spacing) { marks.append(Array(key)) }
      }
      place += 8 + Int64(head.byteCount)
    }
    return marks
  }

  /// Nil when there is no block at that place.
  private func blockHead(at place: Int64) -> (byteCount: Int, checksum: UInt32)? {
    guard let head = read(8, at: place) else { return nil }
    let count = Int(head.loadUnaligned(as: UInt32.self).littleEndian)
    guard count > 0, count <= PairStateFile.blockByteCountMax, place + 8 + Int64(count) <= endOffset
    else { return nil }
    return (count, head.loadUnaligned(fromByteOffset: 4, as: UInt32.self).littleEndian)
  }

  private func hasHeader(_ identity: [UInt8]) -> Bool {
    guard let header = read(PairStateFile.headerByteCount, at: 0) else { return false }
    var expected = PairStateFile.magic
    withUnsafeBytes(of: PairStateFile.version.littleEndian) { expected += $0 }
    return header.starts(with: expected) && header.dropFirst(16).elementsEqual(identity)
  }

  private func lateOffset(_ footerOffset: Int64) -> Int64? {
    guard let footer = read(PairStateFile.footerByteCount, at: footerOffset),
      footer.dropFirst(16).elementsEqual(PairStateFile.endMagic)
    else { return nil }
    return Int64(exactly: footer.loadUnaligned(as: UInt64.self).littleEndian)
  }

  /// Fills `records` with those of the next block; false, and the end, when it is damaged.
  private func readBlock() -> Bool {
    (records, place) = ([], 0)
    let start = offset
    offset = endOffset
    guard let head = blockHead(at: start), let bytes = read(head.byteCount, at: start + 8),
      PairStateFile.checksum(bytes) == head.checksum
    else { return false }
    var reader = ByteReader(bytes)
    while reader.remaining > 0 {
      guard let record = PairCoding.next(&reader) else { return false }
      records.append(record)
    }
    offset = start + 8 + Int64(head.byteCount)
    return true
  }

  /// Bytes that are valid until the next call; nil when they are not there.
  private func read(_ count: Int, at offset: Int64) -> UnsafeRawBufferPointer? {
    let target = UnsafeMutableRawBufferPointer(rebasing: block[..<count])
    do throws(PlatformError) {
      guard try FileIO.read(descriptor.raw, into: target, at: offset) == count else { return nil }
    } catch {
      return nil
    }
    return UnsafeRawBufferPointer(target)
  }
}
