import Glibc
import Platform

/// Which entries of the source are left out. Immutable, shared by all threads.
struct SourceSelection: Sendable {
  private let patterns: [PathPatterns]
  private let sizeBytesMax: Int64?
  let markers: [DirectoryMarker]
  /// The cache of this very repository, which changes while it is used.
  private let ownCache: [UInt8]?
  private let root: BackupRoot?

  init(_ options: BackupOptions, cacheDirectory: String?) {
    patterns = options.excludes.filter { !$0.isEmpty }
    sizeBytesMax = options.fileSizeBytesMax
    markers = options.markers
    root = options.root
    ownCache = cacheDirectory.map { path in
      let path = PathText.absolute(Array(path.utf8))
      return options.root?.shown(path) ?? path
    }
  }

  /// An absolute path as patterns see it.
  func shown(_ path: [UInt8]) -> [UInt8] { root?.shown(path) ?? path }

  /// Whether names have to be asked for at all.
  var looksAtPaths: Bool { !patterns.isEmpty || ownCache != nil }

  /// Whether a path is left out, given as ``shown(_:)``.
  func excludes(path: [UInt8]) -> Bool {
    if let ownCache, ownCache == path { return true }
    return patterns.contains { $0.excludes(path) }
  }

  /// Whether an entry is left out for what it is.
  func excludes(_ entry: SourceEntry) -> Bool {
    if entry.mode & S_IFMT == S_IFSOCK { return true }
    guard let sizeBytesMax, entry.isRegular else { return false }
    return entry.size > sizeBytesMax
  }

  /// The markers that an open directory has.
  func markers(in directory: Int32) -> [DirectoryMarker] {
    markers.filter { marker in
      PathText.withCString(marker.name) { isPresent(marker, $0, directory) }
    }
  }

  private func isPresent(
    _ marker: DirectoryMarker, _ name: UnsafePointer<CChar>, _ directory: Int32
  ) -> Bool {
    var status = stat()
    guard fstatat(directory, name, &status, AT_SYMLINK_NOFOLLOW) == 0 else { return false }
    if marker.header.isEmpty { return true }
    let raw = retryingOnInterrupt {
      openat(directory, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC)
    }
    guard raw >= 0 else { return false }
    let descriptor = Descriptor(owning: raw)
    var start = [UInt8](repeating: 0, count: marker.header.count)
    let count = start.withUnsafeMutableBytes { buffer in
      // One that cannot be read is no marker.
      (try? FileIO.read(descriptor.raw, into: buffer, at: 0)) ?? 0
    }
    return count == start.count && start == marker.header
  }
}
