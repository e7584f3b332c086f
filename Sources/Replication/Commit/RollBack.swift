import FileTree
import Glibc
import Platform

/// Puts what an interrupted in-place run has overwritten back to its last committed state.
package struct RollBack {
  private let root: String
  private let undoDirectory: String?
  /// Told of each file or volume that was put back, with the count of its saved pieces.
  private let report: @Sendable (_ path: [UInt8], _ count: Int) -> Void

  package init(
    root: String, undoDirectory: String? = nil,
    report: @escaping @Sendable (_ path: [UInt8], _ count: Int) -> Void
  ) {
    self.root = root
    self.undoDirectory = undoDirectory
    self.report = report
  }

  /// Gives the number of files or volumes put back. An interruption loses nothing: a rerun starts
  /// over from the same journals.
  /// - Throws: `ReplicationError`, `TreeError`.
  package func run() throws -> Int {
    var status = stat()
    guard stat(root, &status) == 0 else {
      throw ReplicationError.root(path: root, reason: PlatformError.reason(of: errno))
    }
    if status.st_mode & S_IFMT == S_IFDIR {
      let tree = try TreeRoot(path: root)
      // The walk moves its thread's working directory.
      return try Thread<Int>("roll back") { try self.rollBack(tree) }.join()
    }
    return try rollBackVolume(isDevice: status.st_mode & S_IFMT == S_IFBLK)
  }

  private func rollBackVolume(isDevice: Bool) throws -> Int {
    let place = try UndoPlace(of: root, undoDirectory)
    let journal = retryingOnInterrupt {
      openat(place.directory.raw, place.name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC)
    }
    if journal < 0, errno == ENOENT { return 0 }
    guard journal >= 0 else {
      throw ReplicationError.file(.last("openat"), path: Array(place.name.utf8))
    }
    let source = SharedDescriptor(owning: journal)
    let raw = retryingOnInterrupt { open(root, O_RDWR | O_CLOEXEC) }
    guard raw >= 0 else {
      throw ReplicationError.root(path: root, reason: PlatformError.reason(of: errno))
    }
    let target = SharedDescriptor(owning: raw)
    try rollBack(source, target, isDevice: isDevice, path: Array(root.utf8))
    place.remove()
    return 1
  }

  private func rollBack(_ tree: TreeRoot) throws -> Int {
    var failure: TreeError?
    let walk = TreeWalk(root: tree, options: WalkOptions()) { failure = $0 }
    var count = 0
    while let listing = try walk.next() {
      for entry in listing.entries where entry.isLeftover {
        guard TemporaryName.isUndo(listing.name(of: entry)) else { continue }
        try rollBack(entry, in: listing, tree)
        count += 1
      }
    }
    if let failure { throw failure }
    return count
  }

  private func rollBack(_ entry: Entry, in listing: DirectoryListing, _ tree: TreeRoot) throws {
    let path = listing.path(of: entry)
    let journal = tree.openRaw(path, flags: O_RDONLY)
    guard journal >= 0 else { throw ReplicationError.file(.last("openat2"), path: path) }
    let source = SharedDescriptor(owning: journal)
    guard let head = UndoJournal.readHead(journal) else {
      // Nothing was overwritten before the head was durable.
      return try remove(entry, in: listing, tree)
    }
    let isSafe = head.targetName.withUnsafeBytes(RelativePath.isSafeName)
    guard isSafe else {
      throw ReplicationError.undoDamaged(path: printable(path), reason: "unsafe name of the target")
    }
    let targetPath = head.targetName.withUnsafeBytes { listing.path.appending($0) }
    let raw = tree.openRaw(targetPath, flags: O_RDWR)
    guard raw >= 0 else { throw ReplicationError.file(.last("openat2"), path: targetPath) }
    let target = SharedDescriptor(owning: raw)
    try rollBack(source, target, isDevice: false, path: targetPath)
    try remove(entry, in: listing, tree)
  }

  private func rollBack(
    _ journal: SharedDescriptor, _ target: SharedDescriptor, isDevice: Bool, path: [UInt8]
  ) throws {
    do throws(PlatformError) {
      report(
        path, try UndoJournal.rollBack(journal.raw, target: target.raw, isDevice: isDevice))
    } catch {
      throw ReplicationError.file(error, path: path)
    }
  }

  private func remove(_ entry: Entry, in listing: DirectoryListing, _ tree: TreeRoot) throws {
    let directory = try tree.openDirectory(listing.path)
    guard unlinkat(directory.raw, listing.cName(of: entry), 0) == 0 else {
      throw ReplicationError.file(.last("unlinkat"), path: listing.path(of: entry))
    }
    _ = fsync(directory.raw)
  }
}
