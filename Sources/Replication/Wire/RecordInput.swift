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
      let first = try stream.read(into: bytes)
      if first == 0 { return nil }
      try fill(UnsafeMutableRawBufferPointer(rebasing: bytes[first...]))
      return try RecordHeader(decoding: UnsafeRawBufferPointer(bytes))
    }
  }

  /// Reads the record's bytes into `buffer`.
  func readBody(_ header: RecordHeader, into buffer: PooledBuffer) throws {
    try fill(UnsafeMutableRawBufferPointer(rebasing: buffer.bytes[..<header.wireSize]))
    buffer.count = header.wireSize
  }

  func fill(_ buffer: UnsafeMutableRawBufferPointer) throws {
    var done = 0
    while done < buffer.count {
      let count = try stream.read(into: UnsafeMutableRawBufferPointer(rebasing: buffer[done...]))
      guard count > 0 else { throw ReplicationError.violation("the stream ended inside a record") }
      done += count
    }
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
