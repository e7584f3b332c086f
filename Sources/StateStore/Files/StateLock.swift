import Glibc
import Platform

/// The lock of a state directory; who holds it may write. The kernel lets go of it with the
/// process.
struct StateLock: Sendable {
  static let name = "drover.lock"

  private let file: FileLock

  /// Takes the lock and notes the process in it; nil when another process holds it.
  init?(taking path: String) throws(PlatformError) {
    guard let file = try FileLock.take(path, flags: O_CREAT) else { return nil }
    self.file = file
    // For people only: a full disk does not matter here.
    _ = ftruncate(file.raw, 0)
    let text = Array("\(getpid())\n".utf8)
    _ = pwrite(file.raw, text, text.count, 0)
  }

  /// Whom the lock says it belongs to.
  static func holder(of path: String) -> String? {
    // Only for a message, which does without.
    guard let text = try? SmallFile.read(path, sizeBytesMax: 64) else { return nil }
    let id = String(decoding: text, as: UTF8.self).prefix { $0.isNumber }
    return id.isEmpty ? nil : String(id)
  }
}
