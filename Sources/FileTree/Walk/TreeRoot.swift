import Glibc
package import Platform

/// An open root directory; everything below it is reached through its descriptor and never leaves
/// it.
package final class TreeRoot: Sendable {
  package let path: String
  package let descriptor: Int32

  package init(path: String) throws(TreeError) {
    self.path = path
    let flags = O_RDONLY | O_DIRECTORY | O_CLOEXEC
    let raw = retryingOnInterrupt { open(path, flags) }
    guard raw >= 0 else { throw .system(.last("open"), path: Array(path.utf8)) }
    descriptor = raw
  }

  deinit { close(descriptor) }

  /// Opens a directory below the root for reading.
  package func openDirectory(_ path: [UInt8]) throws(TreeError) -> Descriptor {
    let raw = openRaw(path, flags: O_RDONLY | O_DIRECTORY | O_NONBLOCK)
    guard raw >= 0 else { throw .system(.last("openat2"), path: path) }
    return Descriptor(owning: raw)
  }

  /// Opens anything below the root without following links; negative and `errno` on failure.
  package func openRaw(_ path: [UInt8], flags: Int32) -> Int32 {
    guard !path.isEmpty else { return FileSystem.openBeneath(descriptor, ".", flags: flags) }
    return withUnsafeTemporaryAllocation(of: CChar.self, capacity: path.count + 1) { buffer in
      for index in path.indices { buffer[index] = CChar(bitPattern: path[index]) }
      buffer[path.count] = 0
      guard let base = buffer.baseAddress else { return -1 }
      return FileSystem.openBeneath(descriptor, base, flags: flags)
    }
  }
}
