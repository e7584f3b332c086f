import FileTree
import Glibc
import Platform

/// Does the batches of a restore, one after the other, each on all threads.
final class RestoreExecutor {
  private let options: RestoreOptions
  private let state: RestoreState
  private let root: TreeRoot
  let workers: [RestoreWorker]
  /// Pieces that one thread compares before it takes the next part: a large file is shared by all.
  private static let comparedCountMax = 16

  init(_ workers: [RestoreWorker], options: RestoreOptions, root: TreeRoot, state: RestoreState) {
    self.workers = workers
    self.options = options
    self.root = root
    self.state = state
  }

  /// Restores everything of a sealed batch.
  func run(_ batch: RestoreBatch) throws(RepositoryError) {
    let items = batch.items
    let candidates = items.indices.filter { number in
      switch items[number].obstacle {
      case .file: !items[number].isMetadataOnly
      case .partial: items[number].pieces.count > 1
      default: false
      }
    }
    try inParallel(parts(of: candidates, batch)) { (worker, part) throws(RepositoryError) in
      try worker.compare(batch, part.item, part.pieces)
    }
    let groups = stride(from: 0, to: items.count, by: 32).map { $0..<min($0 + 32, items.count) }
    try inParallel(groups) { (worker, group) throws(RepositoryError) in
      for number in group where !batch.item(number).hasFailed { try worker.settle(batch, number) }
    }
    try fetch(batch)
    try cleanUp(batch)
    if options.verifies {
      let written = items.indices.filter { number in
        items[number].entry.kind == .regular && !items[number].hasFailed
      }
      try inParallel(parts(of: written, batch)) { (worker, part) throws(RepositoryError) in
        try worker.verify(batch, part.item, part.pieces)
      }
    }
    try makeLinks(batch)
    try finishDirectories(batch)
  }

  private struct Part {
    let item: Int
    let pieces: Range<Int>
  }

  private func parts(of numbers: [Int], _ batch: RestoreBatch) -> [Part] {
    var parts: [Part] = []
    for number in numbers {
      let pieces = batch.items[number].pieces
      var start = pieces.lowerBound
      repeat {
        let end = min(start + RestoreExecutor.comparedCountMax, pieces.upperBound)
        parts.append(Part(item: number, pieces: start..<end))
        start = end
      } while start < pieces.upperBound
    }
    return parts
  }

  private func fetch(_ batch: RestoreBatch) throws(RepositoryError) {
    let items = batch.items
    let pieces = batch.pieces
    var order: [UInt32] = []
    for item in items where !item.hasFailed && item.missingCount > 0 {
      for piece in item.pieces where !pieces[piece].isPresent { order.append(UInt32(piece)) }
    }
    order.sort { a, b in
      let left = pieces[Int(a)]
      let right = pieces[Int(b)]
      return (left.pack, left.offset, left.sealedLength, a)
        < (right.pack, right.offset, right.sealedLength, b)
    }
    let units = ReadUnit.joining(order) { pieces[Int($0)] }
    let table = OpenFileTable()
    let sorted = order
    try inParallel(units) { (worker, unit) throws(RepositoryError) in
      try worker.fetch(unit, sorted, batch, table)
    }
  }

  /// Runs `body` for every part on all workers; each takes the next part.
  private func inParallel<Part: Sendable>(
    _ parts: [Part],
    _ body: @escaping @Sendable (RestoreWorker, Part) throws(RepositoryError) -> Void
  ) throws(RepositoryError) {
    guard !parts.isEmpty else { return }
    let cursor = PartCursor(parts.count)
    let state = state
    let threads = workers.prefix(parts.count).map { worker in
      Thread<Void>("restore") {
        while let number = cursor.next() {
          do throws(RepositoryError) {
            try state.check()
            try body(worker, parts[number])
          } catch {
            return state.fail(error)
          }
        }
      }
    }
    // Their bodies do not throw.
    for thread in threads { _ = try? thread.join() }
    try state.check()
  }

  // MARK: The end of a batch

  /// Removes what is unfinished; an earlier file that nothing was written to gets its name back.
  func cleanUp(_ batch: RestoreBatch) throws(RepositoryError) {
    for item in batch.items {
      guard let temporary = item.temporary else { continue }
      do throws(TreeError) {
        let parent = try workers[0].parent(item)
        let name = RestoreTemporary.name(temporary)
        guard item.hasBasis, item.obstacle == .file else {
          _ = unlinkat(parent, name, 0)
          continue
        }
        if item.isTouched {
          state.keep(temporary: name, in: item.listing.path)
          state.problem(
            .entry, item.path,
            "the earlier file, in part overwritten, is left as \(name) beside it")
        } else {
          _ = renameat(parent, name, parent, item.listing.cName(of: item.entry))
        }
      } catch {
        try state.entryFailed(error)
      }
    }
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
        if link.obstacle == .directory { try workers[0].clearDirectory(link.listing.path, name) }
        if try !isLinked(first, link.listing, entry) {
          try workers[0].writer.makeLink(to: first, link.listing.path, name)
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
    let cache = workers[0].writer.directories
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
    let worker = workers[0]
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
    let worker = workers[0]
    let parent = try worker.writer.directories.descriptor(of: directory.path)
    let kept = Set(
      state.keptTemporaries.filter { $0.directory == directory.path }.map(\.name))
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

/// Hands out numbers below a count.
private final class PartCursor: @unchecked Sendable {
  private let lock = Lock()
  private let count: Int
  private var position = 0

  init(_ count: Int) { self.count = count }

  func next() -> Int? {
    lock.withLock {
      guard position < count else { return nil }
      defer { position += 1 }
      return position
    }
  }
}
