import CPlatform
import Glibc
import Platform

/// System calls on absolute paths of bytes, for building and changing test trees. A path is a plain
/// array without the closing NUL. Nothing here follows a symlink at the end of a path.
package enum ByteFiles {
  package typealias Path = [UInt8]

  package static func join(_ directory: Path, _ name: [UInt8]) -> Path {
    directory + [UInt8(ascii: "/")] + name
  }

  package static func join(_ directory: Path, _ name: String) -> Path {
    join(directory, Array(name.utf8))
  }

  static func call<R: SignedInteger>(
    _ name: StaticString, _ path: Path, _ body: (UnsafePointer<CChar>) -> R
  ) throws(PlatformError) -> R {
    let text = path.map { CChar(bitPattern: $0) } + [0]
    let result = text.withUnsafeBufferPointer { buffer -> R in
      guard let base = buffer.baseAddress else { return -1 }
      return retryingOnInterrupt { body(base) }
    }
    guard result >= 0 else { throw .last(name, printable(path)) }
    return result
  }

  package static func status(_ path: Path) throws(PlatformError) -> stat {
    var result = stat()
    _ = try call("lstat", path) { lstat($0, &result) }
    return result
  }

  package static func kind(_ path: Path) throws(PlatformError) -> mode_t {
    try status(path).st_mode & S_IFMT
  }

  package static func makeDirectory(_ path: Path, mode: mode_t = 0o755) throws(PlatformError) {
    _ = try call("mkdir", path) { mkdir($0, mode) }
  }

  /// Makes a fifo, a socket or a device.
  package static func makeNode(
    _ path: Path, type: mode_t, major: UInt32 = 0, minor: UInt32 = 0
  ) throws(PlatformError) {
    _ = try call("mknod", path) { mknod($0, type | 0o644, dev_t(drover_makedev(major, minor))) }
  }

  package static func makeSymlink(_ path: Path, target: [UInt8]) throws(PlatformError) {
    let text = target.map { CChar(bitPattern: $0) } + [0]
    _ = try call("symlink", path) { symlink(text, $0) }
  }

  /// Another name, also for a symlink or fifo itself.
  package static func link(_ path: Path, to existing: Path) throws(PlatformError) {
    let text = existing.map { CChar(bitPattern: $0) } + [0]
    _ = try call("link", path) { linkat(AT_FDCWD, text, AT_FDCWD, $0, 0) }
  }

  package static func rename(_ path: Path, to new: Path) throws(PlatformError) {
    let text = new.map { CChar(bitPattern: $0) } + [0]
    _ = try call("rename", path) { Glibc.rename($0, text) }
  }

  /// Removes an entry, a directory with all that it holds.
  package static func remove(_ path: Path) throws(PlatformError) {
    if try kind(path) == S_IFDIR {
      for name in try names(in: path) { try remove(join(path, name)) }
      _ = try call("rmdir", path) { rmdir($0) }
    } else {
      _ = try call("unlink", path) { unlink($0) }
    }
  }

  package static func setMode(_ path: Path, _ mode: mode_t) throws(PlatformError) {
    _ = try call("chmod", path) { chmod($0, mode) }
  }

  package static func setOwner(_ path: Path, user: UInt32, group: UInt32) throws(PlatformError) {
    _ = try call("lchown", path) { lchown($0, user, group) }
  }

  /// Sets the time of last change; the time of last access becomes the same.
  package static func setTime(
    _ path: Path, seconds: Int, nanoseconds: Int
  ) throws(PlatformError) {
    let time = timespec(tv_sec: seconds, tv_nsec: nanoseconds)
    _ = try call("utimensat", path) {
      utimensat(AT_FDCWD, $0, [time, time], DROVER_AT_SYMLINK_NOFOLLOW)
    }
  }

  package static func setAttribute(
    _ path: Path, _ name: String, _ value: [UInt8]
  ) throws(PlatformError) {
    _ = try call("lsetxattr", path) { drover_lsetxattr($0, name, value, value.count) }
  }

  package static func removeAttribute(_ path: Path, _ name: String) throws(PlatformError) {
    _ = try call("lremovexattr", path) { drover_lremovexattr($0, name) }
  }

  /// Whether there was such an attribute; it is gone after.
  static func removeAttributeIfPresent(
    _ path: Path, _ name: String
  ) throws(PlatformError) -> Bool {
    do {
      try removeAttribute(path, name)
      return true
    } catch {
      guard error.errno == ENODATA else { throw error }
      return false
    }
  }

  /// Names and types of a directory's entries, sorted by bytes, without `.` and `..`.
  package static func entries(
    in path: Path
  ) throws(PlatformError) -> [(name: [UInt8], kind: mode_t)] {
    let text = path.map { CChar(bitPattern: $0) } + [0]
    guard let stream = opendir(text) else { throw .last("opendir", printable(path)) }
    defer { closedir(stream) }
    var result: [(name: [UInt8], kind: mode_t)] = []
    while let entry = readdir(stream) {
      // The record ends with its name: the field's full length may reach beyond the buffer.
      let nameOffset = MemoryLayout<dirent>.offset(of: \.d_name) ?? 0
      let start = UnsafeRawPointer(entry) + nameOffset
      let name = [UInt8](
        UnsafeRawBufferPointer(
          start: start, count: strlen(start.assumingMemoryBound(to: CChar.self))))
      if name == [0x2e] || name == [0x2e, 0x2e] { continue }
      // The types of readdir are those of a mode, shifted; 0 is a file system that does not tell.
      let type = mode_t(entry.pointee.d_type) << 12
      result.append((name, type == 0 ? try kind(join(path, name)) : type))
    }
    return result.sorted { precedes($0.name, $1.name) }
  }

  /// The order of bytes. The generic comparison of the library allocates per element without
  /// optimization, and most of the tests' time went there.
  private static func precedes(_ a: [UInt8], _ b: [UInt8]) -> Bool {
    let order = memcmp(a, b, min(a.count, b.count))
    return order != 0 ? order < 0 : a.count < b.count
  }

  /// Names in a directory, sorted by bytes, without `.` and `..`.
  package static func names(in path: Path) throws(PlatformError) -> [[UInt8]] {
    try entries(in: path).map(\.name)
  }

  /// Every entry below `root` by its path relative to it, a directory before what it holds.
  package static func tree(
    _ root: Path
  ) throws(PlatformError) -> [(path: Path, kind: mode_t)] {
    var result: [(path: Path, kind: mode_t)] = []
    try walk(root, [], into: &result)
    return result
  }

  /// The paths of ``tree(_:)``.
  package static func walk(_ root: Path) throws(PlatformError) -> [Path] {
    try tree(root).map(\.path)
  }

  private static func walk(
    _ root: Path, _ relative: Path, into result: inout [(path: Path, kind: mode_t)]
  ) throws(PlatformError) {
    for entry in try entries(in: relative.isEmpty ? root : join(root, relative)) {
      let path = relative.isEmpty ? entry.name : join(relative, entry.name)
      result.append((path, entry.kind))
      if entry.kind == S_IFDIR { try walk(root, path, into: &result) }
    }
  }
}
