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
  /// What is compared by its digest before the file comes whole; nil for a file that comes in any
  /// case.
  let hashed: HashedBasis?
  /// The delta could not be used and the whole file was asked for.
  var isRetried: Bool { rebuild?.isReplaced ?? false }

  init(
    request: UInt32, listing: DirectoryListing?, index: Int, sourceIndex: UInt32,
    directoryNumber: UInt32, change: ItemChange, rebuild: FileRebuild?, hashed: HashedBasis? = nil
  ) {
    self.hashed = hashed
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

/// The open requests of a receiver. At most ``WireLimits/requestCountMax``, and as many as hold on
/// to listings of ``WireLimits/requestWeightMax`` bytes; asking blocks beyond.
///
/// Who had to wait goes on when half of them are answered, not when one is: requests then travel by
/// hundreds in a record, and the threads at both ends do not wake each other for every file.
final class PendingFiles: @unchecked Sendable {
  private let lock = Lock()
  private let changed: Condition
  private var files: [UInt32: PendingFile] = [:]
  /// Parts of listings that files belong to, with the number of those files.
  private var parts: [ObjectIdentifier: (fileCount: Int, weight: Int)] = [:]
  private var weight = 0
  private var next: UInt32 = 0
  private var failed = false
  /// Somebody waits for room.
  private var isWaiting = false

  init() { changed = Condition(lock) }

  private var isFull: Bool {
    files.count >= WireLimits.requestCountMax
      || (weight >= WireLimits.requestWeightMax && !files.isEmpty)
  }

  private var isHalfEmpty: Bool {
    files.isEmpty
      || (files.count <= WireLimits.requestCountMax / 2
        && weight <= WireLimits.requestWeightMax / 2)
  }

  /// Reserves a request number. `beforeWait` runs, without the lock, before a wait.
  func reserve(timer: StageTimer?, beforeWait: () throws -> Void) throws -> UInt32 {
    lock.lock()
    if isFull, !failed {
      lock.unlock()
      try beforeWait()
      lock.lock()
      let start = MonotonicTime.now()
      isWaiting = true
      while !isHalfEmpty, !failed { changed.wait() }
      isWaiting = false
      timer?.addOutputWait(since: start)
    }
    defer { lock.unlock() }
    if failed { throw ChannelClosed() }
    while files[next] != nil { next &+= 1 }
    defer { next &+= 1 }
    return next
  }

  func add(_ file: PendingFile) {
    lock.withLock {
      files[file.request] = file
      guard let listing = file.listing else { return }
      var part = parts[ObjectIdentifier(listing)] ?? (0, listing.weight)
      if part.fileCount == 0 { weight += part.weight }
      part.fileCount += 1
      parts[ObjectIdentifier(listing)] = part
    }
  }

  func file(_ request: UInt32) throws -> PendingFile {
    guard let file = lock.withLock({ files[request] }) else {
      throw ReplicationError.violation("data for a file that was not asked for")
    }
    return file
  }

  func remove(_ file: PendingFile) {
    lock.withLock {
      if files.removeValue(forKey: file.request) != nil { letGo(of: file.listing) }
      if files.isEmpty || (isWaiting && isHalfEmpty) { changed.broadcast() }
    }
  }

  private func letGo(of listing: DirectoryListing?) {
    guard let listing, var part = parts[ObjectIdentifier(listing)] else { return }
    part.fileCount -= 1
    parts[ObjectIdentifier(listing)] = part.fileCount == 0 ? nil : part
    if part.fileCount == 0 { weight -= part.weight }
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
