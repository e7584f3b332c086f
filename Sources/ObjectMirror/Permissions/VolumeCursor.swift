import FileTree
import Platform
import TreeComparison

/// One thing in a volume; the root has an empty path.
struct VolumeItem {
  let path: [UInt8]
  let entry: Entry
  /// Where the entry's names and attributes are.
  let listing: DirectoryListing

  /// The list of an attribute such as `system.posix_acl_access`; nil for none.
  func attribute(_ wanted: StaticString) -> [UInt8]? {
    var reader = ByteReader(listing.bytes(entry.attributes))
    while reader.remaining > 0 {
      // The block was made by the walk.
      guard let (name, value) = try? AttributeBlock.next(&reader) else { return nil }
      let isWanted = wanted.withUTF8Buffer {
        compareBytes(name, UnsafeRawBufferPointer($0)) == 0
      }
      if isWanted { return [UInt8](value) }
    }
    return nil
  }

  var modified: WallTime {
    WallTime(seconds: entry.modifiedSeconds, nanoseconds: Int32(entry.modifiedNanoseconds))
  }
}

/// What takes part of a volume, one thing after the other: the root, then all that is directly in
/// it, by name, then what is in its first directory, and so on. That is the order of
/// `permissions.facl`.
///
/// Reads ahead on a thread of its own by a bounded number of bytes. Confined to one thread itself.
final class VolumeCursor {
  private let walk: WalkStream
  private let selection: VolumeSelection
  private let onProblem: (TreeError) -> Void
  private var listing: DirectoryListing?
  private var index = 0
  private var fileSystem: UInt64 = 0
  /// The last directory that takes no part, with a slash at its end.
  private var excluded: [UInt8]?

  init(
    root: TreeRoot, _ selection: VolumeSelection, onProblem: @escaping (TreeError) -> Void
  ) {
    var options = WalkOptions()
    options.oneFileSystem = true
    options.filter = selection.walkFilter
    walk = WalkStream(root: root, options: options)
    self.selection = selection
    self.onProblem = onProblem
  }

  deinit { walk.stop() }

  /// The next thing; nil at the end.
  /// - Throws: what stops the walk: a root that cannot be read.
  func next() throws(MirrorError) -> VolumeItem? {
    while true {
      if let listing, index < listing.entries.count {
        let entry = listing.entries[index]
        index += 1
        if entry.isLeftover { continue }
        if entry.kind == .directory, entry.fileSystem != fileSystem { continue }
        let path = listing.path(of: entry)
        guard selection.includes(path, entry) else { continue }
        return VolumeItem(path: path, entry: entry, listing: listing)
      }
      guard let step = try step() else { return nil }
      for problem in step.problems
      where problem.path.isEmpty || selection.includes(problem.path, isDirectory: true) {
        onProblem(problem)
      }
      guard let next = step.listing, takesPart(next.path) else { continue }
      (listing, index) = (next, 0)
      guard next.path.isEmpty else { continue }
      fileSystem = next.directory.fileSystem
      return VolumeItem(path: [], entry: next.directory, listing: next)
    }
  }

  private func takesPart(_ path: [UInt8]) -> Bool {
    guard !path.isEmpty else { return true }
    if let excluded {
      if path.starts(with: excluded) { return false }
      self.excluded = nil
    }
    let isIncluded = path.withUnsafeBufferPointer { selection.filter.includes(directory: $0) }
    if !isIncluded { excluded = path + [0x2f] }
    return isIncluded
  }

  private func step() throws(MirrorError) -> WalkStep? {
    do {
      return try walk.next()
    } catch {
      guard case .system(let failure, let path)? = error as? TreeError else { throw .cancelled }
      throw .local(failure, path: path)
    }
  }

  /// The order of the things: negative when `a` comes first.
  static func order(_ a: [UInt8], _ b: [UInt8]) -> Int {
    if a.isEmpty || b.isEmpty { return a.count - b.count }
    let (first, second) = (a.splitLast(), b.splitLast())
    let order = compareWalkOrder(first.directory, second.directory)
    guard order == 0 else { return order }
    return first.name.withUnsafeBytes { name in
      second.name.withUnsafeBytes { compareBytes(name, $0) }
    }
  }
}
