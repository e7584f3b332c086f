import FileTree
import Glibc
import Platform

/// Does the batches of a restore, one after the other, each on all threads.
final class RestoreExecutor {
  private let options: RestoreOptions
  private let state: RestoreState
  let workers: [RestoreWorker]
  /// Pieces that one thread compares before it takes the next part: a large file is shared by all.
  private static let comparedCountMax = 16
  private static let readsPerThread = 16

  init(_ workers: [RestoreWorker], options: RestoreOptions, state: RestoreState) {
    self.workers = workers
    self.options = options
    self.state = state
  }

  /// Restores the content of a sealed batch; ``RestoreFinisher`` does the rest.
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
    let units = ReadUnit.joining(
      order, { pieces[Int($0)] }, byteCountMax: readByteCount(order, pieces))
    let table = OpenFileTable()
    let sorted = order
    try inParallel(units) { (worker, unit) throws(RepositoryError) in
      try worker.fetch(unit, sorted, batch, table)
    }
  }

  /// Bytes of one read: each thread has several of them, so that all end at about the same time.
  private func readByteCount(
    _ order: [UInt32], _ pieces: UnsafeMutableBufferPointer<RestorePiece>
  ) -> Int {
    let byteCount = order.reduce(0) { $0 + Int(pieces[Int($1)].sealedLength) }
    let share = byteCount / (workers.count * RestoreExecutor.readsPerThread)
    return min(max(share, RestoreLimits.readByteCountMin), RestoreLimits.readByteCountMax)
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
