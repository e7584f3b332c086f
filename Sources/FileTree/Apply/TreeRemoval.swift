import Glibc
import Platform

/// Removes entries below a root, directories with all that is in them, at any depth, with few
/// descriptors. What a filter excludes is kept, and with it the directories above it.
package final class TreeRemoval {
  private let root: TreeRoot
  private let filter: FilterRules
  private let isPrivileged: Bool
  private let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: 32 << 10, alignment: 8)
  /// Entries removed so far.
  package private(set) var removedCount: Int64 = 0

  /// Without privilege the right to change a directory is taken before it is emptied.
  package init(root: TreeRoot, filter: FilterRules, isPrivileged: Bool = geteuid() == 0) {
    self.isPrivileged = isPrivileged
    self.root = root
    self.filter = filter
  }

  deinit { buffer.deallocate() }

  /// Removes `name` in `directory`; true when nothing of it is left.
  package func remove(_ directory: [UInt8], _ name: [UInt8]) throws(TreeError) -> Bool {
    let path = name.withUnsafeBytes { directory.appending($0) }
    let parent = try root.openDirectory(directory)
    if name.withCString({ unlinkat(parent.raw, $0, 0) }) == 0 {
      removedCount += 1
      return true
    }
    if errno == ENOENT { return true }
    guard errno == EISDIR else { throw .system(.last("unlinkat"), path: path) }
    return try removeDirectory(path)
  }

  /// Works on a stack of paths: a directory stands on it until it is empty.
  private func removeDirectory(_ path: [UInt8]) throws(TreeError) -> Bool {
    var pending: [(path: [UInt8], isEmptied: Bool)] = [(path, false)]
    var isComplete = true
    while let last = pending.popLast() {
      let (parentPath, name) = last.path.splitLast()
      let parent = try root.openDirectory(parentPath)
      let code = name.withCString { unlinkat(parent.raw, $0, FileSystem.atRemoveDirectory) }
      if code == 0 {
        removedCount += 1
        continue
      }
      if errno == ENOENT { continue }
      guard errno == ENOTEMPTY || errno == EEXIST else {
        throw .system(.last("unlinkat"), path: last.path)
      }
      if last.isEmptied {
        isComplete = false  // excluded entries keep it
        continue
      }
      pending.append((last.path, true))
      for child in try empty(last.path) { pending.append((child, false)) }
    }
    return isComplete
  }

  /// Removes all files of a directory; gives the paths of its subdirectories.
  private func empty(_ path: [UInt8]) throws(TreeError) -> [[UInt8]] {
    let directory = try open(path)
    var children: [[UInt8]] = []
    while true {
      let count = FileSystem.readDirectory(directory.raw, into: buffer)
      if count < 0 { throw .system(.last("getdents64"), path: path) }
      if count == 0 { return children }
      var offset = 0
      while offset < count {
        let length = Int(buffer.loadUnaligned(fromByteOffset: offset + 16, as: UInt16.self))
        let start = buffer.baseAddress.unsafelyUnwrapped + offset + 19
        offset += length
        let cName = start.assumingMemoryBound(to: CChar.self)
        let name = UnsafeRawBufferPointer(start: start, count: strlen(cName))
        guard RelativePath.isSafeName(name) else { continue }
        if let child = try removeChild(path, directory.raw, name, cName) { children.append(child) }
      }
    }
  }

  /// Opens a directory to be emptied; an owner without privilege takes the right to first.
  private func open(_ path: [UInt8]) throws(TreeError) -> Descriptor {
    if isPrivileged { return try root.openDirectory(path) }
    let raw = root.openRaw(path, flags: FileSystem.openPath | O_DIRECTORY)
    guard raw >= 0 else { throw .system(.last("openat2"), path: path) }
    let pinned = Descriptor(owning: raw)
    var status = stat()
    if fstat(pinned.raw, &status) == 0, status.st_mode & 0o700 != 0o700 {
      // When that is refused, opening or removing fails and says so.
      _ = chmod("/proc/self/fd/\(pinned.raw)", (status.st_mode & 0o7777) | 0o700)
    }
    return try root.openDirectory(path)
  }

  private func removeChild(
    _ directory: [UInt8], _ descriptor: Int32, _ name: UnsafeRawBufferPointer,
    _ cName: UnsafePointer<CChar>
  ) throws(TreeError) -> [UInt8]? {
    let path = directory.appending(name)
    if !filter.isEmpty {
      var status = stat()
      let isDirectory =
        fstatat(descriptor, cName, &status, AT_SYMLINK_NOFOLLOW) == 0
        && status.st_mode & S_IFMT == S_IFDIR
      let excluded = path.withUnsafeBufferPointer {
        filter.excludes(path: $0, isDirectory: isDirectory)
      }
      if excluded { return nil }
    }
    if unlinkat(descriptor, cName, 0) == 0 {
      removedCount += 1
      return nil
    }
    switch errno {
    case EISDIR: return try reachable(path, descriptor, cName)
    case ENOENT: return nil
    default: throw .system(.last("unlinkat"), path: path)
    }
  }

  /// A path that can be resolved: a directory too deep for that is first moved below the root. Not
  /// with a filter, which could no longer tell what is excluded in it.
  private func reachable(
    _ path: [UInt8], _ descriptor: Int32, _ name: UnsafePointer<CChar>
  ) throws(TreeError) -> [UInt8] {
    if path.count <= TreeLimits.pathBytesMax - TreeLimits.nameBytesMax - 1 { return path }
    guard filter.isEmpty else { throw .pathTooLong(path: path) }
    let temporary = TemporaryName.make(SecureRandom.integer())
    guard renameat(descriptor, name, root.descriptor, temporary) == 0 else {
      throw .system(.last("renameat"), path: path)
    }
    return Array(temporary.utf8)
  }
}
