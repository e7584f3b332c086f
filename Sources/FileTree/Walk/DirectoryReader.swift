import Glibc
import Platform

/// Choices of a walk.
package struct WalkOptions: Sendable {
  package var filter = FilterRules()
  package var oneFileSystem = false
  package init() {}
}

/// Reads directories of one tree into sorted listings. Confined to the thread that made it, whose
/// working directory it moves: make it on a thread of its own.
package final class DirectoryReader {
  private let root: TreeRoot
  private let options: WalkOptions
  private let onError: (TreeError) -> Void
  private let links = HardLinkTable()
  private let attributes = AttributeReader()
  private let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: 64 << 10, alignment: 8)
  private let target = UnsafeMutableRawBufferPointer.allocate(byteCount: 4096, alignment: 8)
  private let hasOwnDirectory: Bool
  private var filterPath: [UInt8] = []

  /// `onError` is told of each entry that could not be read; the walk goes on.
  package init(
    root: TreeRoot, options: WalkOptions, onError: @escaping (TreeError) -> Void
  ) {
    self.root = root
    self.options = options
    self.onError = onError
    self.hasOwnDirectory = FileSystem.detachWorkingDirectory()
  }

  deinit {
    buffer.deallocate()
    target.deallocate()
  }

  /// Reads one directory: names by `getdents64`, then `fstatat` and attributes of each relative to
  /// it.
  package func read(_ path: [UInt8]) throws(TreeError) -> DirectoryListing {
    let descriptor = try root.openDirectory(path)
    let listing = DirectoryListing(path: path)
    var status = stat()
    guard fstat(descriptor.raw, &status) == 0 else { throw .system(.last("fstat"), path: path) }
    fill(&listing.directory, from: status)
    if hasOwnDirectory, fchdir(descriptor.raw) != 0 {
      throw .system(.last("fchdir"), path: path)
    }
    try listing.withOwnAttributes { (arena) throws(TreeError) in
      try readAttributes(".", directory: descriptor.raw, into: &arena) { path }
    }
    try readNames(descriptor.raw, into: listing)
    listing.sort()
    linkGroups(listing)
    return listing
  }

  private func readNames(
    _ descriptor: Int32, into listing: DirectoryListing
  ) throws(TreeError) {
    filterPath = listing.path
    if !filterPath.isEmpty { filterPath.append(0x2f) }
    let prefixCount = filterPath.count
    while true {
      let count = FileSystem.readDirectory(descriptor, into: buffer)
      if count < 0 { throw .system(.last("getdents64"), path: listing.path) }
      if count == 0 { return }
      var offset = 0
      while offset < count {
        // struct linux_dirent64: u64 inode, i64 offset, u16 record length, u8 type, name
        let length = Int(buffer.loadUnaligned(fromByteOffset: offset + 16, as: UInt16.self))
        let start = buffer.baseAddress.unsafelyUnwrapped + offset + 19
        let name = UnsafeRawBufferPointer(
          start: start, count: strlen(start.assumingMemoryBound(to: CChar.self)))
        offset += length
        guard RelativePath.isSafeName(name) else { continue }
        guard listing.arena.count < TreeLimits.listingBytesMax else {
          listing.isIncomplete = true
          return onError(.directoryTooLarge(path: listing.path))
        }
        readEntry(name, descriptor, prefixCount, into: listing)
      }
    }
  }

  private func readEntry(
    _ name: UnsafeRawBufferPointer, _ descriptor: Int32, _ prefixCount: Int,
    into listing: DirectoryListing
  ) {
    guard let start = name.baseAddress else { return }
    let cName = start.assumingMemoryBound(to: CChar.self)
    func path() -> [UInt8] { listing.path.appending(name) }
    var status = stat()
    guard fstatat(descriptor, cName, &status, AT_SYMLINK_NOFOLLOW) == 0 else {
      if errno == ENOENT { return }  // removed since it was listed
      listing.isIncomplete = true
      return onError(.system(.last("fstatat"), path: path()))
    }
    var entry = Entry()
    fill(&entry, from: status)
    if isExcluded(name, prefixCount, isDirectory: entry.kind == .directory) { return }
    entry.isLeftover = TemporaryName.matches(name)
    if prefixCount + name.count > TreeLimits.pathBytesMax {
      listing.isIncomplete = true
      return onError(.pathTooLong(path: path()))
    }
    entry.name = ArenaSlice(
      offset: listing.arena.appendString(name), count: UInt32(name.count))
    do throws(TreeError) {
      if entry.kind == .symbolicLink {
        entry.target = try readTarget(cName, descriptor, into: &listing.arena, path: path)
      }
      entry.attributes = try readAttributes(
        cName, directory: descriptor, into: &listing.arena, path: path)
    } catch {
      if case .system(let cause, _) = error, cause.errno == ENOENT { return }
      listing.isIncomplete = true
      return onError(error)
    }
    listing.entries.append(entry)
  }

  private func isExcluded(
    _ name: UnsafeRawBufferPointer, _ prefixCount: Int, isDirectory: Bool
  ) -> Bool {
    if options.filter.isEmpty { return false }
    filterPath.removeLast(filterPath.count - prefixCount)
    filterPath.append(contentsOf: name)
    return filterPath.withUnsafeBufferPointer {
      options.filter.excludes(path: $0, isDirectory: isDirectory)
    }
  }

  private func readTarget(
    _ name: UnsafePointer<CChar>, _ descriptor: Int32, into arena: inout ByteArena,
    path: () -> [UInt8]
  ) throws(TreeError) -> ArenaSlice {
    let count = readlinkat(
      descriptor, name,
      target.baseAddress.unsafelyUnwrapped.assumingMemoryBound(to: CChar.self), target.count)
    guard count >= 0 else {
      // EINVAL: the name stands for something else than a link by now.
      if errno == EINVAL { throw .changed(path: path()) }
      throw .system(.last("readlinkat"), path: path())
    }
    let bytes = UnsafeRawBufferPointer(rebasing: target[..<count])
    return ArenaSlice(offset: arena.appendString(bytes), count: UInt32(count))
  }

  /// There is no `llistxattrat`: the name is resolved in the thread's own working directory, or,
  /// where that cannot be had, below `/proc/self/fd`.
  private func readAttributes(
    _ name: UnsafePointer<CChar>, directory: Int32, into arena: inout ByteArena,
    path: () -> [UInt8]
  ) throws(TreeError) -> ArenaSlice {
    if hasOwnDirectory {
      return try attributes.read(name, into: &arena, entryPath: path)
    }
    var full = Array("/proc/self/fd/\(directory)/".utf8CString.dropLast())
    full.append(contentsOf: UnsafeBufferPointer(start: name, count: strlen(name) + 1))
    return try attributes.read(full, into: &arena, entryPath: path)
  }

  private func fill(_ entry: inout Entry, from status: stat) {
    switch status.st_mode & S_IFMT {
    case S_IFREG: entry.kind = .regular
    case S_IFDIR: entry.kind = .directory
    case S_IFLNK: entry.kind = .symbolicLink
    case S_IFIFO: entry.kind = .fifo
    case S_IFSOCK: entry.kind = .socket
    case S_IFCHR: entry.kind = .characterDevice
    default: entry.kind = .blockDevice
    }
    entry.mode = UInt16(status.st_mode & 0o7777)
    entry.userID = status.st_uid
    entry.groupID = status.st_gid
    entry.modifiedSeconds = Int64(status.st_mtim.tv_sec)
    entry.modifiedNanoseconds = UInt32(status.st_mtim.tv_nsec)
    if entry.kind == .regular { entry.size = Int64(status.st_size) }
    if entry.kind.isDevice {
      entry.deviceMajor = FileSystem.major(of: UInt64(status.st_rdev))
      entry.deviceMinor = FileSystem.minor(of: UInt64(status.st_rdev))
    }
    entry.fileSystem = UInt64(status.st_dev)
    entry.inode = UInt64(status.st_ino)
    entry.linkCount = UInt32(clamping: status.st_nlink)
  }

  /// Groups are found in walk order, so this follows the sort.
  private func linkGroups(_ listing: DirectoryListing) {
    for index in listing.entries.indices {
      let entry = listing.entries[index]
      guard entry.linkCount > 1, entry.kind != .directory, !entry.isLeftover else { continue }
      guard listing.arena.count < TreeLimits.listingBytesMax else {
        listing.isIncomplete = true
        listing.entries.removeSubrange(index...)
        return onError(.directoryTooLarge(path: listing.path))
      }
      links.firstPath(
        fileSystem: entry.fileSystem, inode: entry.inode, linkCount: entry.linkCount,
        path: { listing.path(of: entry) }
      ) { first in
        listing.entries[index].linkPath = ArenaSlice(
          offset: listing.arena.appendString(first), count: UInt32(first.count))
      }
    }
  }
}

extension DirectoryListing {
  func withOwnAttributes(
    _ read: (inout ByteArena) throws(TreeError) -> ArenaSlice
  ) throws(TreeError) {
    directory.attributes = try read(&arena)
  }
}
