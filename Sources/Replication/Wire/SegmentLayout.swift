import DeltaCoding
import FileTree

/// The ranges of one segment of a file that travels as a delta. Both ends derive it from the size
/// in the listing and the size of the basis.
struct SegmentLayout {
  /// Segments of one file: 2^21 of 32 MiB are 64 TiB.
  static let countMax: UInt32 = 1 << 21

  /// Largest file that goes in segments; more than any Linux file system holds in one file.
  static let sizeBytesMax = Int64(countMax) * Int64(Granularity.segmentSize)

  /// In place of a segment's number: the whole file, without a delta.
  static let wholeFile: UInt32 = .max

  let segment: UInt32
  /// Offsets in the file.
  let start: Int64
  let end: Int64
  /// Bytes of the basis at and behind `start`, within the segment.
  let basisSize: Int

  init(sizeBytes: Int64, basisSizeBytes: Int64, segment: UInt32) throws {
    let start = Int64(segment) * Int64(Granularity.segmentSize)
    guard segment < SegmentLayout.countMax, start < sizeBytes, basisSizeBytes >= 0 else {
      throw ReplicationError.violation("a segment behind the end of its file")
    }
    self.segment = segment
    self.start = start
    end = min(start + Int64(Granularity.segmentSize), sizeBytes)
    basisSize = Int(max(0, min(end, basisSizeBytes) - start))
  }

  init(file: SenderFile, segment: UInt32) throws {
    try self.init(
      sizeBytes: file.entry.size, basisSizeBytes: file.basisSizeBytes, segment: segment)
  }

  /// Segments of a file of at most ``sizeBytesMax``.
  static func count(sizeBytes: Int64) -> UInt32 {
    let size = Int64(Granularity.segmentSize)
    return UInt32((sizeBytes + size - 1) / size)
  }

  var size: Int { Int(end - start) }
  var blockCount: Int { Granularity.blockCount(size) }
  var basisBlockCount: Int { Granularity.blockCount(basisSize) }

  /// Bytes of page sums for the blocks of the basis that are not all zero.
  func sumsSize(zeroBlocks: [UInt8]) -> Int {
    var pages = 0
    for block in 0..<basisBlockCount where !zeroBlocks.hasBit(block) {
      pages += Granularity.pageCount(
        min(Granularity.blockSize, basisSize - block * Granularity.blockSize))
    }
    return pages * Granularity.pageSumLength
  }
}

extension [UInt8] {
  func hasBit(_ index: Int) -> Bool { self[index >> 3] & (1 << UInt8(index & 7)) != 0 }
  mutating func setBit(_ index: Int) { self[index >> 3] |= 1 << UInt8(index & 7) }
}
