import Glibc
import Platform

extension VolumeBinder {
  /// What lies at `path`; symlinks are followed, as a mount would. Calls `stat`.
  func form(of path: String, owner: String) throws(VolumeError) -> BoundVolume.Form {
    var status = stat()
    guard stat(path, &status) == 0 else {
      let error = PlatformError.last("stat", path)
      if error.errno == ENOENT { throw .missing(path: path, owner: owner) }
      throw .inaccessible(error, owner: owner)
    }
    switch status.st_mode & S_IFMT {
    case S_IFDIR: return .directory
    case S_IFBLK: return .blockDevice
    case S_IFREG: return .rawImage
    default:
      throw .wrongType(
        path: path, owner: owner, found: "something else",
        wanted: "a directory, block device or image")
    }
  }

  /// Makes the last directory of the path when it is missing. Calls `mkdir`.
  func createDirectory(_ path: String, owner: String) throws(VolumeError) {
    guard mkdir(path, 0o755) != 0, errno != EEXIST else { return }
    throw .inaccessible(PlatformError.last("mkdir", path), owner: owner)
  }
}

extension BoundVolume {
  /// Whether anything stands at the path.
  package var isThere: Bool { access(path, F_OK) == 0 }
}
