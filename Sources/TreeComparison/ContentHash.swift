package import Cryptography
import FileTree
import Glibc
package import Platform

/// Reads files and devices and hashes what is in them by SHA-256, holes as zeros without reading
/// them. Confined to one thread; reuses its buffers.
package final class ContentHash {
  /// Large enough to hide the cost of a call, small enough for the second-level cache.
  static let bufferSizeBytes = 256 << 10

  private var hash: SHA256
  private let buffer = UnsafeMutableRawBufferPointer.allocate(
    byteCount: ContentHash.bufferSizeBytes, alignment: 4096)
  private let zeros = UnsafeMutableRawBufferPointer.allocate(
    byteCount: ContentHash.bufferSizeBytes, alignment: 4096)

  package init() throws(CryptographyError) {
    hash = try SHA256()
    zeros.initializeMemory(as: UInt8.self, repeating: 0)
  }

  deinit {
    buffer.deallocate()
    zeros.deallocate()
  }

  /// The digest of the bytes of an open file up to `sizeBytes`. `each` sees every piece, of at most
  /// ``bufferSizeBytes`` and of exactly that but for the last, in order.
  ///
  /// - Throws: ``PlatformError`` of a read; `EIO` when the file ends before `sizeBytes`.
  package func digest(
    _ descriptor: Int32, sizeBytes: Int64, isSparse: Bool,
    each: (UnsafeRawBufferPointer) throws(PlatformError) -> Void = { _ in }
  ) throws(PlatformError) -> [UInt8] {
    hash.reset()
    var offset: Int64 = 0
    // The next run of data at or after `offset`; what lies before it is a hole.
    var dataStart: Int64 = 0
    var dataEnd: Int64 = isSparse ? 0 : .max
    while offset < sizeBytes {
      let count = Int(min(Int64(ContentHash.bufferSizeBytes), sizeBytes - offset))
      if offset >= dataEnd {
        (dataStart, dataEnd) = ContentHash.data(descriptor, from: offset)
      }
      let piece: UnsafeRawBufferPointer
      if dataStart >= offset + Int64(count) {
        piece = UnsafeRawBufferPointer(rebasing: zeros[..<count])
      } else {
        let target = UnsafeMutableRawBufferPointer(rebasing: buffer[..<count])
        let done = try FileIO.read(descriptor, into: target, at: offset)
        guard done == count else { throw PlatformError("pread", "", errno: EIO) }
        piece = UnsafeRawBufferPointer(target)
      }
      hash.update(piece)
      try each(piece)
      offset += Int64(count)
    }
    return hash.finish()
  }

  /// The first run of data at or after an offset. After the last there is a hole to the end.
  private static func data(
    _ descriptor: Int32, from offset: Int64
  ) -> (start: Int64, end: Int64) {
    let start = FileSystem.seekData(descriptor, from: offset)
    // ENXIO: a hole to the end. Any other failure: nothing is known of holes, so all is read.
    guard start >= 0 else { return (errno == ENXIO ? .max : offset, .max) }
    let end = FileSystem.seekHole(descriptor, from: start)
    return (start, end < 0 ? .max : end)
  }
}
