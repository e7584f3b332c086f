import Glibc
import Platform

/// A chain of directories far deeper than a path can name.
package enum DeepTree {
  /// Makes `levels` directories, each in the one before, and a file in the last.
  package static func make(at path: String, levels: Int, name: String = "d") throws {
    let raw = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
    guard raw >= 0 else { throw PlatformError.last("open", path) }
    var current = SharedDescriptor(owning: raw)
    for _ in 0..<levels {
      guard mkdirat(current.raw, name, 0o755) == 0 else { throw PlatformError.last("mkdirat") }
      let next = openat(current.raw, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)
      guard next >= 0 else { throw PlatformError.last("openat") }
      current = SharedDescriptor(owning: next)
    }
    let file = openat(current.raw, "leaf", O_WRONLY | O_CREAT | O_CLOEXEC, 0o644)
    guard file >= 0 else { throw PlatformError.last("openat") }
    close(file)
  }
}
