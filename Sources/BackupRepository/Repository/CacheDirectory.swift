import Glibc
package import Platform

/// The directory of local caches, which is restic's: both keep their own files in it, side by side.
///
/// Source: the restic repository format, "cache"; the Cache Directory Tagging Standard.
package struct CacheDirectory: Sendable {
  private static let tag = "Signature: 8a477f597d28d172789f06886806bc55\n"

  package let path: String

  /// Makes the directory with its parents, for the owner alone, and marks it; one that is there is
  /// used when it can be written.
  package init(making path: String) throws(PlatformError) {
    try CacheDirectory.make(path)
    self.path = path
    mark()
  }

  /// Where runs write down their locks, see `LockOptions.ledgerDirectory`.
  package var lockLedger: String { "\(path)/locks" }

  private static func make(_ path: String) throws(PlatformError) {
    if mkdir(path, 0o700) == 0 { return }
    let error = PlatformError.last("mkdir", path)
    if error.errno == EEXIST {
      guard access(path, W_OK | X_OK) == 0 else { throw .last("access", path) }
      return
    }
    guard error.errno == ENOENT, let slash = path.lastIndex(of: "/"), slash > path.startIndex
    else { throw error }
    try make(String(path[..<slash]))
    guard mkdir(path, 0o700) == 0 || errno == EEXIST else { throw .last("mkdir", path) }
  }

  /// Tells backup programs that this is a cache. It only serves them: failures do not matter.
  private func mark() {
    let name = "\(path)/CACHEDIR.TAG"
    let raw = open(name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0o600)
    guard raw >= 0 else { return }
    let descriptor = Descriptor(owning: raw)
    let tag = Array(CacheDirectory.tag.utf8)
    try? SmallFile.write(tag, to: descriptor.raw, subject: name)  // see above
  }
}
