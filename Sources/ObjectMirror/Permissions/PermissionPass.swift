package import FileTree
import Glibc
import Platform
import TreeComparison

/// Makes a volume what `permissions.facl` says of it, as far as the mirror of the files does not:
/// owners, modes, lists and, when Drover has written it, times, links and empty directories.
///
/// ``prepare(_:)`` comes before the mirror, ``finish(_:)`` after it. Both read the list once, piece
/// by piece, and hold no part of it that grows with the volume. Whatever the list says, nothing
/// outside of the root is touched. Each call blocks, once for each object; any thread.
package final class PermissionPass {
  private enum Mark: UInt8 {
    case apply = 1
    case removeIfEmpty = 2
  }

  private let root: TreeRoot
  private let selection: VolumeSelection
  private let isCancelled: @Sendable () -> Bool
  private let tell: (PermissionEvent) -> Void
  private let accounts = AccountNumbers()
  private let setter: PermissionSetter
  /// Directories that wait for their turn, deepest first.
  private let directories: PathSpool
  private let counter = Counter()

  private final class Counter {
    var figures = PermissionFigures()
  }

  package init(
    _ root: TreeRoot, _ selection: VolumeSelection, temporaryDirectory: String,
    isCancelled: @escaping @Sendable () -> Bool, tell: @escaping (PermissionEvent) -> Void
  ) {
    self.root = root
    self.selection = selection
    self.isCancelled = isCancelled
    self.tell = tell
    directories = PathSpool(directory: temporaryDirectory)
    let counter = counter
    setter = PermissionSetter(root: root) { path, message in
      counter.figures.problemCount += 1
      tell(.problem(path: path, message: message))
    }
  }

  private func problem(_ path: [UInt8], _ message: String) {
    counter.figures.problemCount += 1
    tell(.problem(path: path, message: message))
  }

  private func trying(_ path: [UInt8], _ body: () throws(TreeError) -> Void) {
    do throws(TreeError) { try body() } catch { problem(path, error.message) }
  }

  private func list(_ reader: AccessTextReader) throws(MirrorError) -> PermissionList {
    try PermissionList(reader, selection) { [self] in problem($0, $1) }
  }

  private func cursor(ignoresMissing: Bool) -> VolumeCursor {
    VolumeCursor(root: root, selection) { [self] error in
      if ignoresMissing, case .system(let cause, _) = error, cause.errno == ENOENT { return }
      problem(error.path, error.message)
    }
  }

  private func join(
    _ list: PermissionList, _ cursor: VolumeCursor
  ) -> MergeJoin<PermissionEntry, VolumeItem, MirrorError> {
    MergeJoin(
      left: { () throws(MirrorError) in try list.next() },
      right: { () throws(MirrorError) in try cursor.next() },
      order: { VolumeCursor.order($0.path, $1.path) })
  }

  /// What a list is about.
  package struct Contents: Sendable {
    /// Drover has written it, so that it knows links and empty directories.
    package let isOwn: Bool
    /// It holds something besides the root.
    package let hasEntries: Bool

    /// Whether a restore brings anything from a remote that has files, or has none.
    package func isWorthRestoring(hasFiles: Bool) -> Bool { hasFiles || isOwn && hasEntries }
  }

  /// Looks at the beginning of a list.
  package static func contents(
    of reader: AccessTextReader, _ selection: VolumeSelection
  ) throws(MirrorError) -> Contents {
    let list = try PermissionList(reader, selection) { _, _ in }
    var hasEntries = false
    while !hasEntries, let entry = try list.next() { hasEntries = !entry.path.isEmpty }
    return Contents(isOwn: list.isOwn, hasEntries: hasEntries)
  }

  // MARK: Before the mirror

  /// Removes what has the name of a directory and is none, and directories that have the name of
  /// something else; makes directories accessible to their owner. A list that does not know kinds
  /// changes nothing.
  package func prepare(_ reader: AccessTextReader) throws(MirrorError) {
    let list = try list(reader)
    guard list.isOwn else { return }
    let removal = TreeRemoval(root: root, filter: selection.walkFilter)
    var join = join(list, cursor(ignoresMissing: true))
    while let place = try join.next() {
      if isCancelled() { throw .cancelled }
      guard case .both(let entry, let item) = place, !entry.path.isEmpty else { continue }
      let isDirectory = item.entry.kind == .directory
      if entry.isDirectory != isDirectory {
        trying(entry.path) { () throws(TreeError) in
          let (directory, name) = entry.path.splitLast()
          _ = try removal.remove(directory, name)
        }
      } else if isDirectory, geteuid() != 0, item.entry.mode & 0o700 != 0o700 {
        trying(entry.path) { () throws(TreeError) in try setter.open(entry.path, item.entry.mode) }
      }
    }
  }

  // MARK: After the mirror

  /// Applies the list to the volume, to the disk. What could not be done is told and counted; the
  /// rest is done. Unless `removesUnlisted`, links and empty directories that the list has not
  /// stay.
  /// - Throws: `.permissions` and `.damaged` for a list that is none, `.cancelled`; `.local` when
  ///   the disk refuses.
  package func finish(
    _ reader: AccessTextReader, removesUnlisted: Bool
  ) throws(MirrorError) -> PermissionFigures {
    let list = try list(reader)
    if list.isOwn {
      try finishOwn(list, removesUnlisted: removesUnlisted)
    } else {
      try finishForeign(list)
    }
    try applyDirectories()
    guard FileSystem.synchronize(root.descriptor) == 0 else {
      throw .local(.last("syncfs"), path: [])
    }
    counter.figures.entryCount = list.entryCount
    counter.figures.ownerProblemCount = setter.ownerProblemCount
    return counter.figures
  }

  private func finishOwn(
    _ list: PermissionList, removesUnlisted: Bool
  ) throws(MirrorError) {
    var join = join(list, cursor(ignoresMissing: false))
    while let place = try join.next() {
      if isCancelled() { throw .cancelled }
      switch place {
      case .left(let entry): try make(entry)
      case .both(let entry, let item): try adapt(item, to: entry)
      case .right(let item):
        if removesUnlisted { try remove(unlisted: item) }
      }
    }
  }

  private func make(_ entry: PermissionEntry) throws(MirrorError) {
    switch entry.content {
    case .link(let link): make(link, at: entry.path, isThere: false)
    case .record(let record, .directory):
      try makeDirectory(entry.path, record)
    case .record:
      counter.figures.missingFileCount += 1
      tell(.missing(path: entry.path, isFile: true))
    }
  }

  private func make(_ link: AccessLink, at path: [UInt8], isThere: Bool) {
    trying(path) { () throws(TreeError) in
      try setter.makeLink(link, at: path, isThere: isThere)
      if isThere { counter.figures.changedCount += 1 } else { counter.figures.madeCount += 1 }
    }
  }

  private func makeDirectory(
    _ path: [UInt8], _ record: AccessRecord
  ) throws(MirrorError) {
    var isMade = false
    trying(path) { () throws(TreeError) in
      try setter.makeDirectory(path)
      isMade = true
    }
    guard isMade else { return }
    counter.figures.madeCount += 1
    try putAside(.apply, path, WantedAccess(record, isDirectory: true, accounts))
  }

  private func adapt(_ item: VolumeItem, to entry: PermissionEntry) throws(MirrorError) {
    let kind = item.entry.kind
    switch entry.content {
    case .link(let link):
      guard kind != .directory else { return problem(entry.path, "it is a directory, not a link") }
      let isThere =
        kind == .symbolicLink && item.listing.bytes(item.entry.target).elementsEqual(link.target)
      let hasAll =
        isThere && item.entry.userID == link.userID && item.entry.groupID == link.groupID
        && item.modified == link.modified
      if !hasAll { make(link, at: entry.path, isThere: isThere) }
    case .record(let record, _):
      let wanted = WantedAccess(record, isDirectory: entry.isDirectory, accounts)
      guard entry.isDirectory == (kind == .directory), kind == .directory || kind == .regular
      else { return problem(entry.path, "it is not what the list says that it is") }
      // What changes in a directory changes its time.
      if entry.isDirectory { return try putAside(.apply, entry.path, wanted) }
      if !wanted.isMet(by: item) { apply(wanted, to: entry.path, isDirectory: false) }
    }
  }

  private func apply(_ wanted: WantedAccess, to path: [UInt8], isDirectory: Bool) {
    setter.apply(wanted, to: path, isDirectory: isDirectory)
    counter.figures.changedCount += 1
  }

  /// What the list has not: the mirror has removed files, and left what no bucket keeps.
  private func remove(unlisted item: VolumeItem) throws(MirrorError) {
    switch item.entry.kind {
    case .directory: try putAside(.removeIfEmpty, item.path, nil)
    case .regular:
      counter.figures.unlistedCount += 1
      tell(.unlisted(path: item.path))
    default:
      trying(item.path) { () throws(TreeError) in
        try setter.remove(item.path)
        counter.figures.removedCount += 1
      }
    }
  }

  // MARK: Lists of getfacl

  /// Applies records in any order; of what is not there, nothing is known but that a list for what
  /// is made in it makes it a directory.
  private func finishForeign(_ list: PermissionList) throws(MirrorError) {
    while let entry = try list.next() {
      if isCancelled() { throw .cancelled }
      guard case .record(let record, _) = entry.content else { continue }
      switch kind(of: entry.path) {
      case S_IFDIR:
        try putAside(.apply, entry.path, WantedAccess(record, isDirectory: true, accounts))
      case S_IFREG:
        let wanted = WantedAccess(record, isDirectory: false, accounts)
        apply(wanted, to: entry.path, isDirectory: false)
      case 0 where !record.inherited.isEmpty: try makeDirectory(entry.path, record)
      case 0:
        counter.figures.missingOtherCount += 1
        tell(.missing(path: entry.path, isFile: false))
      default: problem(entry.path, "it is neither a file nor a directory")
      }
    }
  }

  /// The type of what has a path; 0 when nothing has.
  private func kind(of path: [UInt8]) -> mode_t {
    var status = stat()
    // A parent that is not there, or is a link, has nothing in it.
    guard let (parent, name) = try? setter.place(of: path) else { return 0 }
    let code = name.withCString { fstatat(parent, $0, &status, AT_SYMLINK_NOFOLLOW) }
    return code == 0 ? status.st_mode & S_IFMT : 0
  }

  // MARK: Directories

  private func putAside(
    _ mark: Mark, _ path: [UInt8], _ wanted: WantedAccess?
  ) throws(MirrorError) {
    var writer = SpooledWriter()
    writer.put(mark.rawValue)
    writer.put(path)
    wanted?.put(to: &writer)
    try directories.append(writer.record)
  }

  /// The deepest come first, so that none is closed before what is in it has been reached.
  private func applyDirectories() throws(MirrorError) {
    while let record = try directories.popLast() {
      if isCancelled() { throw .cancelled }
      var reader = SpooledReader(record[...])
      let mark = reader.byte()
      let path = reader.bytes()
      guard mark == Mark.apply.rawValue else {
        trying(path) { () throws(TreeError) in
          if try setter.removeDirectoryIfEmpty(path) { counter.figures.removedCount += 1 }
        }
        continue
      }
      apply(WantedAccess(spooled: &reader), to: path, isDirectory: true)
    }
  }
}
