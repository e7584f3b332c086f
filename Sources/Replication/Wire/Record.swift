import FileTree
import Pipelines

/// The header of a record on the wire, 12 bytes, little-endian.
///
/// | offset | size | meaning |
/// |---|---|---|
/// | 0 | 4 | bytes that follow |
/// | 4 | 4 | bytes after decompression |
/// | 8 | 1 | lane: 0 control, 1… data |
/// | 9 | 1 | encoding: 0 as it is, 1 the lane's zstd stream |
/// | 10 | 2 | zero |
struct RecordHeader {
  static let size = 12

  var wireSize: Int
  var rawSize: Int
  var lane: Int
  var isCompressed: Bool

  init(wireSize: Int, rawSize: Int, lane: Int, isCompressed: Bool) {
    self.wireSize = wireSize
    self.rawSize = rawSize
    self.lane = lane
    self.isCompressed = isCompressed
  }

  func encode(into out: UnsafeMutableRawPointer) {
    var writer = PointerWriter(out)
    writer.put(UInt32(wireSize))
    writer.put(UInt32(rawSize))
    writer.put(UInt8(lane))
    writer.put(UInt8(isCompressed ? 1 : 0))
    writer.put(UInt16(0))
  }

  init(decoding bytes: UnsafeRawBufferPointer) throws {
    var reader = ByteReader(bytes)
    wireSize = Int(try reader.u32())
    rawSize = Int(try reader.u32())
    lane = Int(try reader.u8())
    let encoding = try reader.u8()
    let reserved = try reader.u16()
    guard reserved == 0, encoding <= 1 else { throw ReplicationError.violation("record header") }
    isCompressed = encoding == 1
    guard rawSize > 0, rawSize <= WireLimits.recordSizeMax, wireSize > 0,
      wireSize <= WireLimits.recordWireSizeMax, isCompressed || wireSize == rawSize
    else {
      throw ReplicationError.violation("a record of \(wireSize) bytes, \(rawSize) unpacked")
    }
  }
}

/// A record on its way: its bytes as they are on the wire, without the header.
struct Record: Sendable {
  var lane: Int
  var isCompressed: Bool
  var rawSize: Int
  var buffer: PooledBuffer
}

/// One frame of a record; `body` is borrowed from the record.
struct Frame {
  var type: FrameType
  var body: UnsafeRawBufferPointer
}

/// Walks the frames of an unpacked record of unknown origin.
struct FrameIterator {
  private let record: UnsafeRawBufferPointer
  private var offset = 0

  init(_ record: UnsafeRawBufferPointer) { self.record = record }

  mutating func next() throws -> Frame? {
    if offset == record.count { return nil }
    guard record.count - offset >= 4 else { throw ReplicationError.violation("frame cut short") }
    let head = UInt32(littleEndian: record.loadUnaligned(fromByteOffset: offset, as: UInt32.self))
    let count = Int(head & 0xff_ffff)
    guard let type = FrameType(rawValue: UInt8(head >> 24)) else {
      throw ReplicationError.violation("unknown frame type \(head >> 24)")
    }
    offset += 4
    guard record.count - offset >= count else {
      throw ReplicationError.violation("frame of \(count) bytes in a record with less")
    }
    defer { offset += count }
    return Frame(
      type: type, body: UnsafeRawBufferPointer(rebasing: record[offset..<offset + count]))
  }
}
