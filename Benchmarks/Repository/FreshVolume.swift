import Glibc
import Platform

/// A new ext4 in a file, mounted through a loop device; gone with ``remove()``.
///
/// ext4 hands out inodes very slowly for half a minute after many were freed nearby, whichever
/// program asks. Files that are made here never meet that.
struct FreshVolume {
  /// Room for the journal and the tables.
  private static let reserveBytes = 1 << 30
  /// Small enough that a tree of small files does not run out of inodes.
  private static let bytesPerInode = 4096

  let path: String
  private let file: String

  /// Makes room for `byteCount` bytes of files. Needs root.
  init(in work: String, byteCount: Int) throws {
    path = "\(work)/volume"
    file = "\(work)/volume.ext4"
    try FreshVolume.removeLeftover(path: path, file: file)
    try runCommand(["mkdir", "-p", path])
    let size = byteCount + byteCount / 2 + FreshVolume.reserveBytes
    try runCommand(["truncate", "-s", String(size), file])
    // Tables that are written later would be written while a restore is measured.
    try runCommand([
      "mkfs.ext4", "-q", "-F", "-i", String(FreshVolume.bytesPerInode), "-E",
      "lazy_itable_init=0,lazy_journal_init=0,nodiscard", file,
    ])
    try runCommand(["mount", "-o", "loop", file, path])
  }

  func remove() throws {
    try runCommand(["umount", path])
    unlink(file)
    rmdir(path)
  }

  /// What a benchmark that was killed has left mounted.
  private static func removeLeftover(path: String, file: String) throws {
    if try ChildProcess.capture(["cat", "/proc/mounts"]).contains(" \(path) ") {
      try runCommand(["umount", path])
    }
    unlink(file)
  }
}
