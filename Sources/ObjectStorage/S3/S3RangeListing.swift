import Platform

extension S3Client {
  /// As ``list(_:prefix:after:delimiter:folder:visit:)``, several pages at once: `marks` are keys,
  /// wherever they come from, between which the listing is divided. They need not exist; those that
  /// are not in order or not below the prefix are passed over. Objects are visited in the order of
  /// their keys.
  ///
  /// A range that fits a page costs one request. Memory holds two pages for each of `concurrency`
  /// threads, and as much for ranges that wait.
  package func list(
    _ bucket: String, prefix: String = "", marks: [String], concurrency: Int,
    visit: (S3Entry) throws(S3Error) -> Void
  ) throws(S3Error) {
    let ranges = S3KeyRange.between(marks, prefix: prefix)
    guard ranges.count > 1, concurrency > 1 else {
      return try list(bucket, prefix: prefix, visit: visit)
    }
    let listing = S3RangeListing(self, bucket, prefix, ranges)
    try listing.run(threadCount: min(concurrency, ranges.count), visit)
  }
}

/// The keys behind one and up to another; nil for no bound.
struct S3KeyRange: Equatable {
  var after: String?
  var through: [UInt8]?

  /// All keys, in as many ranges as there are good marks, and one.
  static func between(_ marks: [String], prefix: String) -> [S3KeyRange] {
    var ranges: [S3KeyRange] = []
    var last: String?
    for mark in marks {
      let isBehind = last.map { $0.utf8.lexicographicallyPrecedes(mark.utf8) } ?? true
      guard isBehind, mark.utf8.starts(with: prefix.utf8), !mark.isEmpty else { continue }
      ranges.append(S3KeyRange(after: last, through: Array(mark.utf8)))
      last = mark
    }
    return ranges + [S3KeyRange(after: last, through: nil)]
  }
}

/// One listing by ranges: threads read them ahead, and the caller's visits them in order.
private final class S3RangeListing: @unchecked Sendable {
  /// Objects that are handed on together.
  private static let batchCount = 1000
  /// Batches of a range that wait while an earlier range is visited.
  private static let waitingCountMax = 2

  private struct Progress {
    var batches: [[S3Entry]] = []
    var end: Result<Void, S3Error>?
  }

  private let client: S3Client
  private let bucket: String
  private let prefix: String
  private let ranges: [S3KeyRange]
  private let lock = Lock()
  private let changed: Condition
  // Guarded by `lock`.
  private var progress: [Progress]
  private var nextRange = 0
  private var visited = 0
  private var aheadMax = 0
  private var isUnwanted = false

  init(_ client: S3Client, _ bucket: String, _ prefix: String, _ ranges: [S3KeyRange]) {
    (self.client, self.bucket, self.prefix, self.ranges) = (client, bucket, prefix, ranges)
    changed = Condition(lock)
    progress = Array(repeating: Progress(), count: ranges.count)
  }

  func run(
    threadCount: Int, _ visit: (S3Entry) throws(S3Error) -> Void
  ) throws(S3Error) {
    aheadMax = 2 * threadCount
    let threads = (0..<threadCount).map { number in
      Thread("list-\(number)") { self.readRanges() }
    }
    defer {
      lock.withLock {
        isUnwanted = true
        changed.broadcast()
      }
      // The bodies throw nothing.
      for thread in threads { try? thread.join() }
    }
    for number in ranges.indices {
      while let batch = try nextBatch(of: number) {
        for entry in batch { try visit(entry) }
      }
      lock.withLock {
        visited = number + 1
        changed.broadcast()
      }
    }
  }

  /// Nil at the end of the range.
  private func nextBatch(of number: Int) throws(S3Error) -> [S3Entry]? {
    lock.lock()
    defer { lock.unlock() }
    while progress[number].batches.isEmpty {
      if let end = progress[number].end {
        try end.get()
        return nil
      }
      changed.wait()
    }
    let batch = progress[number].batches.removeFirst()
    changed.broadcast()
    return batch
  }

  // MARK: Threads

  private func readRanges() {
    while let number = takeRange() {
      let end = Result { () throws(S3Error) in try read(number) }
      lock.withLock {
        progress[number].end = end
        changed.broadcast()
      }
    }
  }

  private func takeRange() -> Int? {
    lock.lock()
    defer { lock.unlock() }
    while !isUnwanted, nextRange < ranges.count, nextRange >= visited + aheadMax { changed.wait() }
    guard !isUnwanted, nextRange < ranges.count else { return nil }
    nextRange += 1
    return nextRange - 1
  }

  private func read(_ number: Int) throws(S3Error) {
    let range = ranges[number]
    var batch: [S3Entry] = []
    var isThrough = false
    do throws(S3Error) {
      try client.list(bucket, prefix: prefix, after: range.after) { (entry) throws(S3Error) in
        if let through = range.through, through.lexicographicallyPrecedes(entry.key) {
          isThrough = true
          throw .cancelled
        }
        batch.append(entry)
        isThrough = entry.key == range.through
        guard batch.count >= S3RangeListing.batchCount || isThrough else { return }
        guard handOn(batch, number) else { throw .cancelled }
        batch = []
        // The next page is the next range's.
        if isThrough { throw .cancelled }
      }
    } catch {
      guard isThrough else { throw error }
    }
    if !batch.isEmpty { _ = handOn(batch, number) }
  }

  /// False when nobody wants more.
  private func handOn(_ batch: [S3Entry], _ number: Int) -> Bool {
    lock.lock()
    defer { lock.unlock() }
    while !isUnwanted, progress[number].batches.count >= S3RangeListing.waitingCountMax {
      changed.wait()
    }
    progress[number].batches.append(batch)
    changed.broadcast()
    return !isUnwanted
  }
}
