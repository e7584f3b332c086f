import Glibc

/// A directory of ours (mode 0700) that goes away, with the files in it and in its direct
/// subdirectories, when the last holder lets go. One of a process that was killed goes away when
/// the next of its name is made: it may hold keys.
package final class PrivateDirectory: Sendable {
  package let path: String
  /// Locked while this process lives.
  private let lock: FileLock

  private static let lockName = "lock"

  /// Makes it below `parent`, by default `TMPDIR` or `/tmp`. Calls `mkdtemp` and `flock`.
  package init(_ name: String, in parent: String? = nil) throws(PlatformError) {
    let parent = parent ?? getenv("TMPDIR").map { String(cString: $0) } ?? "/tmp"
    PrivateDirectory.removeAbandoned(in: parent, prefix: "drover-\(name).")
    while true {
      var template = Array("\(parent)/drover-\(name).XXXXXX".utf8CString)
      guard mkdtemp(&template) != nil else { throw .last("mkdtemp", parent) }
      let path = String(decoding: template.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
      // Another process may have taken it for an abandoned one before it was locked.
      guard let lock = try PrivateDirectory.lock(path) else { continue }
      (self.path, self.lock) = (path, lock)
      return
    }
  }

  private static func lock(_ path: String) throws(PlatformError) -> FileLock? {
    do throws(PlatformError) {
      return try FileLock.take("\(path)/\(lockName)", flags: O_CREAT)
    } catch {
      if error.errno == ENOENT { return nil }
      throw error
    }
  }

  deinit {
    PrivateDirectory.empty(path)
    rmdir(path)
  }

  /// Removes directories whose process has gone: nobody holds their lock.
  private static func removeAbandoned(in parent: String, prefix: String) {
    for name in names(in: parent) where name.hasPrefix(prefix) {
      let path = "\(parent)/\(name)"
      var status = stat()
      guard lstat(path, &status) == 0, status.st_mode & S_IFMT == S_IFDIR,
        status.st_uid == geteuid()
      else { continue }
      // Without a lock it is just being made, or cannot be opened.
      guard let lock = try? FileLock.take("\(path)/\(lockName)") else { continue }
      withExtendedLifetime(lock) {
        empty(path)
        rmdir(path)
      }
    }
  }

  /// Makes a directory in it.
  package func makeDirectory(_ name: String) throws(PlatformError) -> String {
    let directory = "\(path)/\(name)"
    guard mkdir(directory, 0o700) == 0 else { throw .last("mkdir", directory) }
    return directory
  }

  /// Makes or replaces a file of mode 0600 and gives its path.
  @discardableResult
  package func write(_ name: String, _ bytes: [UInt8]) throws(PlatformError) -> String {
    let file = "\(path)/\(name)"
    let raw = open(file, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0o600)
    guard raw >= 0 else { throw .last("open", file) }
    let descriptor = Descriptor(owning: raw)
    try SmallFile.write(bytes, to: descriptor.raw, subject: file)
    return file
  }

  /// Removes what is in a directory, and what is in directories in it, but nothing below. What
  /// cannot be removed is told by nobody, and is in a directory of ours.
  package static func empty(_ path: String) {
    for name in names(in: path) {
      let entry = "\(path)/\(name)"
      if unlink(entry) == 0 { continue }
      for inner in names(in: entry) { unlink("\(entry)/\(inner)") }
      rmdir(entry)
    }
  }

  private static func names(in path: String) -> [String] {
    guard let directory = opendir(path) else { return [] }
    defer { closedir(directory) }
    var names: [String] = []
    while let entry = readdir(directory) {
      let name = withUnsafePointer(to: &entry.pointee.d_name.0) { String(cString: $0) }
      if name != ".", name != ".." { names.append(name) }
    }
    return names
  }
}
