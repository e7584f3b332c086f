import FileTree
import Glibc
import Platform

/// Listing directories and writing their trees.
extension BackupWorker {
  /// Begins with the root of the snapshot: targets, or a directory itself.
  func start(
    _ root: SourceDirectory, _ targets: TargetNode?, previous: BlobID?
  ) throws(RepositoryError) {
    root.previous = load(previous, path: root.path)
    if let targets {
      fill(root, with: targets)
    } else {
      do throws(PlatformError) { try list(root) } catch { throw .platform(error) }
    }
    try begin(root)
  }

  private func list(_ root: SourceDirectory) throws(PlatformError) {
    let raw = PathText.withCString(root.path) { path in
      // The root may be a link, as a mount point may.
      retryingOnInterrupt { Glibc.open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC) }
    }
    guard raw >= 0 else { throw .last("open", printable(root.path)) }
    let descriptor = SharedDescriptor(owning: raw)
    var status = stat()
    guard fstat(raw, &status) == 0 else { throw .last("fstat", printable(root.path)) }
    if options.oneFileSystem { root.fileSystem = UInt64(status.st_dev) }
    try lister.list(raw, into: root)
    if schedule.mayKeepOpen() { root.descriptor = descriptor }
  }

  /// Lists the directory of an entry.
  func enter(_ parent: SourceDirectory, _ index: Int) throws(RepositoryError) {
    let entry = parent.entries.baseAddress.unsafelyUnwrapped + index
    let target = parent.targets.isEmpty ? nil : parent.targets[index]
    var fileSystem = parent.fileSystem
    if let target, target.isLeaf, options.oneFileSystem {
      fileSystem = target.fileSystem ?? entry.pointee.deviceID
    }
    let directory = SourceDirectory(
      path: parent.path(of: index), parent: parent, indexInParent: index, fileSystem: fileSystem)
    directory.previous = load(
      parent.previousNode(of: entry.pointee)?.facts.subtree, path: directory.path)
    if let target, !target.isLeaf {
      fill(directory, with: target)
      return try begin(directory)
    }
    if let fileSystem, entry.pointee.deviceID != fileSystem { return try begin(directory) }
    do throws(PlatformError) {
      try list(directory, entry, name: target == nil ? parent.bytes(entry.pointee.name) : nil)
    } catch {
      // restic, too, leaves out a directory that it cannot list.
      entry.pointee.isOmitted = true
      if error.errno == ENOENT || error.errno == ENOTDIR {
        tally.vanishedCount += 1
      } else {
        report(directory.path, error)
      }
      if schedule.complete(parent, 1) { try finish(parent) }
      return
    }
    try begin(directory)
  }

  private func list(
    _ directory: SourceDirectory, _ entry: UnsafeMutablePointer<SourceEntry>,
    name: UnsafeRawBufferPointer?
  ) throws(PlatformError) {
    let descriptor = try open(directory, name: name)
    var status = stat()
    guard fstat(descriptor.raw, &status) == 0 else {
      throw .last("fstat", printable(directory.path))
    }
    entry.pointee.take(status)
    try lister.list(descriptor.raw, into: directory)
    if schedule.mayKeepOpen() { directory.descriptor = descriptor }
  }

  /// Opens a directory: by its name in the one above while that is open, else by its path.
  private func open(
    _ directory: SourceDirectory, name: UnsafeRawBufferPointer?
  ) throws(PlatformError) -> SharedDescriptor {
    let flags = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC
    let raw: Int32
    if let above = directory.parent?.descriptor, let name = name?.baseAddress {
      raw = retryingOnInterrupt {
        openat(above.raw, name.assumingMemoryBound(to: CChar.self), flags)
      }
    } else {
      raw = PathText.withCString(directory.path) { path in
        retryingOnInterrupt { Glibc.open(path, flags) }
      }
    }
    guard raw >= 0 else { throw .last("open", printable(directory.path)) }
    return SharedDescriptor(owning: raw)
  }

  /// Fills a directory that is on the way to targets with them.
  private func fill(_ directory: SourceDirectory, with node: TargetNode) {
    let names = node.children.keys.sorted { $0.lexicographicallyPrecedes($1) }
    directory.reserve(names.count)
    for name in names {
      guard let child = node.children[name] else { continue }
      let isFilled =
        options.stream == nil
        ? lister.readTarget(child, name: name, into: directory)
        : fillStream(child, name: name, into: directory)
      if isFilled { directory.targets.append(child) }
    }
  }

  /// What comes from a descriptor has no metadata of its own.
  private func fillStream(
    _ node: TargetNode, name: [UInt8], into directory: SourceDirectory
  ) -> Bool {
    var entry = SourceEntry()
    entry.mode = node.isLeaf ? S_IFREG | 0o644 : S_IFDIR | 0o755
    let time = options.time ?? session.start
    entry.modified.seconds = time.seconds
    entry.modified.nanoseconds = time.nanoseconds
    entry.accessed = entry.modified
    entry.changed = entry.modified
    let offset = name.withUnsafeBytes { directory.arena.appendString($0) }
    entry.name = ArenaSlice(offset: offset, count: UInt32(name.count))
    directory.append(entry)
    return true
  }

  /// The tree of a directory in the parent snapshot; nil when there is none that can be read. The
  /// directory then counts as new.
  private func load(_ id: BlobID?, path: [UInt8]) -> Tree? {
    guard let id else { return nil }
    do throws(RepositoryError) { return try reader.tree(id, decoder, .strict) } catch {
      session.observe(.problem(BackupProblem(path: path, error: error)))
      return nil
    }
  }

  // MARK: From the listing to the tree

  /// Compares a listed directory with the parent's and hands its work to the schedule.
  private func begin(_ directory: SourceDirectory) throws(RepositoryError) {
    var directories: [UInt32] = []
    for index in 0..<directory.count {
      let entry = directory.entries.baseAddress.unsafelyUnwrapped + index
      if let found = directory.previous?.index(of: directory.bytes(entry.pointee.name)) {
        entry.pointee.previous = UInt32(found)
      }
      if entry.pointee.isDirectory {
        directories.append(UInt32(index))
        continue
      }
      guard entry.pointee.isRegular else { continue }
      tally.filesFound += 1
      tally.bytesFound &+= entry.pointee.size
      if try isUnchanged(entry.pointee, directory) {
        entry.pointee.content = .parent
      } else {
        directory.work.append(UInt32(index))
      }
    }
    directory.work.append(contentsOf: directories)
    if directory.work.isEmpty { return try finish(directory) }
    schedule.push(directory)
  }

  /// Source: the restic repository format, "backup rules".
  private func isUnchanged(
    _ entry: SourceEntry, _ directory: SourceDirectory
  ) throws(RepositoryError) -> Bool {
    guard let previous = directory.previous, let node = directory.previousNode(of: entry),
      node.facts.type == .file, options.stream == nil
    else { return false }
    let facts = node.facts
    guard facts.size == UInt64(clamping: entry.size),
      entry.modified.isSameInstant(as: facts.modified)
    else { return false }
    if !options.ignoresInode {
      guard facts.inode == entry.inode else { return false }
      if !options.ignoresChangeTime, !entry.changed.isSameInstant(as: facts.changed) {
        return false
      }
    }
    for blob in previous.content(of: node) {
      guard try session.deposit.has(BlobHandle(.data, blob)) else { return false }
    }
    return true
  }

  /// Writes the tree of a directory whose work is done, and of those above that this completes.
  func finish(_ directory: SourceDirectory) throws(RepositoryError) {
    var current = directory
    while true {
      if current.descriptor != nil {
        current.descriptor = nil
        schedule.didCloseDirectory()
      }
      let tree = try storeTree(of: current)
      guard let parent = current.parent else { return schedule.finish(tree) }
      parent.entries[current.indexInParent].blob = tree
      guard schedule.complete(parent, 1) else { return }
      current = parent
    }
  }
}
