import Glibc
import Platform

/// A block device over a sparse file; needs root.
///
/// The device is marked to detach itself at its last close as soon as it is set up, so the kernel
/// takes it away even when the test process is killed.
package final class LoopDevice: Sendable {
  /// `/dev/loopN`.
  package let path: String
  package let backingFile: String
  private let holder: SharedDescriptor

  /// Makes `backingFile` (a sparse file of `sizeBytes`, kept when it exists) and a device over it.
  package init(backingFile: String, sizeBytes: Int) throws {
    let file = retryingOnInterrupt { open(backingFile, O_RDWR | O_CREAT | O_CLOEXEC, 0o600) }
    guard file >= 0 else { throw PlatformError.last("open", backingFile) }
    defer { close(file) }
    guard ftruncate(file, sizeBytes) == 0 else {
      throw PlatformError.last("ftruncate", backingFile)
    }
    self.backingFile = backingFile
    let shown = try runChecked("losetup", ["--find", "--show", backingFile]).outputText
    path = String(shown.prefix { !$0.isWhitespace })
    let raw = retryingOnInterrupt { [path] in open(path, O_RDWR | O_CLOEXEC) }
    guard raw >= 0 else {
      let error = PlatformError.last("open", path)
      try runChecked("losetup", ["--detach", path])
      throw error
    }
    holder = SharedDescriptor(owning: raw)
    try runChecked("losetup", ["--detach", path])
  }
}

/// A file system of its own in a sparse file, mounted below a temporary directory; needs root.
package final class LoopMount: Sendable {
  package enum FileSystem: String, Sendable {
    case ext4
    case xfs
    case btrfs

    /// The smallest size that the file system's `mkfs` accepts, in bytes.
    var sizeBytesMin: Int {
      switch self {
      case .ext4: 4 << 20
      case .xfs: 300 << 20
      case .btrfs: 114 << 20
      }
    }
  }

  /// The mount point, absolute.
  package let path: String
  private let directory: TemporaryDirectory
  /// Where the image lies when that is a small `tmpfs`.
  private let memory: String?

  /// Makes and mounts a file system of `sizeBytes`, raised to the smallest possible size. With
  /// `backingBytesMax` the disk below fails all writes beyond so many bytes.
  package init(
    _ kind: FileSystem, sizeBytes: Int, options: [String] = [], backingBytesMax: Int? = nil
  ) throws {
    directory = try TemporaryDirectory()
    path = try directory.makeDirectory("mount")
    if let backingBytesMax {
      let small = try directory.makeDirectory("memory")
      try runChecked("mount", ["-t", "tmpfs", "-o", "size=\(backingBytesMax)", "tmpfs", small])
      memory = small
    } else {
      memory = nil
    }
    let image = memory.map { "\($0)/image" } ?? directory.path("image")
    let size = max(sizeBytes, kind.sizeBytesMin)
    try runChecked("truncate", ["--size", "\(size)", image])
    let quiet = kind == .ext4 ? ["-q", "-F", "-m", "0", "-b", "4096"] : ["-q", "-f"]
    try runChecked("mkfs.\(kind.rawValue)", quiet + [image])
    let all = (["loop"] + options).joined(separator: ",")
    try runChecked("mount", ["-t", kind.rawValue, "-o", all, image, path])
  }

  deinit {
    unmount(path)
    if let memory { unmount(memory) }
  }

  private func unmount(_ path: String) {
    do {
      if try runProcess("umount", [path]).status != 0 {
        try runChecked("umount", ["--lazy", path])
      }
    } catch {
      writeErrorLine("cannot unmount \(path): \(error)")
    }
  }

  package func remount(readOnly: Bool) throws {
    try runChecked("mount", ["-o", "remount,\(readOnly ? "ro" : "rw")", path])
  }
}
