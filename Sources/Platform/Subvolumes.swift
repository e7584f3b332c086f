import CPlatform
import Glibc

/// Subvolumes of btrfs. Results follow the C convention: negative and `errno`.
package enum Subvolumes {
  /// `BTRFS_SUPER_MAGIC` of statfs(2).
  private static let fileSystemType: Int64 = 0x9123_683e
  /// The inode of the root of every subvolume (`BTRFS_FIRST_FREE_OBJECTID`).
  private static let rootInode: UInt64 = 256

  /// Whether an open directory lies on btrfs.
  package static func areServed(at descriptor: Int32) -> Bool {
    drover_file_system_type(descriptor) == fileSystemType
  }

  /// Whether an open directory is the root of a subvolume.
  package static func isRoot(_ descriptor: Int32) -> Bool {
    var status = stat()
    guard fstat(descriptor, &status) == 0 else { return false }
    return UInt64(status.st_ino) == rootInode && areServed(at: descriptor)
  }

  /// Makes an empty one (`BTRFS_IOC_SUBVOL_CREATE`).
  package static func make(_ name: String, in directory: Int32) -> Int32 {
    retryingOnInterrupt { drover_btrfs_create(directory, name) }
  }

  /// Makes a writable snapshot of the subvolume that `source` is the root of
  /// (`BTRFS_IOC_SNAP_CREATE_V2`).
  package static func snapshot(_ source: Int32, as name: String, in directory: Int32) -> Int32 {
    retryingOnInterrupt { drover_btrfs_snapshot(directory, name, source) }
  }

  /// Makes an open one read-only, or writable (`BTRFS_IOC_SUBVOL_SETFLAGS`).
  package static func set(readOnly: Bool, _ descriptor: Int32) -> Int32 {
    retryingOnInterrupt { drover_btrfs_set_read_only(descriptor, readOnly ? 1 : 0) }
  }

  /// Removes one with all that is in it (`BTRFS_IOC_SNAP_DESTROY`); root only, or with the mount
  /// option `user_subvol_rm_allowed`.
  package static func remove(_ name: String, in directory: Int32) -> Int32 {
    retryingOnInterrupt { drover_btrfs_destroy(directory, name) }
  }
}

extension FileSystem {
  /// Whether an open directory is the root of a mount (`statx`).
  package static func isMountRoot(_ descriptor: Int32) -> Bool {
    drover_is_mount_root(descriptor) == 1
  }
}
