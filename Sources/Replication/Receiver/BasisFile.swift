import FileTree
import Glibc
import Platform

/// What stands where a file or volume is to come, and is read to rebuild it. Shared by the
/// signature thread and the lanes.
final class BasisFile: Sendable {
  let descriptor: SharedDescriptor
  /// As it was when it was opened.
  let status: stat
  private let sparse: SparseFile?

  /// A file that may be changed by others, and has holes or not.
  /// - Throws: `ESTALE` when it is no regular file of at least `sizeBytesMin`.
  init(_ descriptor: SharedDescriptor, sizeBytesMin: Int64, name: [UInt8]) throws(PlatformError) {
    var status = stat()
    guard fstat(descriptor.raw, &status) == 0, status.st_mode & S_IFMT == S_IFREG,
      Int64(status.st_size) >= sizeBytesMin
    else {
      throw PlatformError("fstat", printable(name), errno: ESTALE)
    }
    self.descriptor = descriptor
    self.status = status
    sparse = SparseFile.hasHoles(status) ? SparseFile(descriptor: descriptor.raw) : nil
    sparse?.readAheadOfDataOnly()
  }

  /// A device or image.
  init(volume descriptor: SharedDescriptor) {
    self.descriptor = descriptor
    status = stat()
    sparse = nil
  }

  /// Whether the content is still what it was at the opening, as far as size and time tell.
  var isUnchanged: Bool {
    var now = stat()
    return fstat(descriptor.raw, &now) == 0 && now.st_size == status.st_size
      && now.st_mtim.tv_sec == status.st_mtim.tv_sec
      && now.st_mtim.tv_nsec == status.st_mtim.tv_nsec
  }

  /// Gives less than asked for only at the end.
  func read(
    into buffer: UnsafeMutableRawBufferPointer, at offset: Int64
  ) throws(PlatformError) -> Int {
    guard let sparse else { return try FileIO.read(descriptor.raw, into: buffer, at: offset) }
    return try sparse.read(into: buffer, at: offset)
  }

  /// The next range of data at or behind `offset`; empty at `end` when only a hole is left.
  func data(from offset: Int64, end: Int64) -> Range<Int64> {
    guard let sparse else { return offset..<max(offset, end) }
    guard offset < end, let run = sparse.data(from: offset) else { return end..<end }
    return run.clamped(to: offset..<end)
  }
}
