import FileTree
import Glibc
package import Platform

/// A block device or raw image that is rewritten in place, behind an undo journal.
final class VolumeTarget: Sendable {
  let path: String
  let descriptor: SharedDescriptor
  let isDevice: Bool
  let sizeBytes: Int64
  let sourceSizeBytes: Int64
  let undo: UndoPlace

  private init(
    path: String, descriptor: SharedDescriptor, isDevice: Bool, sizeBytes: Int64,
    sourceSizeBytes: Int64, undo: UndoPlace
  ) {
    self.path = path
    self.descriptor = descriptor
    self.isDevice = isDevice
    self.sizeBytes = sizeBytes
    self.sourceSizeBytes = sourceSizeBytes
    self.undo = undo
  }

  static func open(
    _ options: ReceiveOptions, sizeBytes source: Int64, _ greeting: SenderGreeting
  ) throws -> VolumeTarget {
    let path = options.root
    func failure(_ reason: String) -> ReplicationError { .root(path: path, reason: reason) }
    let create = greeting.flags.contains(.dryRun) ? 0 : O_CREAT
    let flags = O_RDWR | O_CLOEXEC | create
    let raw = retryingOnInterrupt { Glibc.open(path, flags, 0o600) }
    guard raw >= 0 else {
      throw failure(
        errno == EISDIR
          ? "a directory, but the source is a volume" : PlatformError.reason(of: errno))
    }
    let descriptor = SharedDescriptor(owning: raw)
    var status = stat()
    guard fstat(raw, &status) == 0 else { throw failure(PlatformError.reason(of: errno)) }
    let size: Int64
    let isDevice = status.st_mode & S_IFMT == S_IFBLK
    switch status.st_mode & S_IFMT {
    case S_IFREG: size = Int64(status.st_size)
    case S_IFBLK:
      guard let found = FileSystem.blockDeviceSize(raw) else {
        throw failure(PlatformError.reason(of: errno))
      }
      size = found
      guard size >= source else {
        throw failure("the device has \(size) bytes, the source \(source): it does not fit")
      }
    default: throw failure("neither a block device nor an image")
    }
    if source == 0, size > 0, !greeting.flags.contains(.allowEmptySource) {
      throw ReplicationError.emptySource(root: "the source")
    }
    return VolumeTarget(
      path: path, descriptor: descriptor, isDevice: isDevice, sizeBytes: size,
      sourceSizeBytes: source, undo: try UndoPlace(of: path, options.undoDirectory))
  }
}

/// Where the undo journal of a volume stands.
package struct UndoPlace: Sendable {
  package let directory: SharedDescriptor
  package let name: String
  let targetName: [UInt8]

  /// For a device the directory must be given, or is `/var/lib/drover/undo`; an image has its
  /// journal beside it.
  package init(of path: String, _ undoDirectory: String?) throws(ReplicationError) {
    var status = stat()
    let isDevice = stat(path, &status) == 0 && status.st_mode & S_IFMT == S_IFBLK
    let (parent, last) = Array(path.utf8).splitLast()
    var place = undoDirectory ?? String(decoding: parent, as: UTF8.self)
    if place.isEmpty { place = path.hasPrefix("/") ? "/" : "." }
    if isDevice, undoDirectory == nil {
      place = "/var/lib/drover/undo"
      for directory in ["/var/lib/drover", place] { mkdir(directory, 0o700) }
    }
    targetName = isDevice || undoDirectory != nil ? Array(path.utf8) : last
    let flags = O_RDONLY | O_DIRECTORY | O_CLOEXEC
    let raw = retryingOnInterrupt { open(place, flags) }
    guard raw >= 0 else {
      throw .root(path: place, reason: "for the undo journal: \(PlatformError.reason(of: errno))")
    }
    directory = SharedDescriptor(owning: raw)
    name = PartialName.undo(for: targetName)
  }

  func remove() {
    _ = unlinkat(directory.raw, name, 0)
    _ = fsync(directory.raw)
  }
}
