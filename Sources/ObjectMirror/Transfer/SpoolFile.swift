import FileTree
import Glibc
import Platform

/// Files without a name, for what does not fit into memory.
enum SpoolFile {
  /// Opens one on the file system of `directory`; it is gone with the descriptor.
  static func make(in directory: String) throws(PlatformError) -> SharedDescriptor {
    let folder = retryingOnInterrupt { open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC) }
    guard folder >= 0 else { throw .last("open", directory) }
    defer { close(folder) }
    let raw = FileSystem.openUnnamed(in: folder, mode: 0o600)
    guard raw >= 0 else { throw .last("open", directory) }
    return SharedDescriptor(owning: raw)
  }
}
