import Glibc

/// Small files that are whole at any moment, whatever happens to the machine.
package enum DurableFile {
  /// Names of files under way start with this; one that is found later is left over.
  package static let temporaryPrefix = ".tmp-"

  /// Replaces or makes a file: written aside, made durable, renamed, and the rename made durable.
  ///
  /// Calls `open`, `write`, `fsync`, `rename`. `mode` is cut by the umask. `asideName` is for a
  /// directory that nobody clears of ``temporaryPrefix``: by it, the one writer of the file removes
  /// what an earlier one has left.
  package static func replace(
    _ name: String, in directory: String, with bytes: [UInt8], mode: UInt32,
    asideName: String = temporaryPrefix + hex(SecureRandom.bytes(8))
  ) throws(PlatformError) {
    let aside = "\(directory)/\(asideName)"
    do throws(PlatformError) {
      try write(bytes, toNew: aside, mode: mode)
      let path = "\(directory)/\(name)"
      guard rename(aside, path) == 0 else { throw PlatformError.last("rename", path) }
    } catch {
      unlink(aside)
      throw error
    }
    try synchronizeDirectory(directory)
  }

  private static func write(
    _ bytes: [UInt8], toNew path: String, mode: UInt32
  ) throws(PlatformError) {
    let raw = retryingOnInterrupt { open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode) }
    guard raw >= 0 else { throw .last("open", path) }
    let descriptor = Descriptor(owning: raw)
    try SmallFile.write(bytes, to: descriptor.raw, subject: path)
    guard retryingOnInterrupt({ fsync(descriptor.raw) }) == 0 else { throw .last("fsync", path) }
  }

  /// Makes durable which names stand in a directory.
  package static func synchronizeDirectory(_ path: String) throws(PlatformError) {
    let raw = retryingOnInterrupt { open(path, O_RDONLY | O_CLOEXEC) }
    guard raw >= 0 else { throw .last("open", path) }
    let descriptor = Descriptor(owning: raw)
    guard retryingOnInterrupt({ fsync(descriptor.raw) }) == 0 else { throw .last("fsync", path) }
  }

  /// The names in a directory but `.` and `..`, sorted; at most `countMax` of them.
  package static func names(
    in path: String, countMax: Int
  ) throws(PlatformError) -> [String] {
    guard let directory = opendir(path) else { throw .last("opendir", path) }
    defer { closedir(directory) }
    // The record is as long as its name: it is not copied at the length of its type.
    let nameOffset = MemoryLayout<dirent>.offset(of: \dirent.d_name) ?? 0
    var names: [String] = []
    while let entry = readdir(directory) {
      let name = String(
        cString: UnsafeRawPointer(entry).advanced(by: nameOffset)
          .assumingMemoryBound(to: CChar.self))
      if name == "." || name == ".." { continue }
      guard names.count < countMax else {
        throw PlatformError("readdir", path, errno: E2BIG)
      }
      names.append(name)
    }
    return names.sorted()
  }
}
