import Glibc

extension FileIO {
  /// Offset, length and memory of direct writes: the largest logical block of disks in use.
  package static let directAlignment = 4096

  /// A second descriptor of an open file for writes past the page cache (`O_DIRECT`); negative
  /// where that cannot be had.
  package static func openDirectly(_ descriptor: Int32) -> Int32 {
    let flags = O_WRONLY | O_CLOEXEC | FileSystem.openDirect
    return retryingOnInterrupt { open("/proc/self/fd/\(descriptor)", flags) }
  }

  /// Writes past the page cache what stands aligned in memory and in the file, and the rest as
  /// usual; all of it as usual where the file system refuses.
  ///
  /// Large files that nobody will read soon displace nothing in memory that way, and are on the
  /// disk when the call returns.
  package static func writeDirectly(
    _ descriptor: Int32, direct: Int32, _ bytes: UnsafeRawBufferPointer, at offset: Int64
  ) throws(PlatformError) {
    let isAligned =
      Int(bitPattern: bytes.baseAddress).isMultiple(of: directAlignment)
      && offset.isMultiple(of: Int64(directAlignment))
    var done = 0
    if direct >= 0, isAligned {
      let whole = bytes.count / directAlignment * directAlignment
      do throws(PlatformError) {
        try write(direct, UnsafeRawBufferPointer(rebasing: bytes[..<whole]), at: offset)
        done = whole
      } catch {
        guard error.errno == EINVAL || error.errno == EOPNOTSUPP else { throw error }
      }
    }
    try write(
      descriptor, UnsafeRawBufferPointer(rebasing: bytes[done...]), at: offset + Int64(done))
  }
}
