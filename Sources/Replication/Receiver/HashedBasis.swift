import FileTree
import Glibc
import Platform
import TreeComparison

/// A file that stands here and is compared with the sender's by the SHA-256 of its content, so that
/// it only comes when it differs. Shared by the signature thread and a lane.
final class HashedBasis: @unchecked Sendable {
  private let name: [UInt8]
  let sizeBytes: Int64
  private let lock = Lock()
  /// The file as it was when it was hashed.
  private var hashedStatus: stat?

  init(name: [UInt8], sizeBytes: Int64) {
    self.name = name
    self.sizeBytes = sizeBytes
  }

  /// The digest of the file's content; nil when it is not what the walk has seen or cannot be read.
  func digest(
    in directory: Int32, _ hash: ContentHash, _ activity: SessionActivity
  ) -> [UInt8]? {
    let flags = O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC
    let raw = name.withCString { name in retryingOnInterrupt { openat(directory, name, flags) } }
    guard raw >= 0 else { return nil }
    let file = Descriptor(owning: raw)
    var status = stat()
    guard fstat(raw, &status) == 0, status.st_mode & S_IFMT == S_IFREG,
      Int64(status.st_size) == sizeBytes
    else { return nil }
    let isSparse = Int64(status.st_blocks) * 512 < sizeBytes
    // What cannot be read here comes whole.
    guard
      let digest = try? hash.digest(
        file.raw, sizeBytes: sizeBytes, isSparse: isSparse, each: { _ in activity.step() })
    else { return nil }
    lock.withLock { hashedStatus = status }
    return digest
  }

  /// Whether the name still stands for the file that was hashed, unchanged.
  func isUnchanged(in directory: Int32) -> Bool {
    guard let then = lock.withLock({ hashedStatus }) else { return false }
    var now = stat()
    let code = name.withCString { fstatat(directory, $0, &now, AT_SYMLINK_NOFOLLOW) }
    return code == 0 && now.st_ino == then.st_ino && now.st_dev == then.st_dev
      && now.st_size == then.st_size && now.st_mtim.tv_sec == then.st_mtim.tv_sec
      && now.st_mtim.tv_nsec == then.st_mtim.tv_nsec
  }
}
