import CPlatform
import Glibc

/// Linux file calls that Glibc's module does not show. Names and paths are NUL-terminated bytes;
/// results follow the C convention of the call (negative and `errno`), so that callers on hot paths
/// decide without throwing.
package enum FileSystem {
  package static let openPath: Int32 = DROVER_O_PATH
  package static let openNoAccessTime: Int32 = DROVER_O_NOATIME
  package static let openDirectory: Int32 = DROVER_O_DIRECTORY
  package static let openDirect: Int32 = DROVER_O_DIRECT
  package static let openNoFollow: Int32 = DROVER_O_NOFOLLOW
  package static let openCloseOnExec: Int32 = DROVER_O_CLOEXEC
  package static let atNoFollow: Int32 = DROVER_AT_SYMLINK_NOFOLLOW
  package static let atRemoveDirectory: Int32 = DROVER_AT_REMOVEDIR
  package static let atEmptyPath: Int32 = DROVER_AT_EMPTY_PATH

  /// `openat2(2)` with RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS: nothing
  /// outside `directory` can be reached, whatever stands in the tree.
  package static func openBeneath(
    _ directory: Int32, _ path: UnsafePointer<CChar>, flags: Int32
  ) -> Int32 {
    retryingOnInterrupt {
      drover_openat2(
        directory, path, UInt64(UInt32(bitPattern: flags | DROVER_O_CLOEXEC)), 0,
        DROVER_RESOLVE_BENEATH | DROVER_RESOLVE_NO_SYMLINKS | DROVER_RESOLVE_NO_MAGICLINKS)
    }
  }

  /// `getdents64(2)`.
  package static func readDirectory(
    _ directory: Int32, into buffer: UnsafeMutableRawBufferPointer
  ) -> Int {
    retryingOnInterrupt { drover_getdents64(directory, buffer.baseAddress, buffer.count) }
  }

  /// Gives the calling thread a working directory of its own (`unshare(CLONE_FS)`).
  package static func detachWorkingDirectory() -> Bool { drover_unshare_fs() == 0 }

  package static func openUnnamed(in directory: Int32, mode: UInt32) -> Int32 {
    drover_open_tmpfile(directory, ".", Int32(mode))
  }

  /// Gives a file or directory another path that nothing has yet (`renameat2`, RENAME_NOREPLACE).
  package static func renameNew(_ path: String, to new: String) -> Int32 {
    drover_renameat2(AT_FDCWD, path, AT_FDCWD, new, DROVER_RENAME_NOREPLACE)
  }

  /// `syncfs(2)`.
  package static func synchronize(_ descriptor: Int32) -> Int32 { drover_syncfs(descriptor) }

  package static func punchHole(_ descriptor: Int32, offset: Int64, length: Int64) -> Int32 {
    retryingOnInterrupt { drover_fallocate_punch(descriptor, offset, length) }
  }

  package static func seekData(_ descriptor: Int32, from offset: Int64) -> Int64 {
    drover_seek_data(descriptor, offset)
  }

  package static func seekHole(_ descriptor: Int32, from offset: Int64) -> Int64 {
    drover_seek_hole(descriptor, offset)
  }

  /// Starts writing dirty pages of a range to the disk, without waiting.
  package static func startWriteback(_ descriptor: Int32, offset: Int64, length: Int64) {
    _ = drover_sync_file_range_start(descriptor, offset, length)
  }

  /// Lets go of the clean pages of a file.
  package static func forgetPages(_ descriptor: Int32) {
    _ = drover_fadvise_dontneed(descriptor, 0, 0)
  }

  package static func adviseSequential(_ descriptor: Int32) {
    _ = drover_fadvise_sequential(descriptor)
  }

  /// Makes a file share all extents of another (`FICLONE`); false, with `errno`, where the file
  /// system cannot. XFS, btrfs and NFS 4.2 can.
  package static func clone(_ source: Int32, to target: Int32) -> Bool {
    retryingOnInterrupt { drover_ficlone(target, source) } == 0
  }

  /// Size of a block device in bytes (`BLKGETSIZE64`); nil with `errno` when it is none.
  package static func blockDeviceSize(_ descriptor: Int32) -> Int64? {
    var size: UInt64 = 0
    guard drover_block_device_size(descriptor, &size) == 0 else { return nil }
    return Int64(clamping: size)
  }

  /// Zeroes a range of a block device (`BLKZEROOUT`).
  package static func zeroBlocks(_ descriptor: Int32, offset: Int64, length: Int64) -> Int32 {
    drover_block_zero(descriptor, UInt64(offset), UInt64(length))
  }

  package static func makeDevice(major: UInt32, minor: UInt32) -> UInt64 {
    drover_makedev(major, minor)
  }
  package static func major(of device: UInt64) -> UInt32 { drover_major(device) }
  package static func minor(of device: UInt64) -> UInt32 { drover_minor(device) }
}

extension FileSystem {
  /// When a file was made (`statx`); nil when its file system does not tell.
  package static func birthTime(_ descriptor: Int32) -> WallTime? {
    var seconds: Int64 = 0
    var nanoseconds: UInt32 = 0
    guard drover_birth_time(descriptor, &seconds, &nanoseconds) == 1 else { return nil }
    return WallTime(seconds: seconds, nanoseconds: Int32(nanoseconds))
  }
}

/// Extended attribute calls; paths are not followed at their end.
package enum ExtendedAttributes {
  package static func list(
    _ path: UnsafePointer<CChar>, into buffer: UnsafeMutableRawBufferPointer
  ) -> Int {
    drover_llistxattr(path, buffer.baseAddress?.assumingMemoryBound(to: CChar.self), buffer.count)
  }

  package static func get(
    _ path: UnsafePointer<CChar>, _ name: UnsafePointer<CChar>,
    into buffer: UnsafeMutableRawBufferPointer
  ) -> Int {
    drover_lgetxattr(path, name, buffer.baseAddress, buffer.count)
  }

  package static func set(
    _ path: UnsafePointer<CChar>, _ name: UnsafePointer<CChar>, _ value: UnsafeRawBufferPointer
  ) -> Int32 {
    drover_lsetxattr(path, name, value.baseAddress, value.count)
  }

  package static func remove(
    _ path: UnsafePointer<CChar>, _ name: UnsafePointer<CChar>
  ) -> Int32 {
    drover_lremovexattr(path, name)
  }

  package static func list(
    _ descriptor: Int32, into buffer: UnsafeMutableRawBufferPointer
  ) -> Int {
    drover_flistxattr(
      descriptor, buffer.baseAddress?.assumingMemoryBound(to: CChar.self), buffer.count)
  }

  package static func get(
    _ descriptor: Int32, _ name: UnsafePointer<CChar>,
    into buffer: UnsafeMutableRawBufferPointer
  ) -> Int {
    drover_fgetxattr(descriptor, name, buffer.baseAddress, buffer.count)
  }

  package static func set(
    _ descriptor: Int32, _ name: UnsafePointer<CChar>, _ value: UnsafeRawBufferPointer
  ) -> Int32 {
    drover_fsetxattr(descriptor, name, value.baseAddress, value.count)
  }

  package static func remove(_ descriptor: Int32, _ name: UnsafePointer<CChar>) -> Int32 {
    drover_fremovexattr(descriptor, name)
  }
}
