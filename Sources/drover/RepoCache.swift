import Glibc
import Platform

/// The directory of local caches, which is restic's: both keep their own files in it, side by side.
/// Source: the restic repository format, "cache"; the Cache Directory Tagging Standard.
enum RepoCache {
  private static let tag = "Signature: 8a477f597d28d172789f06886806bc55\n"

  /// Makes the directory with its parents, for the owner alone, and marks it; nil without one.
  ///
  /// A cache that cannot be made is no failure: `warn` is told, and the work goes on without.
  static func directory(_ options: RepoOptions, warn: (String) -> Void) -> String? {
    if options.noCache { return nil }
    guard let path = chosen(options) else {
      warn("no cache: neither HOME nor XDG_CACHE_HOME is set")
      return nil
    }
    if let error = make(path) {
      warn("no cache: \(error.message)")
      return nil
    }
    mark(path)
    return path
  }

  private static func chosen(_ options: RepoOptions) -> String? {
    if let path = options.cacheDir ?? RepoEnvironment["RESTIC_CACHE_DIR"] { return path }
    if let path = RepoEnvironment["XDG_CACHE_HOME"] { return "\(path)/restic" }
    return RepoEnvironment["HOME"].map { "\($0)/.cache/restic" }
  }

  private static func make(_ path: String) -> PlatformError? {
    if mkdir(path, 0o700) == 0 { return nil }
    let error = PlatformError.last("mkdir", path)
    if error.errno == EEXIST {
      return access(path, W_OK | X_OK) == 0 ? nil : .last("access", path)
    }
    guard error.errno == ENOENT, let slash = path.lastIndex(of: "/"), slash > path.startIndex
    else { return error }
    if let error = make(String(path[..<slash])) { return error }
    return mkdir(path, 0o700) == 0 || errno == EEXIST ? nil : .last("mkdir", path)
  }

  /// Tells backup programs that this is a cache. It only serves them: failures do not matter.
  private static func mark(_ path: String) {
    let name = "\(path)/CACHEDIR.TAG"
    let descriptor = open(name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0o600)
    guard descriptor >= 0 else { return }
    try? SmallFile.write(Array(tag.utf8), to: descriptor, subject: name)  // see above
    close(descriptor)
  }
}
