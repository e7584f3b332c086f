import FileTree
import Glibc
import Platform

/// Ends batches whose files are complete: further names of files, what is to be removed, and the
/// attributes of directories, children first. Works on a thread of its own while the others restore
/// the next batch: whatever that one writes stands in directories that are not finished here.
/// Confined to that thread.
final class RestoreFinisher: @unchecked Sendable {
  private let worker: RestoreWorker
  private let root: TreeRoot
  private let state: RestoreState

  init(_ worker: RestoreWorker, root: TreeRoot, state: RestoreState) {
    self.worker = worker
    self.root = root
    self.state = state
  }

  func finish(_ batch: RestoreBatch) throws(RepositoryError) {
    try makeLinks(batch)
    try finishDirectories(batch)
  }

  private func makeLinks(_ batch: RestoreBatch) throws(RepositoryError) {
    for link in batch.links {
      let entry = link.listing.entries[link.entryNumber]
      let path = link.listing.path(of: entry)
      let first = [UInt8](link.listing.bytes(entry.linkPath))
      guard !state.hasFailed(first) else {
        state.entryFailed(.entry, path, "another name of \(printable(first)), which has failed")
        continue
      }
      do throws(TreeError) {
        let name = [UInt8](link.listing.name(of: entry))
        if link.obstacle == .directory { try worker.clearDirectory(link.listing.path, name) }
        if try !isLinked(first, link.listing, entry) {
          try worker.writer.makeLink(to: first, link.listing.path, name)
        }
        state.count { $0.links += 1 }
        state.tell(.restored(path: path, entry.kind))
      } catch {
        try state.entryFailed(error)
      }
    }
  }

  /// Whether both names are of one file already.
  private func isLinked(
    _ first: [UInt8], _ listing: DirectoryListing, _ entry: Entry
  ) throws(TreeError) -> Bool {
    let (directory, name) = first.splitLast()
    let cache = worker.writer.directories
    var a = stat()
    var b = stat()
    let source = try cache.descriptor(of: directory)
    guard name.withCString({ fstatat(source, $0, &a, AT_SYMLINK_NOFOLLOW) }) == 0 else {
      throw .system(.last("fstatat"), path: first)
    }
    let parent = try cache.descriptor(of: listing.path)
    guard fstatat(parent, listing.cName(of: entry), &b, AT_SYMLINK_NOFOLLOW) == 0 else {
      return false
    }
    return a.st_dev == b.st_dev && a.st_ino == b.st_ino
  }

  private func finishDirectories(_ batch: RestoreBatch) throws(RepositoryError) {
    for directory in batch.directories {
      do throws(TreeError) {
        try removeExtras(directory)
        guard let number = directory.entryNumber else { continue }
        let raw = root.openRaw(directory.path, flags: O_RDONLY | O_DIRECTORY | O_NONBLOCK)
        guard raw >= 0 else { throw .system(.last("openat2"), path: directory.path) }
        let descriptor = Descriptor(owning: raw)
        worker.writer.attributes.apply(
          batch.directoryEntries.entries[number], in: batch.directoryEntries, to: descriptor.raw
        ) { directory.path }
        state.tell(.restored(path: directory.path, .directory))
      } catch {
        try state.entryFailed(error)
      }
    }
  }

  private func removeExtras(_ directory: RestoreDirectory) throws(TreeError) {
    guard !directory.leftovers.isEmpty || !directory.extras.isEmpty else { return }
    let parent = try worker.writer.directories.descriptor(of: directory.path)
    let kept = state.namesOfKeptTemporaries(in: directory.path)
    for name in directory.leftovers where !kept.contains(name) {
      _ = name.withCString { unlinkat(parent, $0, 0) }
    }
    for name in directory.extras {
      let before = worker.removal.removedCount
      _ = try worker.removal.remove(directory.path, name)
      let count = worker.removal.removedCount - before
      state.count { $0.entriesDeleted += count }
      state.tell(.deleted(path: name.withUnsafeBytes { directory.path.appending($0) }))
    }
  }
}
