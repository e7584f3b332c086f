import FileTree
import Glibc
import Pipelines
import Platform

/// The digest of a file's content, or why there is none.
typealias HashedContent = Result<[UInt8], TreeError>

/// Digests of files of one listing, at the indexes of their entries; nil where none was asked for.
struct HashedListing: Sendable {
  let contents: [HashedContent?]
}

/// Hashes files of one tree on a thread of its own, directory by directory in the order asked.
final class HashStream {
  private struct Request: Sendable {
    let listing: DirectoryListing
    let indexes: [Int]
  }

  private let requests: BoundedChannel<Request>
  private let results: BoundedChannel<HashedListing>
  private let thread: Thread<Void>
  private var isJoined = false

  /// At most `countMax` directories may be asked for and not yet taken; neither side blocks then.
  init(root: TreeRoot, countMax: Int) {
    let requests = BoundedChannel<Request>(countMax: countMax)
    let results = BoundedChannel<HashedListing>(countMax: countMax)
    self.requests = requests
    self.results = results
    thread = Thread("hash") {
      defer {
        requests.fail()
        results.close()
      }
      let hasher = try DirectoryHasher(root: root, hash: try ContentHash())
      while let request = try requests.receive() {
        try results.send(hasher.hash(request.listing, request.indexes))
      }
    }
  }

  func submit(_ listing: DirectoryListing, _ indexes: [Int]) throws {
    do {
      try requests.send(Request(listing: listing, indexes: indexes))
    } catch {
      try join()
      throw error
    }
  }

  /// The digests of the earliest request that was not taken yet. Blocks.
  func next() throws -> HashedListing {
    if let result = try results.receive() { return result }
    try join()
    throw ChannelClosed()
  }

  private func join() throws {
    guard !isJoined else { return }
    isJoined = true
    try thread.join()
  }

  /// Ends the thread and waits for it.
  func stop() {
    guard !isJoined else { return }
    requests.fail()
    results.fail()
    isJoined = true
    // Its only errors are those of closed channels by now.
    _ = try? thread.join()
  }
}

/// Opens and hashes files of one directory after the other. Confined to one thread.
private final class DirectoryHasher {
  private let root: TreeRoot
  private let hash: ContentHash
  /// Reading leaves no trace in the access times, where the kernel allows that.
  private var noAccessTime = FileSystem.openNoAccessTime

  /// The digest of no bytes, shared by all empty files.
  private let emptyDigest: [UInt8]

  init(root: TreeRoot, hash: ContentHash) throws(PlatformError) {
    self.root = root
    self.hash = hash
    emptyDigest = try hash.digest(-1, sizeBytes: 0, isSparse: false)
  }

  func hash(_ listing: DirectoryListing, _ indexes: [Int]) -> HashedListing {
    var contents = [HashedContent?](repeating: nil, count: listing.entries.count)
    do throws(TreeError) {
      let directory = try root.openDirectory(listing.path)
      for index in indexes {
        contents[index] = hash(listing.entries[index], in: listing, directory.raw)
      }
    } catch {
      for index in indexes { contents[index] = .failure(error) }
    }
    return HashedListing(contents: contents)
  }

  private func hash(
    _ entry: Entry, in listing: DirectoryListing, _ directory: Int32
  ) -> HashedContent {
    // Nothing has to be opened to know what is in an empty file.
    if entry.size == 0 { return .success(emptyDigest) }
    let raw = open(directory, listing.cName(of: entry))
    guard raw >= 0 else {
      return .failure(.system(.last("openat"), path: listing.path(of: entry)))
    }
    let file = Descriptor(owning: raw)
    guard let status = status(of: file.raw, asIn: entry) else {
      return .failure(.changed(path: listing.path(of: entry)))
    }
    do throws(PlatformError) {
      let digest = try hash.digest(
        file.raw, sizeBytes: entry.size,
        isSparse: Int64(status.st_blocks) * 512 < entry.size)
      guard self.status(of: file.raw, asIn: entry) != nil else {
        return .failure(.changed(path: listing.path(of: entry)))
      }
      return .success(digest)
    } catch {
      let isShorter = self.status(of: file.raw, asIn: entry) == nil
      let path = listing.path(of: entry)
      return .failure(isShorter ? .changed(path: path) : .system(error, path: path))
    }
  }

  private func open(_ directory: Int32, _ name: UnsafePointer<CChar>) -> Int32 {
    let flags = O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC
    let raw = retryingOnInterrupt { openat(directory, name, flags | noAccessTime) }
    // Only the owner of a file may ask for that.
    guard raw < 0, errno == EPERM, noAccessTime != 0 else { return raw }
    noAccessTime = 0
    return retryingOnInterrupt { openat(directory, name, flags) }
  }

  /// The status of an open file; nil when it is no longer the one that the walk has seen.
  private func status(of descriptor: Int32, asIn entry: Entry) -> stat? {
    var status = stat()
    guard fstat(descriptor, &status) == 0, status.st_mode & S_IFMT == S_IFREG,
      UInt64(status.st_ino) == entry.inode, Int64(status.st_size) == entry.size,
      Int64(status.st_mtim.tv_sec) == entry.modifiedSeconds,
      UInt32(status.st_mtim.tv_nsec) == entry.modifiedNanoseconds
    else { return nil }
    return status
  }
}
