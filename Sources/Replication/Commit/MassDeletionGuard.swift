import FileTree
import Glibc
import Platform

/// Counts what a run would delete, and ends the run when that is too much of the destination.
///
/// Confined to one thread whose working directory a ``DirectoryReader`` may move.
final class MassDeletionGuard {
  private let root: TreeRoot
  private let limit: ShareLimit
  private let reader: DirectoryReader
  private var plannedCount: Int64 = 0

  init(root: TreeRoot, filter: FilterRules, limit: ShareLimit) {
    self.root = root
    self.limit = limit
    var options = WalkOptions()
    options.filter = filter
    // What cannot be read cannot be deleted either.
    reader = DirectoryReader(root: root, options: options) { _ in }
  }

  /// Counts a name and what is in it; `step` is called for each directory.
  func add(_ directory: [UInt8], _ name: [UInt8], step: () -> Void) throws {
    plannedCount += 1
    guard try isDirectory(directory, name) else { return }
    var paths = [name.withUnsafeBytes { directory.appending($0) }]
    while let path = paths.popLast() {
      step()
      let listing = try reader.read(path)
      plannedCount += Int64(listing.entries.count)
      for entry in listing.entries where entry.kind == .directory {
        let child = [UInt8](listing.name(of: entry))
        paths.append(child.withUnsafeBytes { path.appending($0) })
      }
    }
  }

  /// - Throws: `ReplicationError.massDeletion`. `keptCount` is what was here before and stays.
  func judge(keptCount: Int64) throws {
    let total = keptCount + plannedCount
    guard limit.isExceeded(lost: plannedCount, of: total) else { return }
    throw ReplicationError.massDeletion(planned: plannedCount, total: total)
  }

  private func isDirectory(_ directory: [UInt8], _ name: [UInt8]) throws(TreeError) -> Bool {
    let parent = try root.openDirectory(directory)
    var status = stat()
    let code = name.withCString { fstatat(parent.raw, $0, &status, AT_SYMLINK_NOFOLLOW) }
    return code == 0 && status.st_mode & S_IFMT == S_IFDIR
  }
}
