import FileTree
import Glibc
import Platform

/// Whether there is room for a copy before it is begun.
package enum SpaceCheck {
  /// Bytes that a volume's files take on the disk.
  static func usedBytes(of volume: BoundVolume) throws(VolumeError) -> UInt64 {
    let work = Thread("size") { () -> Result<UInt64, VolumeError> in
      Result { () throws(VolumeError) in try measure(volume) }
    }
    do {
      return try work.join().get()
    } catch let error as VolumeError {
      throw error
    } catch {
      preconditionFailure("a measurement throws errors of volumes only")
    }
  }

  /// The sizes of all files, but no more than the whole file system holds: files may have holes.
  private static func measure(_ volume: BoundVolume) throws(VolumeError) -> UInt64 {
    guard volume.form == .directory else { return try fileBytes(volume.path) }
    var total: UInt64 = 0
    do throws(TreeError) {
      var options = WalkOptions()
      options.oneFileSystem = true
      // What cannot be read is found when it is copied.
      let walk = TreeWalk(root: try TreeRoot(path: volume.path), options: options) { _ in }
      while let listing = try walk.next() {
        for entry in listing.entries where entry.kind == .regular && entry.linkPath.count == 0 {
          total += UInt64(clamping: entry.size)
        }
      }
    } catch {
      throw .copyTree(volume: volume.path, error)
    }
    var status = statvfs()
    guard statvfs(volume.path, &status) == 0 else { return total }
    return min(total, UInt64(status.f_blocks - status.f_bfree) * UInt64(status.f_frsize))
  }

  /// Bytes of data of an image, without holes; the size of a device.
  private static func fileBytes(_ path: String) throws(VolumeError) -> UInt64 {
    let raw = retryingOnInterrupt { open(path, O_RDONLY | O_CLOEXEC) }
    guard raw >= 0 else { throw .copy(path, .last("open", path)) }
    let descriptor = Descriptor(owning: raw)
    if let size = FileSystem.blockDeviceSize(descriptor.raw) { return UInt64(clamping: size) }
    var status = stat()
    guard fstat(descriptor.raw, &status) == 0 else { throw .copy(path, .last("fstat", path)) }
    return UInt64(clamping: min(Int64(status.st_blocks) * 512, Int64(status.st_size)))
  }

  /// Bytes that the file system of a path has free for its user (`statvfs`).
  package static func freeBytes(at path: String) throws(VolumeError) -> UInt64 {
    var status = statvfs()
    guard statvfs(path, &status) == 0 else { throw .copy(path, .last("statvfs", path)) }
    return UInt64(status.f_bavail) * UInt64(status.f_frsize)
  }

  static func require(_ needed: UInt64, of volume: String, at path: String) throws(VolumeError) {
    let free = try freeBytes(at: path)
    guard needed <= free else {
      throw .noSpace(volume: volume, neededBytes: needed, freeBytes: free, path: path)
    }
  }
}
