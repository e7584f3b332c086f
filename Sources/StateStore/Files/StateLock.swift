import Glibc
import Platform

/// The lock of a state directory; who holds it may write. The kernel lets go of it with the
/// process.
struct StateLock: Sendable {
  static let name = "drover.lock"

  private let descriptor: SharedDescriptor

  /// Takes the lock and notes the process in it; nil when another process holds it.
  init?(taking path: String) throws(PlatformError) {
    let raw = retryingOnInterrupt { open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0o600) }
    guard raw >= 0 else { throw .last("open", path) }
    descriptor = SharedDescriptor(owning: raw)
    guard retryingOnInterrupt({ flock(raw, LOCK_EX | LOCK_NB) }) == 0 else {
      if errno == EWOULDBLOCK { return nil }
      throw .last("flock", path)
    }
    // For people only: a full disk does not matter here.
    _ = ftruncate(raw, 0)
    let text = Array("\(getpid())\n".utf8)
    _ = pwrite(raw, text, text.count, 0)
  }

  /// Whom the lock says it belongs to.
  static func holder(of path: String) -> String? {
    // Only for a message, which does without.
    guard let text = try? SmallFile.read(path, sizeBytesMax: 64) else { return nil }
    let id = String(decoding: text, as: UTF8.self).prefix { $0.isNumber }
    return id.isEmpty ? nil : String(id)
  }
}
