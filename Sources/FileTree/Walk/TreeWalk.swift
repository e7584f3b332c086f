/// Walks a tree in preorder: a directory's listing, then its child directories in byte order of
/// their names. Holds no descriptor between calls and one list of names for each level.
package final class TreeWalk {
  private struct Level {
    let path: [UInt8]
    /// Names of child directories, last first.
    var names: [[UInt8]]
  }

  private let reader: DirectoryReader
  private let oneFileSystem: Bool
  private let onError: (TreeError) -> Void
  private var levels: [Level] = []
  private var started = false
  private var rootFileSystem: UInt64 = 0

  package init(
    root: TreeRoot, options: WalkOptions, onError: @escaping (TreeError) -> Void
  ) {
    self.reader = DirectoryReader(root: root, options: options, onError: onError)
    self.oneFileSystem = options.oneFileSystem
    self.onError = onError
  }

  /// The next directory, or nil at the end of the tree. A directory that cannot be read is given to
  /// `onError` and comes as a listing that is incomplete and empty. The root must be readable.
  package func next() throws(TreeError) -> DirectoryListing? {
    if !started {
      started = true
      let listing = try reader.read([])
      rootFileSystem = listing.directory.fileSystem
      push(listing)
      return listing
    }
    while var level = levels.popLast() {
      guard let name = level.names.popLast() else { continue }
      let path = name.withUnsafeBytes { level.path.appending($0) }
      levels.append(level)
      let listing: DirectoryListing
      do throws(TreeError) {
        listing = try reader.read(path)
      } catch {
        onError(error)
        listing = DirectoryListing(path: path)
        listing.isIncomplete = true
      }
      push(listing)
      return listing
    }
    return nil
  }

  private func push(_ listing: DirectoryListing) {
    var names: [[UInt8]] = []
    for entry in listing.entries.reversed() where entry.kind == .directory && !entry.isLeftover {
      if oneFileSystem, entry.fileSystem != rootFileSystem { continue }
      names.append([UInt8](listing.name(of: entry)))
    }
    if !names.isEmpty { levels.append(Level(path: listing.path, names: names)) }
  }
}
