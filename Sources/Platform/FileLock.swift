import Glibc

/// A lock on a whole file (`flock`), held until the last holder lets go of this object; the kernel
/// lets go of it with the process.
///
/// It is unlocked, not closed alone: a child that another thread is just starting has a copy of
/// every descriptor until it executes its program, and would keep the lock as long.
package final class FileLock: Sendable {
  package enum Kind: Sendable {
    case shared, exclusive

    fileprivate var operation: Int32 { self == .shared ? LOCK_SH : LOCK_EX }
  }

  package let raw: Int32

  private init(owning raw: Int32) { self.raw = raw }

  deinit {
    flock(raw, LOCK_UN)
    close(raw)
  }

  /// Opens a file for reading and writing, from `directory` on when its path is relative, and locks
  /// it without waiting; nil while somebody else has a lock that excludes this one. The file stands
  /// at its path then: one that its last holder has removed is opened again. With `O_CREAT` in
  /// `flags` it is made, with mode 0600.
  /// - Throws: What `openat`, `flock` and `fstat` report, `ENOENT` among it.
  package static func take(
    _ path: String, in directory: Int32 = AT_FDCWD, flags: Int32 = 0, _ kind: Kind = .exclusive
  ) throws(PlatformError) -> FileLock? {
    let raw = try lock(path, in: directory, flags, kind)
    return raw >= 0 ? FileLock(owning: raw) : nil
  }

  /// As ``take(_:in:flags:_:)``, for a child that is given the descriptor: closing it here leaves
  /// the lock to the child.
  package static func takeForChild(
    _ path: String, flags: Int32 = 0
  ) throws(PlatformError) -> SharedDescriptor? {
    let raw = try lock(path, in: AT_FDCWD, flags, .exclusive)
    return raw >= 0 ? SharedDescriptor(owning: raw) : nil
  }

  /// Whether somebody has a lock on a file; false when it cannot be opened.
  package static func isHeld(_ path: String) -> Bool {
    do throws(PlatformError) { return try take(path) == nil } catch { return false }
  }

  /// A locked descriptor that the caller closes; -1 while somebody else has the lock.
  private static func lock(
    _ path: String, in directory: Int32, _ flags: Int32, _ kind: Kind
  ) throws(PlatformError) -> Int32 {
    while true {
      let raw = retryingOnInterrupt {
        openat(directory, path, O_RDWR | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | flags, 0o600)
      }
      guard raw >= 0 else { throw .last("openat", path) }
      let descriptor = Descriptor(owning: raw)
      guard retryingOnInterrupt({ flock(descriptor.raw, kind.operation | LOCK_NB) }) == 0 else {
        if errno == EWOULDBLOCK { return -1 }
        throw .last("flock", path)
      }
      var (own, standing) = (stat(), stat())
      guard fstat(descriptor.raw, &own) == 0 else { throw .last("fstat", path) }
      if fstatat(directory, path, &standing, AT_SYMLINK_NOFOLLOW) == 0,
        own.st_ino == standing.st_ino, own.st_dev == standing.st_dev
      {
        return descriptor.release()
      }
    }
  }
}
