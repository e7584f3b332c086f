import FileTree
import Glibc
import Platform

/// Reads directories of the source: names by `getdents64`, then `fstatat`, links and attributes of
/// each in byte order. Confined to the thread that made it, whose working directory it moves.
final class DirectoryLister {
  private struct Name {
    /// The first eight bytes, the first one highest; shorter names are filled with NUL.
    var prefix: UInt64
    var slice: ArenaSlice
  }

  private let selection: SourceSelection
  private let onProblem: (SourceDirectory, [UInt8], PlatformError) -> Void
  private let attributes = AttributeCollector()
  private let hasOwnDirectory = FileSystem.detachWorkingDirectory()
  private let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: 64 << 10, alignment: 8)
  private let link = UnsafeMutableRawBufferPointer.allocate(byteCount: 4096, alignment: 8)
  private var names: [Name] = []
  private var pathBuffer: [UInt8] = []
  /// Entries that were gone when they were looked at.
  private(set) var vanishedCount = 0

  /// `onProblem` is told of each entry that cannot be read, with its path.
  init(
    _ selection: SourceSelection,
    onProblem: @escaping (SourceDirectory, [UInt8], PlatformError) -> Void
  ) {
    self.selection = selection
    self.onProblem = onProblem
  }

  deinit {
    buffer.deallocate()
    link.deallocate()
  }

  /// Fills the entries of an open directory.
  func list(_ descriptor: Int32, into directory: SourceDirectory) throws(PlatformError) {
    try readNames(descriptor, into: directory)
    sortNames(directory)
    if hasOwnDirectory, fchdir(descriptor) != 0 {
      throw .last("fchdir", printable(directory.path))
    }
    let markers = selection.markers.isEmpty ? [] : selection.markers(in: descriptor)
    pathBuffer.removeAll(keepingCapacity: true)
    pathBuffer.append(contentsOf: selection.shown(directory.path))
    if pathBuffer.last != PathText.slash { pathBuffer.append(PathText.slash) }
    let prefixCount = pathBuffer.count
    directory.reserve(names.count)
    for name in names {
      if selection.looksAtPaths, isExcluded(directory.bytes(name.slice), prefixCount) { continue }
      if !markers.isEmpty, isHidden(directory.bytes(name.slice), by: markers) { continue }
      readEntry(name.slice, descriptor, directory)
    }
  }

  private func readNames(
    _ descriptor: Int32, into directory: SourceDirectory
  ) throws(PlatformError) {
    names.removeAll(keepingCapacity: names.capacity < 1 << 16)
    while true {
      let count = FileSystem.readDirectory(descriptor, into: buffer)
      if count < 0 { throw .last("getdents64", printable(directory.path)) }
      if count == 0 { return }
      // Offsets have 32 bits; four million of the longest names are beyond any tree blob.
      guard directory.arena.count < TreeLimits.listingBytesMax else {
        throw PlatformError("getdents64", printable(directory.path), errno: EFBIG)
      }
      DirectoryNames.forEach(in: UnsafeRawBufferPointer(rebasing: buffer[..<count])) { name in
        var prefix: UInt64 = 0
        for index in 0..<8 { prefix = prefix << 8 | (index < name.count ? UInt64(name[index]) : 0) }
        let offset = directory.arena.appendString(name)
        names.append(
          Name(prefix: prefix, slice: ArenaSlice(offset: offset, count: UInt32(name.count))))
      }
    }
  }

  private func sortNames(_ directory: SourceDirectory) {
    names.sort { a, b in
      if a.prefix != b.prefix { return a.prefix < b.prefix }
      return compareBytes(directory.bytes(a.slice), directory.bytes(b.slice)) < 0
    }
  }

  private func isExcluded(_ name: UnsafeRawBufferPointer, _ prefixCount: Int) -> Bool {
    pathBuffer.removeLast(pathBuffer.count - prefixCount)
    pathBuffer.append(contentsOf: name)
    return selection.excludes(path: pathBuffer)
  }

  private func isHidden(
    _ name: UnsafeRawBufferPointer, by markers: [DirectoryMarker]
  ) -> Bool {
    markers.contains { !name.elementsEqual($0.name) }
  }

  private func readEntry(
    _ name: ArenaSlice, _ descriptor: Int32, _ directory: SourceDirectory
  ) {
    var status = stat()
    let code = fstatat(
      descriptor, directory.arena.cString(at: name.offset), &status, AT_SYMLINK_NOFOLLOW)
    guard code == 0 else { return report("fstatat", name, directory) }
    var entry = SourceEntry()
    entry.name = name
    entry.take(status)
    if selection.excludes(entry) { return }
    if let device = directory.fileSystem, entry.deviceID != device, !entry.isDirectory { return }
    if entry.type == .symbolicLink {
      let start = directory.arena.cString(at: name.offset)
      guard readLink(start, descriptor, directory, &entry) else {
        return report("readlinkat", name, directory)
      }
    }
    readAttributes(descriptor, directory, &entry)
    directory.append(entry)
  }

  /// An entry that has vanished is no problem; everything else is.
  private func report(_ call: StaticString, _ name: ArenaSlice, _ directory: SourceDirectory) {
    let code = errno
    if code == ENOENT || code == EINVAL {
      vanishedCount += 1
      return
    }
    report(call, name, code, directory)
  }

  private func report(
    _ call: StaticString, _ name: ArenaSlice, _ code: Int32, _ directory: SourceDirectory
  ) {
    let path = PathText.join(directory.path, directory.bytes(name))
    onProblem(directory, path, PlatformError(call, printable(path), errno: code))
  }

  /// `name` may stand in the arena of the directory, and be no more valid after the call.
  private func readLink(
    _ name: UnsafePointer<CChar>, _ descriptor: Int32, _ directory: SourceDirectory,
    _ entry: inout SourceEntry
  ) -> Bool {
    let count = readlinkat(
      descriptor, name,
      link.baseAddress.unsafelyUnwrapped.assumingMemoryBound(to: CChar.self), link.count)
    // EINVAL: it is something else by now, and will be found as that by the next backup.
    guard count >= 0 else { return false }
    let offset = directory.arena.append(UnsafeRawBufferPointer(rebasing: link[..<count]))
    entry.target = ArenaSlice(offset: offset, count: UInt32(count))
    return true
  }

  /// There is no `llistxattrat`: the name is resolved in the thread's own working directory, or,
  /// where that cannot be had, below `/proc/self/fd`.
  private func readAttributes(
    _ descriptor: Int32, _ directory: SourceDirectory, _ entry: inout SourceEntry
  ) {
    let code: Int32
    if hasOwnDirectory {
      // The arena may move while attributes are appended to it.
      code = withCopy(directory.bytes(entry.name)) {
        attributes.collect($0, into: &directory.arena, &entry.attributes)
      }
    } else {
      let full = Array("/proc/self/fd/\(descriptor)/".utf8) + directory.bytes(entry.name)
      code = PathText.withCString(full) {
        attributes.collect($0, into: &directory.arena, &entry.attributes)
      }
    }
    if code != 0, code != ENOENT { report("llistxattr", entry.name, code, directory) }
  }

  /// Hands out a copy of a name with the NUL behind it.
  private func withCopy<Result>(
    _ name: UnsafeRawBufferPointer, _ body: (UnsafePointer<CChar>) -> Result
  ) -> Result {
    withUnsafeTemporaryAllocation(byteCount: name.count + 1, alignment: 1) { copy in
      copy.copyMemory(from: name)
      copy[name.count] = 0
      return body(copy.baseAddress.unsafelyUnwrapped.assumingMemoryBound(to: CChar.self))
    }
  }

  // MARK: Targets

  /// Fills an entry of a target, or of a directory on the way to one. False, with the problem told,
  /// when it cannot be read.
  func readTarget(
    _ target: TargetNode, name: [UInt8], into directory: SourceDirectory
  ) -> Bool {
    let path = target.path ?? target.wayPath
    var entry = SourceEntry()
    var status = stat()
    // Directories on the way are followed: they may be links.
    let isWay = !target.isLeaf
    let code = PathText.withCString(path) { path in
      isWay ? stat(path, &status) : lstat(path, &status)
    }
    guard code == 0 else {
      onProblem(directory, path, .last("lstat", printable(path)))
      return false
    }
    entry.take(status)
    if !target.isNamed, selection.excludes(path: selection.shown(path)) || selection.excludes(entry)
    {
      return false
    }
    if entry.mode & S_IFMT == S_IFSOCK { return false }
    let offset = name.withUnsafeBytes { directory.arena.appendString($0) }
    entry.name = ArenaSlice(offset: offset, count: UInt32(name.count))
    let failed = PathText.withCString(path) { path -> Int32 in
      if entry.type == .symbolicLink, !readLink(path, AT_FDCWD, directory, &entry) { return errno }
      return attributes.collect(path, into: &directory.arena, &entry.attributes)
    }
    if failed != 0 {
      onProblem(directory, path, PlatformError("llistxattr", printable(path), errno: failed))
    }
    directory.append(entry)
    return true
  }
}
