import FileTree
import Glibc
import Platform

/// The end of a run, after all data has come: hard links, deletions, attributes and times of
/// directories, then everything made durable, then the undo journals removed.
final class TreeCommit {
  private let root: TreeRoot
  private let journal: RunJournal
  private let writer: TreeWriter
  private let removal: TreeRemoval
  private let state: ReceiverState
  private let builder: RecordBuilder
  /// Of what the source does not have; nil without a limit.
  private let limited: LimitedRemoval?
  private let massDeletion: MassDeletionGuard?

  init(
    root: TreeRoot, journal: RunJournal, writer: TreeWriter, filter: FilterRules,
    deleteCountMax: Int?, deletionLimit: ShareLimit?, state: ReceiverState, builder: RecordBuilder
  ) {
    self.root = root
    self.journal = journal
    self.writer = writer
    self.state = state
    self.builder = builder
    removal = TreeRemoval(root: root, filter: filter)
    limited = deleteCountMax.map { [removal] in
      LimitedRemoval(root: root, removal: removal, filter: filter, countMax: $0)
    }
    // A sender that says how much may be deleted has decided.
    massDeletion = deletionLimit.flatMap { limit in
      deleteCountMax == nil ? MassDeletionGuard(root: root, filter: filter, limit: limit) : nil
    }
  }

  /// Does all of it. `mayDelete` is false when parts of the source could not be read.
  func run(mayDelete: Bool) throws {
    if mayDelete { try guardAgainstMassDeletion() }
    try makeLinks()
    try delete(mayDelete: mayDelete)
    try restoreTimes()
    try setAttributes()
    if let limited, limited.refusedCount > 0 {
      state.warn(
        [], "\(limited.refusedCount) deletions were not done: more than --max-delete",
        tell: builder)
    }
    try synchronize()
    // From here on the run is committed. Removing the journals touches their directories once more.
    if try removeUndoJournals() {
      try restoreTimes()
      try setAttributes()
      try synchronize()
    }
  }

  private func guardAgainstMassDeletion() throws {
    guard let massDeletion else { return }
    try forEach { record in
      guard case .deletion(.extra, let directory, let name) = record else { return }
      try massDeletion.add(directory, name) { self.builder.activity.step() }
    }
    try massDeletion.judge(keptCount: state.keptCount)
  }

  private func synchronize() throws {
    guard builder.activity.busy({ FileSystem.synchronize(root.descriptor) }) == 0 else {
      throw ReplicationError.file(.last("syncfs"), path: [])
    }
  }

  private func makeLinks() throws {
    try forEach { record in
      guard case .link(let first, let directory, let name) = record else { return }
      let path = name.withUnsafeBytes { directory.appending($0) }
      do throws(TreeError) {
        if try isSameFile(first, path) { return }
        try writer.makeLink(to: first, directory, name)
      } catch {
        state.warn(
          path, "could not be linked to \(printable(first)): \(error.message)", tell: builder)
      }
    }
  }

  private func isSameFile(_ a: [UInt8], _ b: [UInt8]) throws(TreeError) -> Bool {
    guard let first = try status(a), let second = try status(b) else { return false }
    return first.st_ino == second.st_ino && first.st_dev == second.st_dev
  }

  private func status(_ path: [UInt8]) throws(TreeError) -> stat? {
    let (directory, name) = path.splitLast()
    let parent = try writer.directories.descriptor(of: directory)
    var status = stat()
    let code = name.withCString { fstatat(parent, $0, &status, AT_SYMLINK_NOFOLLOW) }
    return code == 0 ? status : nil
  }

  private func delete(mayDelete: Bool) throws {
    try forEach { record in
      guard case .deletion(let kind, let directory, let name) = record, kind != .undo else {
        return
      }
      let path = name.withUnsafeBytes { directory.appending($0) }
      guard kind != .extra || mayDelete else { return }
      let before = removal.removedCount
      do {
        if kind == .extra {
          defer { state.deleted(removal.removedCount - before) }
          try removeExtra(directory, name)
        } else {
          _ = try remove(directory, name)
        }
      } catch let error as TreeError {
        state.warn(path, "could not be removed: \(error.message)", tell: builder)
      }
    }
    if !mayDelete {
      state.warn(
        [], "nothing was deleted: parts of the source could not be read", tell: builder)
    }
  }

  /// A directory may hold millions of entries, of which nothing is heard before the last is gone.
  private func remove(_ directory: [UInt8], _ name: [UInt8]) throws(TreeError) -> Bool {
    try builder.activity.busy { () throws(TreeError) in try removal.remove(directory, name) }
  }

  /// Goes through the journal, the newest record first.
  private func forEach(_ body: (RunJournal.Record) throws -> Void) throws {
    try journal.readReversed { record in
      builder.activity.step()
      try body(record)
    }
  }

  private func removeExtra(_ directory: [UInt8], _ name: [UInt8]) throws {
    if let limited {
      try limited.remove(directory, name) { try state.item(.deletion(), $0, tell: builder) }
    } else if try remove(directory, name) {
      // A directory that holds excluded entries stays, as with rsync.
      let path = name.withUnsafeBytes { directory.appending($0) }
      try state.item(.deletion(), path, tell: builder)
    }
  }

  /// Directories whose content was changed get back the time they had; those that the source has
  /// changed get theirs after that.
  private func restoreTimes() throws {
    try forEach { record in
      guard case .time(let path, let seconds, let nanoseconds) = record else { return }
      var entry = Entry()
      entry.modifiedSeconds = seconds
      entry.modifiedNanoseconds = nanoseconds
      let raw = root.openRaw(path, flags: O_RDONLY | O_DIRECTORY | O_NONBLOCK)
      guard raw >= 0 else { return }  // deleted, with a directory above it
      let descriptor = Descriptor(owning: raw)
      writer.attributes.setTime(entry, descriptor.raw) { path }
    }
  }

  private func setAttributes() throws {
    try forEach { record in
      guard case .attributes(let path, let listing) = record else { return }
      let entry = listing.entries[0]
      if path.isEmpty {
        writer.attributes.apply(
          entry, in: listing, directory: root.descriptor, name: ".", path: { [0x2e] })
        return
      }
      let parent = try writer.directories.descriptor(of: listing.path)
      writer.attributes.apply(
        entry, in: listing, directory: parent, name: listing.cName(of: entry)
      ) { path }
    }
  }

  private func removeUndoJournals() throws -> Bool {
    var isAny = false
    try forEach { record in
      guard case .deletion(.undo, let directory, let name) = record else { return }
      _ = try remove(directory, name)
      isAny = true
    }
    return isAny
  }
}
