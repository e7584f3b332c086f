import Cryptography
package import FileTree
import Glibc
import ObjectStorage
import Platform
package import Remotes

/// A directory as one end of a mirror. Nothing outside of it is ever read or written, whatever
/// links stand in it. Calls come from any thread.
package final class LocalSide: Sendable {
  /// As it was named; absolute.
  package let path: String
  package let options: LocalRemoteOptions
  package let root: TreeRoot
  let staging = StagingNames()
  /// Nothing is there, and nothing is to be written: the destination of a dry run.
  let isAbsent: Bool
  /// The name of the one file that takes part; nil for all.
  let only: [UInt8]?
  /// What is made can be read by nobody else, until somebody gives it other permissions.
  let isPrivate: Bool

  /// Opens a directory; makes it with those above it when `makes` says so.
  /// - Throws: ``MirrorError/noSource(_:)`` when it is not there; `.local`; `.unserved` for
  ///   options that are not.
  package init(
    path: String, options: LocalRemoteOptions = LocalRemoteOptions(), makes: Bool = false,
    isPrivate: Bool = false
  ) throws(MirrorError) {
    if options.followsLinks {
      throw .unserved("--copy-links is not served: links are stored with --links, or left out")
    }
    self.path = path
    self.options = options
    self.isPrivate = isPrivate
    isAbsent = false
    only = nil
    if makes { try LocalSide.make(path) }
    do throws(TreeError) {
      root = try TreeRoot(path: path)
    } catch {
      guard case .system(let failure, _) = error else { throw .notAFile(path: Array(path.utf8)) }
      if failure.errno == ENOENT { throw .noSource("directory \(printable(path.utf8))") }
      throw .local(failure, path: Array(path.utf8))
    }
  }

  /// A directory that a dry run would make.
  package init(absent path: String, options: LocalRemoteOptions) throws(MirrorError) {
    self.path = path
    self.options = options
    isAbsent = true
    isPrivate = false
    only = nil
    do throws(TreeError) { root = try TreeRoot(path: "/") } catch {
      throw .noSource("directory \(printable(path.utf8))")
    }
  }

  /// One file as a source, with its directory; nil when `path` is none.
  package init?(
    file path: String, options: LocalRemoteOptions = LocalRemoteOptions()
  ) throws(MirrorError) {
    var status = stat()
    guard stat(path, &status) == 0, status.st_mode & S_IFMT == S_IFREG else { return nil }
    let (parent, name) = Array(path.utf8).splitLast()
    let directory = String(decoding: parent, as: UTF8.self)
    let side = try LocalSide(path: directory.isEmpty ? "/" : directory, options: options)
    (self.path, self.options, root) = (side.path, options, side.root)
    (isAbsent, isPrivate, only) = (false, false, name)
  }

  private static func make(_ path: String) throws(MirrorError) {
    var end = path.startIndex
    while end < path.endIndex {
      let next = path.index(after: end)
      end = path[next...].firstIndex(of: "/") ?? path.endIndex
      guard mkdir(String(path[..<end]), 0o777) != 0, errno != EEXIST else { continue }
      // Those above may be of a file system that takes none; what counts is the last one.
      if end == path.endIndex { throw .local(.last("mkdir"), path: Array(path.utf8)) }
    }
  }

  /// Tells the directory from others that have had its name; nil when it cannot be told.
  var rootIdentity: String? {
    let raw = root.openRaw([], flags: O_RDONLY | O_DIRECTORY)
    guard raw >= 0 else { return nil }
    let descriptor = Descriptor(owning: raw)
    var status = stat()
    guard fstat(descriptor.raw, &status) == 0 else { return nil }
    return "\(status.st_dev):\(status.st_ino)"
  }

  func overlaps(_ other: LocalSide) -> Bool {
    guard let first = LocalSide.resolved(path), let second = LocalSide.resolved(other.path) else {
      return false
    }
    // A file lies in its directory and in no other.
    if only != nil || other.only != nil { return first == second }
    return (first + "/").hasPrefix(second + "/") || (second + "/").hasPrefix(first + "/")
  }

  private static func resolved(_ path: String) -> String? {
    guard let text = realpath(path, nil) else { return nil }
    defer { free(text) }
    let resolved = String(cString: text)
    return resolved == "/" ? "" : resolved
  }

  // MARK: Reading

  /// Opens a regular file; its size and time are those of now.
  func open(
    _ path: [UInt8], counter: ReadCounter? = nil
  ) throws(MirrorError) -> SourceFile {
    let raw = root.openRaw(path, flags: O_RDONLY | O_NONBLOCK)
    guard raw >= 0 else { throw .local(.last("openat2"), path: path) }
    return try SourceFile(SharedDescriptor(owning: raw), path: path, counter: counter)
  }

  /// What a link leads to.
  func target(_ path: [UInt8]) throws(MirrorError) -> [UInt8] {
    let (parent, name) = path.splitLast()
    let directory = try directory(parent)
    var buffer = [UInt8](repeating: 0, count: Int(PATH_MAX))
    let count = name.withCString { name in
      buffer.withUnsafeMutableBytes {
        readlinkat(
          directory.raw, name,
          $0.baseAddress.unsafelyUnwrapped.assumingMemoryBound(to: CChar.self), $0.count)
      }
    }
    guard count >= 0 else { throw .local(.last("readlinkat"), path: path) }
    return Array(buffer[..<count])
  }

  /// The MD5 of a file or of a link's target.
  func digest(_ entry: MirrorEntry) throws(MirrorError) -> [UInt8] {
    if entry.kind == .link {
      let target = try target(entry.path)
      do throws(CryptographyError) {
        return try MessageDigest.of(target, .md5)
      } catch {
        throw .store(.cryptography(error))
      }
    }
    let file = try open(entry.path)
    let digests = try file.digests()
    try file.checkUnchanged()
    return digests.md5
  }

  // MARK: Directories

  /// A descriptor of a directory below the root.
  func directory(_ path: [UInt8], makes: Bool = false) throws(MirrorError) -> SharedDescriptor {
    let flags = O_RDONLY | O_DIRECTORY | O_NONBLOCK
    let raw = root.openRaw(path, flags: flags)
    if raw >= 0 { return SharedDescriptor(owning: raw) }
    guard makes, errno == ENOENT, !path.isEmpty else { throw .local(.last("openat2"), path: path) }
    let (parent, name) = path.splitLast()
    let above = try directory(parent, makes: true)
    let made = name.withCString { mkdirat(above.raw, $0, isPrivate ? 0o700 : 0o777) }
    guard made == 0 || errno == EEXIST else { throw .local(.last("mkdirat"), path: path) }
    let again = root.openRaw(path, flags: flags)
    guard again >= 0 else { throw .local(.last("openat2"), path: path) }
    return SharedDescriptor(owning: again)
  }

  /// Removes a file or a link; one that is gone is no error.
  func remove(_ path: [UInt8]) throws(MirrorError) { _ = try unlink(path, flags: 0) }

  /// Removes a directory; false when something is in it that is to stay.
  func removeDirectory(_ path: [UInt8]) throws(MirrorError) -> Bool {
    try unlink(path, flags: FileSystem.atRemoveDirectory)
  }

  private func unlink(_ path: [UInt8], flags: Int32) throws(MirrorError) -> Bool {
    let (parent, name) = path.splitLast()
    let above: SharedDescriptor
    do throws(MirrorError) {
      above = try directory(parent)
    } catch {
      if case .local(let failure, _) = error, failure.errno == ENOENT { return false }
      throw error
    }
    guard name.withCString({ unlinkat(above.raw, $0, flags) }) != 0 else { return true }
    switch errno {
    case ENOENT: return false
    case ENOTEMPTY, EEXIST: return false
    default: throw .local(.last("unlinkat"), path: path)
    }
  }

  /// Sets the time of a file or a link.
  func setTime(_ path: [UInt8], _ time: WallTime) throws(MirrorError) {
    let (parent, name) = path.splitLast()
    let above = try directory(parent)
    let result = name.withCString {
      FileIO.setTime(
        above.raw, $0, seconds: time.seconds, nanoseconds: UInt32(time.nanoseconds))
    }
    guard result == 0 else { throw .local(.last("utimensat"), path: path) }
  }

  /// Makes what was written durable (`syncfs`).
  func synchronize() throws(MirrorError) {
    guard FileSystem.synchronize(root.descriptor) == 0 else {
      throw .local(.last("syncfs"), path: [])
    }
  }
}
