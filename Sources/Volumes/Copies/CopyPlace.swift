import FileTree
import Glibc
import Platform

/// The directory in which copies and images of a volume stand: on the volume's own file system,
/// where they can share its extents.
///
/// ```
/// <copy>          a directory, subvolume or file
/// <copy>.making   what it is, locked by the process that makes or uses it: without its holder, it
///                 is left over
/// <image>.image   what a replica image is that is complete
/// <image>.image-new  the same while it is written
/// ```
package struct CopyPlace: Sendable, Hashable {
  /// Beside a volume, or within one that is the root of a file system. A walk of a volume, and a
  /// replica's deletions, leave a directory of this name alone.
  package static let name = ".drover-copies"
  /// So that names of places with a namespace and a suffix are names of files.
  private static let nameSizeBytesMax = 200

  package let path: String
  /// Whether it lies within the volume.
  package let isInside: Bool

  package init(path: String, isInside: Bool = false) {
    self.path = path
    self.isInside = isInside
  }

  /// The place for a volume; `root` is what the class of its snapshots says.
  package init(for volume: BoundVolume, root: String?) throws(VolumeError) {
    if let root {
      self.init(path: root)
      return
    }
    guard let resolved = realpath(volume.path, nil) else {
      throw .copy(volume.path, PlatformError.last("realpath", volume.path))
    }
    defer { free(resolved) }
    let path = String(cString: resolved)
    let raw = Glibc.open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)
    guard raw >= 0 else { throw .copy(volume.path, PlatformError.last("open", path)) }
    let descriptor = Descriptor(owning: raw)
    if volume.form == .directory, path == "/" || FileSystem.isMountRoot(descriptor.raw) {
      self.init(path: "\(path == "/" ? "" : path)/\(CopyPlace.name)", isInside: true)
    } else {
      let parent = path[..<(path.lastIndex(of: "/") ?? path.startIndex)]
      self.init(path: "\(parent)/\(CopyPlace.name)")
    }
  }

  /// Makes the directory, in which others may enter what they know and may read. Calls `mkdir`.
  package func make() throws(VolumeError) {
    if mkdir(path, 0o711) != 0, errno != EEXIST {
      throw .copy(path, PlatformError.last("mkdir", path))
    }
    var status = stat()
    guard lstat(path, &status) == 0 else { throw .copy(path, PlatformError.last("lstat", path)) }
    guard status.st_mode & S_IFMT == S_IFDIR, status.st_uid == geteuid(),
      status.st_mode & 0o022 == 0
    else { throw .place(path: path) }
  }

  /// The name of what belongs to an object of a namespace: of each another.
  package static func name(_ name: String, in namespace: String?) -> String {
    let full = "\(namespace ?? "default").\(name)"
    guard full.utf8.count > nameSizeBytesMax else { return full }
    let hash = full.utf8.reduce(0xcbf2_9ce4_8422_2325 as UInt64) {
      ($0 ^ UInt64($1)) &* 0x100_0000_01b3
    }
    return "\(full.prefix(nameSizeBytesMax - 20))-\(hash)"
  }

  func path(of name: String) -> String { "\(path)/\(name)" }

  /// An open descriptor of the place.
  func open() throws(VolumeError) -> Descriptor {
    let raw = retryingOnInterrupt { [path] in
      Glibc.open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
    }
    guard raw >= 0 else { throw .copy(path, PlatformError.last("open", path)) }
    return Descriptor(owning: raw)
  }
}
