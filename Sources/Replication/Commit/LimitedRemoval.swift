import FileTree
import Glibc
import Platform

/// Removes what the source does not have, entry by entry, up to a number of entries: directories
/// count as all that is in them and themselves, as with rsync's `--max-delete`.
///
/// What is left when the number is used up stays and is counted, and nothing more is removed.
/// Confined to one thread whose working directory a ``DirectoryReader`` may move.
final class LimitedRemoval {
  private let root: TreeRoot
  private let removal: TreeRemoval
  private let reader: DirectoryReader
  private let problems = Problems()
  private var left: Int
  /// Entries that were left because of the limit. A directory that stays for what is left in it is
  /// not counted again.
  private(set) var refusedCount = 0

  /// One entry on the way down a tree.
  private struct Step {
    let directory: [UInt8]
    let name: [UInt8]
    let isDirectory: Bool
    /// For a directory whose content is being gone through: what was refused before it.
    var refusedBefore: Int?
    var path: [UInt8] { name.withUnsafeBytes { directory.appending($0) } }
  }

  init(root: TreeRoot, removal: TreeRemoval, filter: FilterRules, countMax: Int) {
    self.root = root
    self.removal = removal
    left = countMax
    var options = WalkOptions()
    options.filter = filter
    let problems = problems
    reader = DirectoryReader(root: root, options: options) { problems.first = problems.first ?? $0 }
  }

  /// Removes a name and what is in it; `removed` is told of each entry, children first.
  /// - Throws: the first failure, after which the rest of this name stays.
  func remove(
    _ directory: [UInt8], _ name: [UInt8], removed: (_ path: [UInt8]) throws -> Void
  ) throws {
    let isDirectory = try isDirectory(directory, name)
    var steps = [Step(directory: directory, name: name, isDirectory: isDirectory)]
    while let step = steps.last {
      if step.isDirectory, step.refusedBefore == nil {
        steps[steps.count - 1].refusedBefore = refusedCount
        try steps.append(contentsOf: children(of: step.path))
        continue
      }
      steps.removeLast()
      try removeOne(step, removed)
    }
  }

  private func isDirectory(_ directory: [UInt8], _ name: [UInt8]) throws(TreeError) -> Bool {
    let parent = try root.openDirectory(directory)
    var status = stat()
    let code = name.withCString { fstatat(parent.raw, $0, &status, AT_SYMLINK_NOFOLLOW) }
    return code == 0 && status.st_mode & S_IFMT == S_IFDIR
  }

  private func children(of path: [UInt8]) throws(TreeError) -> [Step] {
    let listing = try reader.read(path)
    if let error = problems.take() { throw error }
    return listing.entries.map {
      Step(
        directory: path, name: [UInt8](listing.name(of: $0)), isDirectory: $0.kind == .directory)
    }
  }

  private func removeOne(_ step: Step, _ removed: (_ path: [UInt8]) throws -> Void) throws {
    guard left > 0 else {
      if refusedCount == step.refusedBefore ?? refusedCount { refusedCount += 1 }
      return
    }
    let before = removal.removedCount
    // A directory that holds excluded entries stays, as with rsync.
    let isGone = try removal.remove(step.directory, step.name)
    left -= Int(clamping: removal.removedCount - before)
    if isGone, removal.removedCount > before { try removed(step.path) }
  }

  private final class Problems {
    var first: TreeError?

    func take() -> TreeError? {
      defer { first = nil }
      return first
    }
  }
}
