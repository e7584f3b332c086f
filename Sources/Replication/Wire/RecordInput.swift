import Compression
import Pipelines
import Platform
import Transport

/// Reads whole records from a stream.
struct RecordInput {
  private let stream: any ByteStream

  init(stream: any ByteStream) { self.stream = stream }

  /// The next header, or nil at the peer's clean end between two records.
  func readHeader() throws -> RecordHeader? {
    try withUnsafeTemporaryAllocation(byteCount: RecordHeader.size, alignment: 8) { bytes in
      guard try fill(bytes, orEnd: true) else { return nil }
      return try RecordHeader(decoding: UnsafeRawBufferPointer(bytes))
    }
  }

  /// Reads the record's bytes into `buffer`.
  func readBody(_ header: RecordHeader, into buffer: PooledBuffer) throws {
    try fill(UnsafeMutableRawBufferPointer(rebasing: buffer.bytes[..<header.wireSize]))
    buffer.count = header.wireSize
  }

  /// Fills `buffer`. False, with nothing read, at the peer's end when that may come here.
  @discardableResult
  func fill(_ buffer: UnsafeMutableRawBufferPointer, orEnd mayEnd: Bool = false) throws -> Bool {
    var done = 0
    while done < buffer.count {
      let count = try stream.read(into: UnsafeMutableRawBufferPointer(rebasing: buffer[done...]))
      if count == 0, done == 0, mayEnd { return false }
      guard count > 0 else { throw ReplicationError.peerGone(phase: "in the middle of a message") }
      done += count
    }
    return true
  }
}

/// Unpacks the records of one lane. Confined to one thread.
final class LaneUnpacker {
  private var stream: ZstdStreamDecompressor
  private let buffer = UnsafeMutableRawBufferPointer.allocate(
    byteCount: WireLimits.recordSizeMax, alignment: 4096)

  init() throws { stream = try ZstdStreamDecompressor() }

  deinit { buffer.deallocate() }

  /// The record's frames; borrowed until the next call or the return of the record's buffer.
  func unpack(_ record: Record) throws -> UnsafeRawBufferPointer {
    guard record.isCompressed else { return record.buffer.filled }
    let count = try stream.decompress(record.buffer.filled, into: buffer)
    guard count == record.rawSize else { throw ReplicationError.violation("record size") }
    return UnsafeRawBufferPointer(rebasing: buffer[..<count])
  }
}
