import Platform

/// Hands out the work of a backup to its threads.
///
/// Directories that have been listed stand on a stack; work comes from the topmost, so that the
/// walk goes into depth and holds, for each thread, one directory of each level at most. Chunks of
/// large files go before everything else. Memory is bounded by that and by the chunk buffers.
final class BackupSchedule: @unchecked Sendable {
  enum Work {
    case chunk(FileChunk)
    /// Entries of ``SourceDirectory/work``.
    case files(SourceDirectory, Range<Int>)
    /// A directory to list: the entry's index.
    case directory(SourceDirectory, Int)
  }

  /// Files taken at once: enough that the lock does not matter, few enough that all threads have
  /// some.
  private static let batchCountMax = 32
  private static let batchBytesMax: Int64 = 1 << 20

  private let lock = Lock()
  private let changed: Condition
  private var stack: [SourceDirectory] = []
  private var chunks: [FileChunk] = []
  private var idleBuffers: [ChunkBuffer] = []
  private var bufferCount = 0
  private let bufferCountMax: Int
  private var waiting = 0
  private var tally = BackupTally()
  private var root: BlobID?
  private var failure: RepositoryError?
  private var openDescriptors = 0
  /// Directories kept open: the usual limit of a process is 1024 descriptors.
  private static let descriptorCountMax = 128

  init(chunkBufferCount: Int) {
    bufferCountMax = chunkBufferCount
    changed = Condition(lock)
  }

  private var isOver: Bool { root != nil || failure != nil }

  // MARK: Work

  /// The next piece of work; blocks while there is none. Nil at the end and after a failure.
  ///
  /// Adds what the caller has counted since its last call.
  func next(_ counted: inout BackupTally) -> Work? {
    lock.lock()
    defer { lock.unlock() }
    add(&counted)
    while !isOver {
      if let chunk = takeChunk() { return .chunk(chunk) }
      if let work = takeFromStack() { return work }
      waiting += 1
      changed.wait()
      waiting -= 1
    }
    return nil
  }

  private func takeChunk() -> FileChunk? { chunks.isEmpty ? nil : chunks.removeFirst() }

  private func takeFromStack() -> Work? {
    while let directory = stack.last {
      let first = directory.nextWork
      guard first < directory.work.count else {
        stack.removeLast()
        continue
      }
      let index = Int(directory.work[first])
      if directory.entries[index].isDirectory {
        directory.nextWork += 1
        return .directory(directory, index)
      }
      var end = first + 1
      var bytes = directory.entries[index].size
      while end < directory.work.count, end - first < BackupSchedule.batchCountMax {
        let entry = Int(directory.work[end])
        if directory.entries[entry].isDirectory { break }
        bytes &+= directory.entries[entry].size
        if bytes > BackupSchedule.batchBytesMax { break }
        end += 1
      }
      directory.nextWork = end
      return .files(directory, first..<end)
    }
    return nil
  }

  /// Adds a directory that has been listed and has work.
  func push(_ directory: SourceDirectory) {
    lock.withLock {
      directory.openWork = directory.work.count
      stack.append(directory)
      if waiting > 0 { changed.broadcast() }
    }
  }

  /// Notes that pieces of a directory's work are done; true when they were the last.
  func complete(_ directory: SourceDirectory, _ count: Int) -> Bool {
    if count == 0 { return false }
    return lock.withLock {
      directory.openWork -= count
      return directory.openWork == 0
    }
  }

  /// Whether one more directory may stay open; ``didCloseDirectory()`` follows then.
  func mayKeepOpen() -> Bool {
    lock.withLock {
      guard openDescriptors < BackupSchedule.descriptorCountMax else { return false }
      openDescriptors += 1
      return true
    }
  }

  func didCloseDirectory() { lock.withLock { openDescriptors -= 1 } }

  // MARK: Chunks

  /// A buffer for a chunk, or, when all are in use, a chunk to work on first. Nil after a failure.
  func takeBuffer() -> (buffer: ChunkBuffer?, chunk: FileChunk?)? {
    lock.lock()
    defer { lock.unlock() }
    while failure == nil {
      if let buffer = idleBuffers.popLast() { return (buffer, nil) }
      if bufferCount < bufferCountMax {
        bufferCount += 1
        return (ChunkBuffer(), nil)
      }
      if let chunk = takeChunk() { return (nil, chunk) }
      waiting += 1
      changed.wait()
      waiting -= 1
    }
    return nil
  }

  func submit(_ chunk: FileChunk) {
    lock.withLock {
      chunks.append(chunk)
      if waiting > 0 { changed.broadcast() }
    }
  }

  func giveBack(_ buffer: ChunkBuffer) {
    lock.withLock {
      idleBuffers.append(buffer)
      if waiting > 0 { changed.broadcast() }
    }
  }

  // MARK: The end

  func finish(_ root: BlobID) {
    lock.withLock {
      self.root = root
      changed.broadcast()
    }
  }

  /// Ends the run; the first failure counts.
  func fail(_ error: RepositoryError) {
    lock.withLock {
      failure = failure ?? error
      stack = []
      chunks = []
      changed.broadcast()
    }
  }

  var hasFailed: Bool { lock.withLock { failure != nil } }

  /// The tree of the snapshot.
  func result() throws(RepositoryError) -> BlobID {
    lock.lock()
    defer { lock.unlock() }
    if let failure { throw failure }
    guard let root else { throw .cancelled }
    return root
  }

  /// Blocks until the end or for `seconds`; true at the end.
  func waitForEnd(seconds: Double) -> Bool {
    let deadline = MonotonicTime.now().advanced(bySeconds: seconds)
    lock.lock()
    defer { lock.unlock() }
    while !isOver { if !changed.wait(until: deadline) { break } }
    return isOver
  }

  // MARK: Counts

  func add(_ counted: inout BackupTally) {
    tally.add(counted)
    counted = BackupTally()
  }

  /// Adds what a thread has counted at its end.
  func addLast(_ counted: inout BackupTally) { lock.withLock { add(&counted) } }

  var counts: BackupTally { lock.withLock { tally } }
}

/// What a backup counts.
struct BackupTally {
  var summary = SnapshotSummary()
  var filesFound = 0
  var bytesFound: Int64 = 0
  var unreadableCount = 0
  var vanishedCount = 0

  mutating func add(_ other: BackupTally) {
    summary.add(other.summary)
    filesFound += other.filesFound
    bytesFound += other.bytesFound
    unreadableCount += other.unreadableCount
    vanishedCount += other.vanishedCount
  }
}

extension SnapshotSummary {
  fileprivate mutating func add(_ other: SnapshotSummary) {
    filesNew += other.filesNew
    filesChanged += other.filesChanged
    filesUnmodified += other.filesUnmodified
    directoriesNew += other.directoriesNew
    directoriesChanged += other.directoriesChanged
    directoriesUnmodified += other.directoriesUnmodified
    dataBlobs += other.dataBlobs
    treeBlobs += other.treeBlobs
    dataAdded += other.dataAdded
    dataAddedPacked += other.dataAddedPacked
    totalFilesProcessed += other.totalFilesProcessed
    totalBytesProcessed += other.totalBytesProcessed
  }
}
