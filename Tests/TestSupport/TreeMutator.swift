import Glibc
import Platform

/// Changes a tree at random, as its users would between two runs of a replication.
package struct TreeMutator {
  private let root: ByteFiles.Path
  private let isRoot: Bool
  private var random: SeededGenerator
  private var log: [String] = []
  private var nameCount = 0
  private let seed: UInt64

  /// Makes `count` random changes below the directory `path`.
  ///
  /// Every change can be seen by type, size, times or attributes: content never changes behind an
  /// unchanged time.
  ///
  /// - Returns: what was done, a line for each change, for the report of a failing test.
  @discardableResult
  package static func mutate(at path: String, seed: UInt64, count: Int = 60) throws -> [String] {
    var mutator = TreeMutator(
      root: Array(path.utf8), isRoot: geteuid() == 0, random: SeededGenerator(seed: seed),
      seed: seed)
    for index in 0..<count {
      // Each kind once, then at random.
      let change =
        index < Change.allCases.count
        ? Change.allCases[index] : mutator.random.pick(Change.allCases)
      try mutator.apply(change)
    }
    return mutator.log
  }

  private enum Change: String, CaseIterable {
    case overwrite, append, truncate, insert, sameSizeRewrite, rename, move, changeType, mode, owner
    case times, attribute, list, newLink, removeLink, punchHole, removeSubtree, newSubtree
    case replaceByRename, rootAttributes
  }

  private mutating func apply(_ change: Change) throws {
    switch change {
    case .overwrite, .append, .truncate, .insert, .sameSizeRewrite, .punchHole:
      try changeContent(change)
    case .rename: try renameEntry()
    case .move: try moveEntry()
    case .replaceByRename: try replaceByRename()
    case .changeType: try changeType()
    case .mode, .owner, .times, .attribute, .list: try changeAttributes(change)
    case .newLink: try makeLink()
    case .removeLink: try removeLink()
    case .removeSubtree: try removeSubtree()
    case .newSubtree: try makeSubtree()
    case .rootAttributes: try changeRootAttributes()
    }
  }

  // MARK: Choosing

  /// A random entry of one of the given types below the root; nil when there is none.
  private mutating func pick(_ types: Set<mode_t>) throws -> ByteFiles.Path? {
    let found = try ByteFiles.tree(root).filter { types.contains($0.kind) }
    return found.isEmpty ? nil : ByteFiles.join(root, random.pick(found).path)
  }

  /// A random directory that may be shallow enough to hold more, the root included.
  private mutating func pickDirectory() throws -> ByteFiles.Path {
    let found = try ByteFiles.tree(root).filter { $0.kind == S_IFDIR && $0.path.count < 1500 }
    let index = random.below(found.count + 1)
    return index == found.count ? root : ByteFiles.join(root, found[index].path)
  }

  private mutating func newName() -> [UInt8] {
    nameCount += 1
    let start = random.pick(["new", "zz", "A", "-x", "é"])
    return Array("\(start)-\(seed)-\(nameCount)".utf8)
  }

  private mutating func note(_ change: String, _ path: ByteFiles.Path) {
    log.append("\(change) \(printable(path.dropFirst(root.count + 1)))")
  }

  // MARK: Content

  private mutating func changeContent(_ change: Change) throws {
    guard let file = try pick([S_IFREG]) else { return }
    let size = Int(try ByteFiles.status(file).st_size)
    switch change {
    case .append:
      try ByteFiles.overwrite(file, random.bytes(1 + random.below(70_000)), at: size)
    case .truncate where size > 0:
      try ByteFiles.truncate(file, sizeBytes: random.below(size))
    case .insert where size < 16 << 20:
      var content = try ByteFiles.read(file)
      content.insert(
        contentsOf: random.bytes(1 + random.below(5000)), at: random.below(content.count + 1))
      try ByteFiles.write(file, content)
    case .sameSizeRewrite where size > 0 && size < 16 << 20:
      try ByteFiles.write(file, random.bytes(size))
    case .punchHole where size > 8192:
      let offset = random.below(size / 4096) * 4096
      try ByteFiles.punchHole(file, at: offset, sizeBytes: min(65_536, size - offset))
      // Not every file system takes a hole for a change of content.
      let now = WallTime.now()
      try ByteFiles.setTime(
        file, seconds: Int(now.seconds), nanoseconds: Int(now.nanoseconds))
    default:
      let offset = size == 0 ? 0 : random.below(min(size, 8 << 20))
      try ByteFiles.overwrite(file, random.bytes(1 + random.below(5000)), at: offset)
    }
    note(change.rawValue, file)
  }

  // MARK: Names

  private mutating func renameEntry() throws {
    guard let path = try pick([S_IFREG, S_IFDIR, S_IFLNK, S_IFIFO]) else { return }
    note("rename", path)
    try ByteFiles.rename(path, to: ByteFiles.join(parent(of: path), newName()))
  }

  private mutating func moveEntry() throws {
    guard let path = try pick([S_IFREG, S_IFDIR, S_IFLNK, S_IFSOCK]) else { return }
    let directory = try pickDirectory()
    // A directory cannot move into itself.
    guard !(directory + slash).starts(with: path + slash) else { return try renameEntry() }
    note("move to \(printable(directory.dropFirst(root.count)))/", path)
    try ByteFiles.rename(path, to: ByteFiles.join(directory, newName()))
  }

  /// What editors do: a new file takes the place of the old one.
  private mutating func replaceByRename() throws {
    guard let file = try pick([S_IFREG]) else { return }
    let new = ByteFiles.join(parent(of: file), newName())
    try ByteFiles.write(new, random.bytes(random.below(20_000)))
    try ByteFiles.rename(new, to: file)
    note("replace", file)
  }

  private mutating func makeLink() throws {
    guard let path = try pick([S_IFREG, S_IFLNK, S_IFIFO]) else { return }
    note("link", path)
    try ByteFiles.link(ByteFiles.join(try pickDirectory(), newName()), to: path)
  }

  private mutating func removeLink() throws {
    var linked: [ByteFiles.Path] = []
    for (path, kind) in try ByteFiles.tree(root) where kind != S_IFDIR {
      let full = ByteFiles.join(root, path)
      if try ByteFiles.status(full).st_nlink > 1 { linked.append(full) }
    }
    guard !linked.isEmpty else { return }
    let path = random.pick(linked)
    note("remove link", path)
    try ByteFiles.remove(path)
  }

  private mutating func removeSubtree() throws {
    guard let path = try pick([S_IFDIR]), try ByteFiles.walk(path).count < 400 else {
      guard let path = try pick([S_IFREG, S_IFLNK, S_IFIFO, S_IFSOCK]) else { return }
      note("remove", path)
      return try ByteFiles.remove(path)
    }
    note("remove subtree", path)
    try ByteFiles.remove(path)
  }

  private mutating func makeSubtree() throws {
    let directory = ByteFiles.join(try pickDirectory(), newName())
    note("new subtree", directory)
    try fillNewDirectory(directory)
    let below = ByteFiles.join(directory, "below")
    try fillNewDirectory(below)
    try ByteFiles.makeSymlink(ByteFiles.join(below, "up"), target: Array("..".utf8))
    try ByteFiles.link(ByteFiles.join(below, "same"), to: ByteFiles.join(directory, "file-0"))
  }

  private mutating func fillNewDirectory(_ path: ByteFiles.Path) throws {
    try ByteFiles.makeDirectory(path)
    for index in 0..<(2 + random.below(6)) {
      try ByteFiles.write(
        ByteFiles.join(path, "file-\(index)"), random.bytes(random.below(30_000)))
    }
  }

  // MARK: Types

  private mutating func changeType() throws {
    guard let path = try pick([S_IFREG, S_IFDIR, S_IFLNK, S_IFIFO]) else { return }
    let old = try ByteFiles.kind(path)
    if old == S_IFDIR, try ByteFiles.walk(path).count > 400 { return }
    let new = random.pick([S_IFREG, S_IFDIR, S_IFLNK, S_IFIFO].filter { $0 != old })
    note("type \(String(old, radix: 8)) to \(String(new, radix: 8))", path)
    try ByteFiles.remove(path)
    switch new {
    case S_IFDIR: try fillNewDirectory(path)
    case S_IFLNK: try ByteFiles.makeSymlink(path, target: Array("to/\(nameCount)".utf8))
    case S_IFIFO: try ByteFiles.makeNode(path, type: S_IFIFO)
    default: try ByteFiles.write(path, random.bytes(random.below(10_000)))
    }
  }

  // MARK: Attributes

  private mutating func changeAttributes(_ change: Change) throws {
    let types: Set<mode_t> = [S_IFREG, S_IFDIR]
    guard let path = try pick(change == .times ? types.union([S_IFLNK, S_IFIFO]) : types) else {
      return
    }
    note(change.rawValue, path)
    switch change {
    case .mode:
      try ByteFiles.setMode(path, random.pick([0o600, 0o751, 0o2770, 0o4711, 0o1777, 0o000]))
    case .owner where isRoot:
      try ByteFiles.setOwner(
        path, user: UInt32(random.below(70_000)), group: UInt32(random.below(70_000)))
    case .attribute:
      try changeExtendedAttribute(path)
    case .list:
      try changeList(path)
    default:
      try ByteFiles.setTime(
        path, seconds: 1_400_000_000 + random.below(300_000_000),
        nanoseconds: random.below(1_000_000_000))
    }
  }

  private mutating func changeExtendedAttribute(_ path: ByteFiles.Path) throws {
    let name = isRoot ? random.pick(["user.note", "user.new", "trusted.seen"]) : "user.note"
    if random.chance(0.3), try ByteFiles.removeAttributeIfPresent(path, name) { return }
    try ByteFiles.setAttribute(path, name, random.bytes(1 + random.below(60)))
  }

  private mutating func changeList(_ path: ByteFiles.Path) throws {
    let isDirectory = try ByteFiles.kind(path) == S_IFDIR
    let name =
      isDirectory && random.chance(0.5)
      ? AccessControlList.defaultName : AccessControlList.accessName
    if random.chance(0.3), try ByteFiles.removeAttributeIfPresent(path, name) { return }
    try ByteFiles.setAttribute(
      path, name,
      AccessControlList.value(
        user: UInt32(3000 + random.below(999)), group: UInt32(4000 + random.below(999)),
        permissions: UInt16(random.below(8)), otherPermissions: UInt16(random.below(8))))
  }

  private mutating func changeRootAttributes() throws {
    note("root attributes", root)
    try ByteFiles.setMode(root, random.pick([0o755, 0o2751, 0o700, 0o1777]))
    try ByteFiles.setAttribute(root, "user.root", random.bytes(12))
    try ByteFiles.setTime(
      root, seconds: 1_400_000_000 + random.below(300_000_000),
      nanoseconds: random.below(1_000_000_000))
  }

  private func parent(of path: ByteFiles.Path) -> ByteFiles.Path {
    guard let end = path.lastIndex(of: slash[0]) else { return root }
    return Array(path[..<end])
  }

  private let slash = [UInt8(ascii: "/")]
}
