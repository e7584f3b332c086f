import BackupRepository
import Platform

/// Where local caches stand: restic's directory, which both share.
enum RepoCache {
  /// The directory, made when it is missing; nil without one.
  ///
  /// A cache that cannot be made is no failure: `warn` is told, and the work goes on without.
  static func directory(_ options: RepoOptions, warn: (String) -> Void) -> CacheDirectory? {
    if options.noCache { return nil }
    guard let path = options.cacheDir ?? standardPath else {
      warn("no cache: neither HOME nor XDG_CACHE_HOME is set")
      return nil
    }
    do throws(PlatformError) { return try CacheDirectory(making: path) } catch {
      warn("no cache: \(error.message)")
      return nil
    }
  }

  /// The place that the environment names, as restic reads it.
  static var standardPath: String? {
    if let path = RepoEnvironment["RESTIC_CACHE_DIR"] { return path }
    if let path = RepoEnvironment["XDG_CACHE_HOME"] { return "\(path)/restic" }
    return RepoEnvironment["HOME"].map { "\($0)/.cache/restic" }
  }
}
