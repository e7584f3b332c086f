import FileTree
import Pipelines
import Platform

/// A file that was asked for and has not come yet.
final class PendingFile: Sendable {
  let request: UInt32
  /// The part of the listing that holds the entry; nil for a volume.
  let listing: DirectoryListing?
  let index: Int
  /// Index of the entry in the sender's listing, for a request anew.
  let sourceIndex: UInt32
  let directoryNumber: UInt32
  let change: ItemChange
  /// The delta's state; nil for a file that comes whole.
  let rebuild: FileRebuild?
  /// The delta could not be used and the whole file was asked for.
  var isRetried: Bool { rebuild?.isReplaced ?? false }

  init(
    request: UInt32, listing: DirectoryListing?, index: Int, sourceIndex: UInt32,
    directoryNumber: UInt32, change: ItemChange, rebuild: FileRebuild?
  ) {
    self.rebuild = rebuild
    self.request = request
    self.listing = listing
    self.index = index
    self.sourceIndex = sourceIndex
    self.directoryNumber = directoryNumber
    self.change = change
  }

  var entry: Entry { listing?.entries[index] ?? Entry() }
  var path: [UInt8] {
    guard let listing else { return [] }
    return listing.path(of: listing.entries[index])
  }
}

/// The open requests of a receiver. At most ``WireLimits/requestCountMax``; asking blocks beyond.
///
/// Who had to wait goes on when half of the requests are answered, not when one is: requests then
/// travel by hundreds in a record, and the threads at both ends do not wake each other for every
/// file.
final class PendingFiles: @unchecked Sendable {
  private let lock = Lock()
  private let changed: Condition
  private var files: [UInt32: PendingFile] = [:]
  private var next: UInt32 = 0
  private var failed = false
  private static let resumeCount = WireLimits.requestCountMax / 2

  init() { changed = Condition(lock) }

  /// Reserves a request number. `beforeWait` runs, without the lock, before a wait.
  func reserve(timer: StageTimer?, beforeWait: () throws -> Void) throws -> UInt32 {
    lock.lock()
    if files.count >= WireLimits.requestCountMax, !failed {
      lock.unlock()
      try beforeWait()
      lock.lock()
      let start = MonotonicTime.now()
      while files.count > PendingFiles.resumeCount, !failed { changed.wait() }
      timer?.addOutputWait(since: start)
    }
    defer { lock.unlock() }
    if failed { throw ChannelClosed() }
    while files[next] != nil { next &+= 1 }
    defer { next &+= 1 }
    return next
  }

  func add(_ file: PendingFile) { lock.withLock { files[file.request] = file } }

  func file(_ request: UInt32) throws -> PendingFile {
    guard let file = lock.withLock({ files[request] }) else {
      throw ReplicationError.violation("data for a file that was not asked for")
    }
    return file
  }

  func remove(_ file: PendingFile) {
    lock.withLock {
      files[file.request] = nil
      if files.isEmpty || files.count == PendingFiles.resumeCount { changed.broadcast() }
    }
  }

  /// Blocks until no request is open.
  func waitUntilEmpty(timer: StageTimer?) throws {
    lock.lock()
    defer { lock.unlock() }
    let start = MonotonicTime.now()
    while !files.isEmpty, !failed { changed.wait() }
    timer?.addInputWait(since: start)
    if failed { throw ChannelClosed() }
  }

  func fail() {
    lock.withLock {
      failed = true
      changed.broadcast()
    }
  }
}
